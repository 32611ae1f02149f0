"""Segments image files with a pushed model."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from data.config import DataConfig
from data.errors import InputError
from data.images import load_image
from serving.model import ServedModel, model_intensity_range, newest_version
from serving.overlay import overlay


def predict_files(
    images: Sequence[Path], serving_folder: str, out: Path, data: DataConfig
) -> Iterator[str]:
    """Writes a mask and an overlay for each image.

    Args:
      images: Image files of any format that the ingestion reads.
      serving_folder: Where models are pushed; the newest version answers.
      out: Folder for `<stem>_mask.png` (class ids) and `<stem>_overlay.png`.
      data: Says how large an image may be. Which samples of 16 bits become 0..255
        is taken from the model, which was trained with it.

    Yields:
      A line for each image: its classes' shares.

    Raises:
      InputError: An image cannot be read, two would write the same file, or there is no model. All
        images are read before the first one is predicted.
    """
    if len({image.stem for image in images}) < len(images):
        raise InputError(
            "Two of the images have one name but for the suffix; predict them into two folders."
        )
    version = newest_version(serving_folder)
    data = data.model_copy(update={"intensity_range": model_intensity_range(version)})
    try:
        loaded = [load_image(image.read_bytes(), str(image), data) for image in images]
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}).") from error
    model = ServedModel(version)
    out.mkdir(parents=True, exist_ok=True)
    for path, image in zip(images, loaded, strict=True):
        (prediction,) = model.predict([image.encoded])
        (out / f"{path.stem}_mask.png").write_bytes(prediction.mask_png)
        overlay(image.pixels, prediction.class_ids).save(out / f"{path.stem}_overlay.png")
        shares = zip(model.classes, prediction.class_fraction, strict=True)
        yield f"{path}: " + ", ".join(f"{name} {share:.1%}" for name, share in shares)
