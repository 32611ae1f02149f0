"""Writes a TensorFlow Datasets data set to image and mask files, from which pairs are formed."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from data.config.sources import FolderSource, TfdsSource
from data.errors import InputError, nearest, one_line
from data.files.writing import complete_folder
from data.sources import folder
from data.sources.image_suffixes import without_image_suffix
from data.sources.raw_pairs import Part

_ID = "tfds_id"
_SUFFIXES = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"GIF8": ".gif",
}


def parts(source: TfdsSource, own_folder: str) -> list[Part]:
    """Writes a prepared data set to files, and divides their folder into parts.

    The code of the data set is not run, and nothing is downloaded.

    Args:
      source: Config of the source.
      own_folder: Folder for the image and mask files, which are written once, to
        `<own_folder>/<name>/<version>/<digest of the settings>`. Encoded images are copied
        unchanged, and arrays are written as PNG files.

    Returns:
      The parts of the folder of image and mask files, which can be listed in parallel.

    Raises:
      InputError: The data set is not prepared, lacks a feature or split that the config names, or
        contains two examples with the same key; or a feature for images or masks does not contain
        images.
    """
    builder = _prepared(source)
    for name in (source.image, source.mask):
        _check_holds_images(builder, source, name)
    if source.key is not None and _feature(builder, source, source.key).shape != ():
        raise InputError(f"data.source.key: the feature {source.key!r} is not a text feature.")
    target = Path(own_folder) / builder.info.full_name / _settings_digest(builder, source)
    if not target.exists():
        with complete_folder(target) as unfinished:
            if source.splits:
                for split, expression in source.splits.items():
                    _write(builder, source, expression, unfinished / split)
            else:
                _write(builder, source, "+".join(builder.info.splits), unfinished)
    return folder.parts(
        FolderSource(kind="folder", path=str(target), split_folders=bool(source.splits))
    )


def _prepared(source: TfdsSource) -> Any:
    from tensorflow_datasets.core.read_only_builder import builder_from_files
    from tensorflow_datasets.core.registered import DatasetNotFoundError

    option = "" if source.data_dir is None else f" --data_dir {source.data_dir}"
    place = source.data_dir or "TensorFlow Datasets' own data_dir"
    try:
        return builder_from_files(source.name, data_dir=source.data_dir)
    except DatasetNotFoundError as error:
        raise InputError(
            f"data.source: {source.name} is not prepared in {place}. Prepare it on a machine "
            f"with a network: tfds build {source.name}{option}"
        ) from error


def _feature(builder: Any, source: TfdsSource, name: str) -> Any:
    features = builder.info.features
    if name not in features:
        raise InputError(
            f"data.source: {source.name} has no feature {name!r}{nearest(name, features)}. It has "
            f"{', '.join(sorted(features))}."
        )
    return features[name]


def _check_holds_images(builder: Any, source: TfdsSource, name: str) -> None:
    from tensorflow_datasets import features

    feature = _feature(builder, source, name)
    whole_numbers = np.dtype(feature.np_dtype).kind in "uib"
    if isinstance(feature, features.Image) and whole_numbers:
        return
    if not (
        isinstance(feature, features.Tensor) and whole_numbers and len(feature.shape) in (2, 3)
    ):
        raise InputError(
            f"data.source: the feature {name!r} of {source.name} is not an image of integers, but "
            f"{feature}. The data set has {', '.join(sorted(builder.info.features))}."
        )


def _settings_digest(builder: Any, source: TfdsSource) -> str:
    """Returns a digest of all that determines the files: the data set and the source's settings."""
    sizes = {
        name: (split.num_examples, split.num_bytes) for name, split in builder.info.splits.items()
    }
    settings = [str(builder.data_path), source.image, source.mask, source.key, source.splits, sizes]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]


def _write(builder: Any, source: TfdsSource, expression: str, target: Path) -> None:
    seen = set()
    for example in _examples(builder, source, expression):
        key = _safe(example[source.key or _ID])
        if key in seen:
            raise InputError(
                f"data.source.key: two examples of {source.name} have the key {key!r} in "
                f"{source.key!r}. Name a different feature, or use null for TensorFlow Datasets' "
                "ids."
            )
        seen.add(key)
        for kind, name in (("images", source.image), ("masks", source.mask)):
            content = _encoded(example[name], f"{source.name}: {name} of the example {key}")
            path = target / kind / f"{key}{_suffix(content)}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _examples(builder: Any, source: TfdsSource, expression: str) -> Iterator[dict[str, Any]]:
    import tensorflow as tf
    import tensorflow_datasets as tfds

    names = {source.image, source.mask, *([source.key] if source.key else [])}
    undecoded = {
        name: tfds.decode.SkipDecoding()
        for name in (source.image, source.mask)
        if isinstance(builder.info.features[name], tfds.features.Image)
    }
    try:
        yield from builder.as_dataset(
            split=expression,
            shuffle_files=False,
            read_config=tfds.ReadConfig(add_tfds_id=True),
            decoders=tfds.decode.PartialDecoding(dict.fromkeys(names, True), undecoded),
        ).as_numpy_iterator()
    except ValueError as error:
        raise InputError(f"data.source.splits: {expression!r} of {source.name}: {error}") from error
    except tf.errors.OpError as error:
        raise InputError(
            f"{builder.data_path}: cannot be read ({one_line(error.message)}). Prepare "
            f"{source.name} again."
        ) from error


def _encoded(value: Any, name: str) -> bytes:
    import tensorflow as tf

    if isinstance(value, bytes):
        return value
    if value.size and not 0 <= value.min() <= value.max() <= 65535:
        raise InputError(
            f"{name}: values from {value.min()} to {value.max()}, expected 0 to 65535."
        )
    pixels = value.astype(np.uint8 if value.max() <= 255 else np.uint16)
    return bytes(tf.io.encode_png(pixels.reshape(*value.shape[:2], -1)).numpy())


def _suffix(content: bytes) -> str:
    """Returns the file suffix for the format of an encoded image; `.unknown` for other content."""
    return next((s for start, s in _SUFFIXES.items() if content.startswith(start)), ".unknown")


def _safe(key: Any) -> str:
    """Converts a key to a relative path that stays within its folder and has no hidden parts."""
    text = key.decode(errors="replace") if isinstance(key, bytes) else str(key)
    parts = [re.sub(r"[^\w.-]", "_", part).lstrip(".") or "_" for part in text.split("/")]
    return without_image_suffix("/".join(parts))
