"""Three real data sets with groups, for the benchmarks that compare the quality of models.

Blue Marble tiles of coasts and lakes (`blue_marble.yaml`); neurons in electron microscopy (ISBI
2012, `isbi_em.yaml`); brain slices with the classes grey matter, white matter and other (the ICBM
152 template, T1 and tissue maps, from the package `nilearn`).
"""

import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from data.examples import features
from data.files.packages import package_file
from data.listing.pairs import find_pairs
from pipeline.config.loading import load_config

_CONFIGS = Path(__file__).parents[1] / "pipeline" / "configs"
_SLAB = 12  # number of adjacent slices of the brain that share a split, because they look alike
_Pixels = npt.NDArray[np.uint8]


class Pair(NamedTuple):
    """An image and its mask.

    Attributes:
      image: uint8 [height, width, 3].
      class_ids: uint8 [height, width].
    """

    image: _Pixels
    class_ids: _Pixels


def data_sets() -> Iterator[tuple[str, tuple[list[Pair], list[Pair]]]]:
    """Yields the title of each data set, and its pairs for training and for testing."""
    yield "Blue Marble", _pairs("blue_marble.yaml")
    yield "ISBI EM", _pairs("isbi_em.yaml")
    yield "ICBM 152", _brain()


def _pairs(file: str) -> tuple[list[Pair], list[Pair]]:
    """Returns the train and test pairs of a shipped config; `val` is not used."""
    config = load_config(_CONFIGS / file)
    data, ids_of = config.data, np.arange(256, dtype=np.uint8)
    for value, name in (data.mask_values or {}).items():
        ids_of[int(value)] = data.classes.index(name)
    by_split: dict[str, list[Pair]] = {"train": [], "val": [], "test": []}
    with tempfile.TemporaryDirectory() as scratch:
        for pair in find_pairs(data, name=config.name, folder=f"{scratch}/sample").pairs:
            with Image.open(pair.image) as image, Image.open(pair.mask) as mask:
                pixels = np.asarray(image.convert("RGB"))
                by_split[pair.split].append(Pair(pixels, ids_of[np.asarray(mask)]))
    return by_split["train"], by_split["test"]


def _brain() -> tuple[list[Pair], list[Pair]]:
    """Returns axial slices that show the brain; every third slab is for testing."""
    volumes = []
    for name in ("t1", "gm", "wm"):
        file = f"nilearn/datasets/data/mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz"
        path = package_file("nilearn", file, needed_for="The brain template")
        volume = nibabel.load(path).get_fdata()
        volumes.append(volume / volume.max())
    train: list[Pair] = []
    test: list[Pair] = []
    for number in range(volumes[0].shape[2]):
        brightness, grey, white = (volume[:, :, number] for volume in volumes)
        tissue = np.maximum(grey, white)
        ids = np.where(tissue < 0.5, 0, np.where(grey >= white, 1, 2)).astype(np.uint8)
        if (ids > 0).mean() < 0.05:
            continue
        image = (255 * brightness).round().astype(np.uint8)
        slab = number // _SLAB
        (test if slab % 3 == 2 else train).append(Pair(np.stack([image] * 3, -1), ids))
    return train, test


def number_of_classes(pairs: Sequence[Pair]) -> int:
    """Returns the number of classes in the masks of some pairs."""
    return 1 + max(int(pair.class_ids.max()) for pair in pairs)


def write_examples(pairs: Sequence[Pair], path: Path) -> None:
    """Writes pairs to a TFRecord file that the Trainer's input pipeline can read."""
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for pair in pairs:
            example = tf.train.Example()
            feature = example.features.feature
            feature[features.KEY].bytes_list.value.append(b"")
            feature[features.IMAGE].bytes_list.value.append(_png(pair.image))
            feature[features.MASK].bytes_list.value.append(_png(pair.class_ids))
            writer.write(example.SerializeToString())


def _png(pixels: _Pixels) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()
