"""Segments image files with a model, here or behind a server."""

import csv
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import grpc
import numpy as np

from data.config import DataConfig
from data.errors import UnetfxError
from data.files import new_file, read_bytes
from data.rasters.images import LoadedImage, encode_png, load_image
from serving.client.protocol import ServingError
from serving.files.image_files import ImageFile
from serving.overlay import overlay, palette_mask
from serving.prediction import Prediction, Predictor

TABLE_FILE = "classes.csv"
"""Name of the table of class shares."""
# These are the image's fault, or may be; any other concerns the images to come as well.
_OF_ONE_IMAGE = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)


class Outcome(NamedTuple):
    """What became of an image.

    Attributes:
      image: The image.
      height: In pixels; 0 if it failed.
      width: In pixels; 0 if it failed.
      class_fraction: Each class's share of its pixels; empty if it failed.
      confidence: As in `Prediction`; 0 if it failed.
      error: Why it failed, in one line that begins with its path; empty if it did not.
    """

    image: ImageFile
    height: int = 0
    width: int = 0
    class_fraction: tuple[float, ...] = ()
    confidence: float = 0.0
    error: str = ""


def predict_files(
    images: Sequence[ImageFile],
    model: Predictor,
    out: Path,
    data: DataConfig,
    *,
    batch: int = 1,
    jobs: int = 1,
) -> Iterator[Outcome]:
    """Writes a mask and an overlay for each image, and a table of all.

    A bad image does not stop the others. No more than `batch` times `jobs` images are in memory at
    a time, and each file is complete or not there.

    Args:
      images: Image files of any format that the ingestion reads.
      model: Segments them.
      out: Folder for the masks (palette PNGs, whose values are the class ids), the overlays, and
        classes.csv.
      data: Says how large an image may be, and which samples of 16 bits become 0..255.
      batch: How many images are sent at once.
      jobs: How many batches are worked on at a time.

    Yields:
      What became of each image, in their order.

    Raises:
      InputError: A file cannot be written, or the model cannot be reached any more.
    """
    batches = [images[first : first + batch] for first in range(0, len(images), batch)]
    work = partial(_predict_batch, model=model, out=out, data=data)
    threads = ThreadPoolExecutor(jobs)
    try:
        with new_file(str(out / TABLE_FILE)) as file:
            shares = [f"share_{name}" for name in model.classes]
            file.write(_line("image", "mask", "height", "width", "confidence", *shares, "error"))
            for outcomes in threads.map(work, batches):
                for outcome in outcomes:
                    file.write(_row(outcome, len(model.classes)))
                    yield outcome
    finally:
        threads.shutdown(cancel_futures=True)


def _predict_batch(
    images: Sequence[ImageFile], *, model: Predictor, out: Path, data: DataConfig
) -> list[Outcome]:
    loaded = {image: _load(image, data) for image in images}
    good = {image: found for image, found in loaded.items() if isinstance(found, LoadedImage)}
    answers = dict(zip(good, _segment(list(good.values()), model), strict=True))
    return [
        _write(image, good[image], answers[image], out, len(model.classes))
        if image in good
        else Outcome(image, error=str(loaded[image]))
        for image in images
    ]


def _load(image: ImageFile, data: DataConfig) -> LoadedImage | UnetfxError:
    path = str(image.path)
    try:
        return load_image(read_bytes(path), path, data)
    except UnetfxError as error:
        return error


def _segment(images: Sequence[LoadedImage], model: Predictor) -> list[Prediction | UnetfxError]:
    """Segments a batch; if it fails, one image at a time, lest a bad one spoil the others."""
    if not images:
        return []
    try:
        return [*model.predict([image.encoded for image in images])]
    except UnetfxError as error:
        if isinstance(error, ServingError) and error.status not in _OF_ONE_IMAGE:
            raise
        if len(images) == 1:
            return [error]
    return [answer for image in images for answer in _segment([image], model)]


def _write(
    image: ImageFile,
    loaded: LoadedImage,
    answer: Prediction | UnetfxError,
    out: Path,
    num_classes: int,
) -> Outcome:
    if isinstance(answer, UnetfxError):
        return Outcome(image, error=f"{image.path}: {answer}")
    height, width = loaded.pixels.shape[:2]
    if answer.class_ids.shape != (height, width):
        found = "×".join(map(str, reversed(answer.class_ids.shape)))
        return Outcome(
            image,
            error=f"{image.path}: {width}×{height} pixels, but the model's mask has {found}.",
        )
    with new_file(str(out / image.mask)) as file:
        palette_mask(answer.class_ids, num_classes).save(file, "PNG")
    with new_file(str(out / image.overlay)) as file:
        file.write(encode_png(np.asarray(overlay(loaded.pixels, answer.class_ids))))
    fractions = tuple(answer.class_fraction.tolist())
    return Outcome(image, height, width, fractions, answer.confidence)


def _row(outcome: Outcome, num_classes: int) -> bytes:
    if outcome.error:
        return _line(str(outcome.image.path), *[""] * (4 + num_classes), outcome.error)
    shares = (f"{share:.6f}" for share in outcome.class_fraction)
    return _line(
        str(outcome.image.path),
        outcome.image.mask,
        str(outcome.height),
        str(outcome.width),
        f"{outcome.confidence:.6f}",
        *shares,
        "",
    )


def _line(*cells: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode("utf-8", "surrogateescape")
