"""A sample of the images of a log of predictions, kept in the folder `images` beside the log."""

import os
import random
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from data.files.removing import remove_oldest
from data.files.writing import make_folder
from data.rasters.png import PNG_START

IMAGES_FOLDER = "images"
"""Name of the folder below that of the log."""
IMAGES_SIZE = 2**30
"""Maximum size in bytes of all images in the folder."""
_MOST_WAITING = 64 * 2**20  # bytes of images that wait to be written
_SUFFIXES = (".png", ".jpg")


class RequestImages:
    """Chooses images at random and writes them; the oldest are removed when there are too many."""

    def __init__(self, folder: Path, share: float, *, folder_size: int = IMAGES_SIZE) -> None:
        """Creates the folder.

        Args:
          folder: Folder of the log.
          share: Share of the images to keep, above 0 and at most 1.
          folder_size: Maximum size in bytes of all images.

        Raises:
          InputError: The folder cannot be created.
        """
        self._folder = folder / IMAGES_FOLDER
        make_folder(str(self._folder))
        self._share, self._folder_size = share, folder_size
        self._lock = threading.Lock()
        self._waiting = self._images = 0
        self._unchecked = self._folder_size  # so that the first image removes old ones

    def choose(self, images: Sequence[bytes]) -> list[bytes | None]:
        """Returns the images to write, or None; each of them needs a call of `done` later."""
        return [image if self._chosen(len(image)) else None for image in images]

    def _chosen(self, size: int) -> bool:
        if random.random() >= self._share:  # noqa: S311 # not for secrets
            return False
        with self._lock:
            fits = self._waiting + size <= _MOST_WAITING
            self._waiting += size if fits else 0
        return fits

    def done(self, image: bytes) -> None:
        """Frees the place of a chosen image that is written or lost."""
        with self._lock:
            self._waiting -= len(image)

    def write(self, image: bytes) -> str:
        """Writes a chosen image.

        Args:
          image: Contents of a PNG or JPEG file.

        Returns:
          Path of the file, relative to the folder of the log.

        Raises:
          OSError: The file cannot be written.
        """
        if self._unchecked + len(image) > self._folder_size // 32:
            self._remove_old_images()
            self._unchecked = 0
        self._unchecked += len(image)
        self._images += 1
        # No part of the name comes from the request.
        moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        suffix = _SUFFIXES[0] if image.startswith(PNG_START) else _SUFFIXES[1]
        name = f"{moment}-{socket.gethostname()}-{os.getpid()}-{id(self)}-{self._images}{suffix}"
        with (self._folder / name).open("xb") as file:
            file.write(image)
        return f"{IMAGES_FOLDER}/{name}"

    def _remove_old_images(self) -> None:
        """Removes the oldest images, so that a 32nd of the folder's maximum size becomes free."""
        remove_oldest(self._folder, _SUFFIXES, self._folder_size - self._folder_size // 32)
