"""Log of predictions: JSON lines with statistics of each image and of its answer.

Each process writes files of its own, so several may share a folder. A file holds at most
`FILE_SIZE` bytes, and the oldest files of the folder are removed when all exceed `FOLDER_SIZE`.
Images are kept only if a share of them is asked for (see `serving.request_images`).
"""

import contextlib
import logging
import math
import os
import queue
import socket
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, Field

from data.examples import features
from data.files.removing import remove_oldest
from data.files.writing import make_folder
from serving.request_images import RequestImages
from serving.signature import CLASS_FRACTION, CONFIDENCE, IMAGE_STATISTICS, Arrays

log = logging.getLogger(__name__)

FILE_SIZE, FOLDER_SIZE = 8 * 2**20, 256 * 2**20
SUFFIX = ".jsonl"
_MOST_WAITING = 10_000  # maximum number of answers that wait to be written
_DIGITS = 6
# Limits of what a log may contain, wide enough for any image and any time: other programs write
# logs too, and NaN or the year 1 cannot be compared.
_Number = Annotated[float, Field(ge=0, le=2**31)]
_Time = Annotated[
    AwareDatetime,
    Field(
        ge=datetime(1970, 1, 1, tzinfo=timezone.utc), lt=datetime(9999, 1, 1, tzinfo=timezone.utc)
    ),
]


class Answer(BaseModel):
    """A line of the log: one image that was segmented.

    Attributes:
      log: Mark of the format.
      time: Date and time of the answer, with the offset from UTC.
      version: Version of the model; None if unknown.
      statistics: Statistics of the image, by the names of `features.IMAGE_STATISTICS`; None if the
        model does not compute them.
      classes: Share of the mask's pixels in each class, by class name.
      confidence: Highest class probability at each pixel, averaged over the image, 1/C..1; None if
        it is not a number.
      image: Path of the image; None if unknown, as for requests to a server.
      kept: Path of the image that the log keeps, relative to its folder; None for most images.
    """

    log: Literal["unetfx/1"] = "unetfx/1"
    time: _Time
    version: int | None = None
    statistics: dict[str, _Number] | None
    classes: dict[str, _Number]
    confidence: float | None
    image: str | None = None
    kept: str | None = None


def answers_of(outputs: Arrays, version: int, classes: Sequence[str]) -> list[Answer]:
    """Converts the outputs of `serving_default` to lines of the log.

    Args:
      outputs: Outputs for a batch of images, keyed by name.
      version: Version of the model.
      classes: Class names, indexed by class id.
    """
    described = outputs.get(IMAGE_STATISTICS)
    fractions, confidences = outputs[CLASS_FRACTION], outputs[CONFIDENCE]
    rows: Iterable[Mapping[str, float] | None] = [None] * len(confidences)
    if described is not None:
        names = features.IMAGE_STATISTICS
        rows = [dict(zip(names, row, strict=True)) for row in described.tolist()]
    return [
        answer(row, dict(zip(classes, shares, strict=True)), confidence, version)
        for row, shares, confidence in zip(
            rows, fractions.tolist(), confidences.tolist(), strict=True
        )
    ]


def answer(
    statistics: Mapping[str, float] | None,
    classes: Mapping[str, float],
    confidence: float,
    version: int | None,
    image: str | None = None,
) -> Answer:
    """Returns a line of the log for the present time; see `Answer`."""
    return Answer(
        time=datetime.now(timezone.utc),
        version=version,
        statistics=None if statistics is None else _rounded(statistics),
        classes=_rounded(classes),
        confidence=round(confidence, _DIGITS) if math.isfinite(confidence) else None,
        image=image,
    )


def _rounded(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: round(number, _DIGITS) for name, number in numbers.items()}


_Answers: TypeAlias = Sequence[tuple[Answer, bytes | None]]


class RequestLog:
    """Writes answers to a folder in a thread of its own. No failure reaches the caller."""

    def __init__(
        self,
        folder: Path,
        images: float | None = None,
        *,
        file_size: int = FILE_SIZE,
        folder_size: int = FOLDER_SIZE,
    ) -> None:
        """Creates the folder and starts the thread.

        Args:
          folder: Folder of the log.
          images: Share of the images to keep, above 0 and at most 1; None to keep none.
          file_size: Size in bytes after which a new file is started.
          folder_size: Maximum size in bytes of all files in the folder.

        Raises:
          InputError: The folder cannot be created.
        """
        make_folder(str(folder))
        self._folder = folder
        self._file_size, self._folder_size = file_size, folder_size
        self._images = None if images is None else RequestImages(folder, images)
        self._queue: queue.Queue[_Answers | None] = queue.Queue(_MOST_WAITING)
        self._file: IO[bytes] | None = None
        self._written = self._files = 0
        self._warned: set[str] = set()
        self._thread = threading.Thread(target=self._work, name="request log", daemon=True)
        self._thread.start()

    def add(self, answers: Sequence[Answer], images: Sequence[bytes]) -> None:
        """Queues answers to be written; drops them if the disk has fallen far behind.

        Args:
          answers: The answers.
          images: Contents of the PNG or JPEG file of each answer.
        """
        chosen = self._images.choose(images) if self._images else [None] * len(answers)
        try:
            self._queue.put_nowait(list(zip(answers, chosen, strict=True)))
        except queue.Full:
            self._free(chosen)
            self._warn_once(f"{self._folder}: too slow; some answers are not logged")

    def _free(self, images: Iterable[bytes | None]) -> None:
        for image in images:
            if self._images and image is not None:
                self._images.done(image)

    def close(self) -> None:
        """Writes all queued answers and ends the thread."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (answers := self._queue.get()) is not None:
            try:
                self._write(answers)
            except OSError as error:
                # A new file is started afterwards, because this one may end in half a line.
                self._close_file()
                self._warn_once(
                    f"{self._folder}: cannot be written ({error.strerror}); answers are not logged "
                    "until it can"
                )
            self._free(image for _, image in answers)
        self._close_file()

    def _write(self, answers: _Answers) -> None:
        for one, image in answers:
            one.kept = self._keep(image)
            if one.statistics is None:
                self._warn_once(
                    f"version {one.version} returns no {IMAGE_STATISTICS}, because an older unetfx "
                    "exported it; unetfx drift cannot compare its requests"
                )
            line = one.model_dump_json().encode() + b"\n"
            if self._file is None or self._written + len(line) > self._file_size:
                self._start_file()
            self._written += len(line)
            self._file.write(line)  # type: ignore[union-attr] # `_start_file` opened it
        if self._queue.empty() and self._file:
            self._file.flush()

    def _keep(self, image: bytes | None) -> str | None:
        """Writes an image if there is one, and returns its path."""
        if self._images is None or image is None:
            return None
        try:
            return self._images.write(image)
        except OSError as error:
            self._warn_once(
                f"{self._folder}: an image cannot be written ({error.strerror}); images are not "
                "kept until one can"
            )
            return None

    def _start_file(self) -> None:
        self._close_file()
        remove_oldest(self._folder, [SUFFIX], self._folder_size - self._file_size)
        self._files += 1
        moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        name = f"{moment}-{socket.gethostname()}-{os.getpid()}-{id(self)}-{self._files}{SUFFIX}"
        self._file = (self._folder / name).open("xb")
        self._written = 0

    def _close_file(self) -> None:
        if self._file:
            with contextlib.suppress(OSError):
                self._file.close()
        self._file = None

    def _warn_once(self, line: str) -> None:
        if line not in self._warned:
            self._warned.add(line)
            log.warning(line)
