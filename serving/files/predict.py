"""Segments image files with a model that runs in this process or on a server."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import grpc
import numpy as np

from data.config import DataConfig
from data.csv_text import csv_text, path_cell
from data.errors import UnetfxError
from data.examples.image_statistics import image_statistics
from data.files.reading import read_bytes
from data.files.writing import new_file
from data.printable import printable
from data.rasters.images import LoadedImage, encode_png, load_image
from serving.client.protocol import ServingError
from serving.files.image_files import ImageFile
from serving.overlay import overlay, palette_mask
from serving.prediction import Prediction, Predictor
from serving.request_log import RequestLog, answer

TABLE_FILE = "classes.csv"
"""Name of the CSV file with the share of each class in each mask."""
_LARGEST, _MOST_LARGEST = "largest_classes", 5
"""With many classes, this column names the ones with the largest shares, for people."""
_MOST_COLUMNS = 12
# Status codes of errors that a single image can cause. Any other error would recur for every image,
# so it stops the whole prediction.
_IMAGE_ERRORS = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)


class Outcome(NamedTuple):
    """The result of segmenting one image file.

    Attributes:
      image: The image file.
      height: Height of the image in pixels; 0 on failure.
      width: Width of the image in pixels; 0 on failure.
      class_fraction: Share of the mask's pixels in each class, indexed by class id; empty on
        failure.
      confidence: Highest class probability at each pixel, averaged over all pixels, 1/C..1; 0 on
        failure.
      error: Reason for the failure, on one line that begins with the image's path; empty on
        success.
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
    log: RequestLog | None = None,
    version: int | None = None,
) -> Iterator[Outcome]:
    """Segments images, and writes a mask and an overlay for each image and a table of all images.

    If one image cannot be segmented, the remaining images are still processed. At most `batch` ×
    `jobs` images are in memory at a time. Output files are never left incomplete.

    Args:
      images: Image files in any format that the pipeline can read, including TIFF.
      model: The model, in this process or on a server.
      out: Folder for the masks (palette PNGs whose pixel values are class ids), the overlays and
        `classes.csv`.
      data: The `data` section of the config, which sets the maximum number of pixels in an image
        and the intensity range of 16-bit images.
      batch: Number of images per batch. Each batch is sent as one request.
      jobs: Number of batches to process in parallel.
      log: Log of the predictions; None for no log.
      version: Version of the model, for the log; None if unknown.

    Yields:
      The result for each image, in the order of `images`.

    Raises:
      UnetfxError: The table cannot be written, or the model server cannot be reached or returns an
        error that would recur for every image. The table then has the images before this error.
    """
    batches = [images[first : first + batch] for first in range(0, len(images), batch)]
    work = partial(_predict_batch, model=model, out=out, data=data, log=log, version=version)
    threads = ThreadPoolExecutor(jobs)
    failure: UnetfxError | None = None
    try:
        with new_file(str(out / TABLE_FILE)) as file:
            shares = [f"share_{name}" for name in model.classes]
            heading = ("image", "mask", "height", "width", "confidence", *shares, "error")
            if many := len(model.classes) > _MOST_COLUMNS:
                heading = (*heading[:5], _LARGEST, *heading[5:])
            file.write(_encoded(heading))
            try:
                for outcomes in threads.map(work, batches):
                    for outcome in outcomes:
                        row = _row(outcome, len(model.classes))
                        if many:
                            row = (*row[:5], _largest(outcome, model.classes), *row[5:])
                        file.write(_encoded(row))
                        yield outcome
            except UnetfxError as error:
                failure = error  # the table keeps the rows of the images before it
    finally:
        threads.shutdown(cancel_futures=True)
    if failure:
        raise failure


def _predict_batch(
    images: Sequence[ImageFile],
    *,
    model: Predictor,
    out: Path,
    data: DataConfig,
    log: RequestLog | None,
    version: int | None,
) -> list[Outcome]:
    loaded = {image: _load(image, data) for image in images}
    good = {image: result for image, result in loaded.items() if isinstance(result, LoadedImage)}
    predictions = dict(zip(good, _segment(list(good.values()), model), strict=True))
    outcomes = [
        _write(image, good[image], predictions[image], out, len(model.classes))
        if image in good
        else Outcome(image, error=str(loaded[image]))
        for image in images
    ]
    if log:
        segmented = [outcome for outcome in outcomes if not outcome.error]
        answers = [
            answer(
                image_statistics(good[outcome.image].pixels).features(),
                dict(zip(model.classes, outcome.class_fraction, strict=True)),
                outcome.confidence,
                version,
                printable(outcome.image.path),
            )
            for outcome in segmented
        ]
        log.add(answers, [good[outcome.image].encoded for outcome in segmented])
    return outcomes


def _load(image: ImageFile, data: DataConfig) -> LoadedImage | UnetfxError:
    try:
        return load_image(read_bytes(image.path), image.path, data)
    except UnetfxError as error:
        return error


def _segment(images: Sequence[LoadedImage], model: Predictor) -> list[Prediction | UnetfxError]:
    """Segments a batch; if one image may have caused an error, segments the images separately."""
    if not images:
        return []
    try:
        return [*model.predict([image.encoded for image in images])]
    except UnetfxError as error:
        if isinstance(error, ServingError) and error.status not in _IMAGE_ERRORS:
            raise
        if len(images) == 1:
            return [error]
    return [prediction for image in images for prediction in _segment([image], model)]


def _write(
    image: ImageFile,
    loaded: LoadedImage,
    prediction: Prediction | UnetfxError,
    out: Path,
    num_classes: int,
) -> Outcome:
    if isinstance(prediction, UnetfxError):
        return Outcome(image, error=f"{image.path}: {prediction}")
    height, width = loaded.pixels.shape[:2]
    if prediction.class_ids.shape != (height, width):
        mask_size = "×".join(map(str, reversed(prediction.class_ids.shape)))
        return Outcome(
            image,
            error=f"{image.path}: {width}×{height} pixels, but the model's mask has {mask_size}.",
        )
    try:
        with new_file(str(out / image.mask)) as file:
            palette_mask(prediction.class_ids, num_classes).save(file, "PNG")
        with new_file(str(out / image.overlay)) as file:
            file.write(encode_png(np.asarray(overlay(loaded.pixels, prediction.class_ids))))
    except UnetfxError as error:
        return Outcome(image, error=str(error))
    fractions = tuple(prediction.class_fraction.tolist())
    return Outcome(image, height, width, fractions, prediction.confidence)


def _row(outcome: Outcome, num_classes: int) -> tuple[str, ...]:
    image = path_cell(outcome.image.path)
    if outcome.error:
        return (image, *[""] * (4 + num_classes), outcome.error)
    return (
        image,
        path_cell(outcome.image.mask),
        str(outcome.height),
        str(outcome.width),
        f"{outcome.confidence:.6f}",
        *(f"{share:.6f}" for share in outcome.class_fraction),
        "",
    )


def _largest(outcome: Outcome, classes: Sequence[str]) -> str:
    shares = sorted(zip(outcome.class_fraction, classes, strict=False), reverse=True)
    return ", ".join(f"{name} {share:.0%}" for share, name in shares[:_MOST_LARGEST] if share)


def _encoded(row: Sequence[str]) -> bytes:
    return csv_text([row]).encode("utf-8", "surrogateescape")
