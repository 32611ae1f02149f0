import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from data.config import DataConfig, TfdsSource
from data.errors import InputError
from data.listing.pairs import find_pairs
from data.rasters.masks import load_mask
from pipeline.config.loading import DEFAULT_CONFIG, load_config
from tests.data.finding import find_raw

SHAPES = [(6, 9), (5, 4), (8, 8), (3, 7), (4, 4)]


def picture(number):
    height, width = SHAPES[number]
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)


def trimap(number):
    return np.random.default_rng(number).integers(1, 4, SHAPES[number], np.uint8)


class Cells(tfds.core.GeneratorBasedBuilder):
    """A data set of five pairs in two splits, with masks in every form of TensorFlow Datasets."""

    VERSION = tfds.core.Version("1.2.0")
    code_path = None  # this file is in no package where checksums could be

    def _info(self):
        one_channel = {"shape": (None, None, 1)}
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(encoding_format="jpeg"),
                    "segmentation_mask": tfds.features.Image(**one_channel),
                    "deep": tfds.features.Image(**one_channel, dtype=np.uint16),
                    "labelled": tfds.features.LabeledImage(labels=4, **one_channel),
                    "plain": tfds.features.Tensor(
                        shape=(None, None), dtype=np.int64, encoding="zlib"
                    ),
                    "wide": tfds.features.Tensor(
                        shape=(None, None, 1), dtype=np.uint16, encoding="zlib"
                    ),
                    "negative": tfds.features.Tensor(
                        shape=(None, None), dtype=np.int32, encoding="zlib"
                    ),
                    "depth": tfds.features.Image(**one_channel, dtype=np.float32),
                    "file_name": tfds.features.Text(),
                    "patient": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(num_classes=2),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._examples(range(4)), "test": self._examples(range(4, 5))}

    def _generate_examples(self):
        raise NotImplementedError

    def _examples(self, numbers):
        for number in numbers:
            mask = trimap(number)
            yield (
                number,
                {
                    "image": picture(number),
                    "segmentation_mask": mask[..., None],
                    "deep": mask[..., None] * np.uint16(300),
                    "labelled": mask[..., None],
                    "plain": mask.astype(np.int64),
                    "wide": mask[..., None] * np.uint16(300),
                    "negative": -mask.astype(np.int32),
                    "depth": mask[..., None].astype(np.float32),
                    "file_name": f"p{number % 2}/../.cell {number}.jpg",
                    "patient": f"p{number % 2}",
                    "label": number % 2,
                },
            )


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    Cells(data_dir=folder).download_and_prepare()
    return folder


@pytest.fixture
def source(data_dir):
    def make(**options):
        defaults = {"kind": "tfds", "name": "cells", "data_dir": str(data_dir)}
        return TfdsSource(**(defaults | options))

    return make


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def by_number(pairs):
    """Returns pairs by the number of the example, since TensorFlow Datasets shuffles examples."""
    masks = {trimap(number).tobytes(): number for number in range(len(SHAPES))}
    return {masks[read(pair.mask).tobytes()]: pair for pair in pairs}


def test_the_bytes_pass_through_as_they_are(source, data_dir, tmp_path):
    found = find_raw(source(), own_folder=str(tmp_path))
    assert found.problems == []
    assert len(found.pairs) == 5
    stored = tfds.builder_from_directory(data_dir / "cells/1.2.0").as_dataset(
        split="all",
        decoders={
            "image": tfds.decode.SkipDecoding(),
            "segmentation_mask": tfds.decode.SkipDecoding(),
        },
    )
    expected = {(row["image"], row["segmentation_mask"]) for row in stored.as_numpy_iterator()}
    files = {(Path(pair.image).read_bytes(), Path(pair.mask).read_bytes()) for pair in found.pairs}
    assert files == expected
    assert {(Path(p.image).suffix, Path(p.mask).suffix) for p in found.pairs} == {(".jpg", ".png")}


def test_keys_are_the_ids_of_tensorflow_datasets(source, tmp_path):
    keys = sorted(pair.key for pair in find_raw(source(), own_folder=str(tmp_path)).pairs)
    assert keys == [
        "cells-test.tfrecord-00000-of-00001__0",
        *(f"cells-train.tfrecord-00000-of-00001__{n}" for n in range(4)),
    ]


def test_images_and_masks_stay_together(source, tmp_path):
    pairs = by_number(find_raw(source(), own_folder=str(tmp_path)).pairs)
    assert sorted(pairs) == [0, 1, 2, 3, 4]
    for number, pair in pairs.items():
        difference = read(pair.image).astype(int) - picture(number)
        assert np.abs(difference).mean() < 60  # JPEG of noise; another picture differs by 85


@pytest.mark.parametrize(
    ("mask", "factor"),
    [("segmentation_mask", 1), ("labelled", 1), ("plain", 1), ("deep", 300), ("wide", 300)],
)
def test_masks_of_every_form(source, tmp_path, mask, factor):
    found = find_raw(source(mask=mask, key="file_name"), own_folder=str(tmp_path))
    assert len(found.pairs) == 5
    for pair in found.pairs:
        number = int(pair.key[-1])
        values = read(pair.mask)
        np.testing.assert_array_equal(values, trimap(number).astype(int) * factor)


def test_a_feature_may_name_the_pairs_and_stays_in_its_folder(source, tmp_path):
    pairs = find_raw(source(key="file_name"), own_folder=str(tmp_path)).pairs
    assert sorted(pair.key for pair in pairs) == [
        "p0/_/cell_0",
        "p0/_/cell_2",
        "p0/_/cell_4",
        "p1/_/cell_1",
        "p1/_/cell_3",
    ]
    assert all(Path(pair.image).resolve().is_relative_to(tmp_path) for pair in pairs)


def test_splits_are_expressions_of_tensorflow_datasets(source, tmp_path):
    splits = {"train": "train[:50%]", "val": "train[50%:]", "test": "test"}
    pairs = find_raw(source(splits=splits), own_folder=str(tmp_path)).pairs
    assert sorted((pair.split, pair.key) for pair in pairs) == [
        ("test", "test/cells-test.tfrecord-00000-of-00001__0"),
        ("train", "train/cells-train.tfrecord-00000-of-00001__0"),
        ("train", "train/cells-train.tfrecord-00000-of-00001__1"),
        ("val", "val/cells-train.tfrecord-00000-of-00001__2"),
        ("val", "val/cells-train.tfrecord-00000-of-00001__3"),
    ]


def test_without_splits_a_hash_assigns_all_examples(source, tmp_path):
    data = DataConfig(source=source(), classes=["a", "b"])
    pairs = find_pairs(data, name="cells", folder=str(tmp_path)).pairs
    assert len(pairs) == 5
    assert {pair.split for pair in pairs} <= {"train", "val", "test"}


def test_files_are_written_once_for_the_same_settings(source, tmp_path):
    first = find_raw(source(), own_folder=str(tmp_path)).pairs
    (home,) = (tmp_path / "cells/1.2.0").iterdir()
    before = home.stat()
    assert sorted(find_raw(source(), own_folder=str(tmp_path)).pairs) == sorted(first)
    assert home.stat() == before
    other = find_raw(source(mask="plain"), own_folder=str(tmp_path)).pairs
    assert not {pair.mask for pair in other} & {pair.mask for pair in first}
    for splits in ({"train": "train"}, {"train": "test"}):
        pairs = find_raw(source(splits=splits), own_folder=str(tmp_path)).pairs
        assert len(pairs) == (4 if splits["train"] == "train" else 1)


def test_nothing_is_left_behind_when_an_example_cannot_be_written(source, tmp_path):
    with pytest.raises(InputError, match=r"negative of the example .*: values from -3 to -1"):
        find_raw(source(mask="negative"), own_folder=str(tmp_path))
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []
    assert list((tmp_path / "cells/1.2.0").iterdir()) == []


# -- what cannot be read


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"name": "sells"},
            "sells is not prepared in {dir}. Prepare it on a machine with a network: ",
        ),
        ({"name": "cells:9.0.0"}, "tfds build cells:9.0.0 --data_dir {dir}"),
        ({"mask": "segmentation_msk"}, "no feature 'segmentation_msk' (did you mean 'segm"),
        ({"image": "picture"}, "no feature 'picture'. It has deep, depth, file_name, image, "),
        (
            {"mask": "label"},
            "the feature 'label' of cells is not an image of integers, but Class",
        ),
        (
            {"mask": "depth"},
            "the feature 'depth' of cells is not an image of integers, but Image",
        ),
        ({"mask": "file_name"}, "the feature 'file_name' of cells is not an image"),
        ({"key": "image"}, "data.source.key: the feature 'image' is not a text feature."),
        ({"key": "nope"}, "no feature 'nope'"),
        ({"key": "patient"}, "two examples of cells have the key 'p"),
        ({"splits": {"train": "tran[:50%]"}}, "data.source.splits: 'tran[:50%]' of cells: Unknown"),
    ],
)
def test_a_data_set_that_cannot_be_read_is_reported(source, data_dir, tmp_path, options, message):
    with pytest.raises(InputError) as caught:
        find_raw(source(**options), own_folder=str(tmp_path))
    assert message.format(dir=data_dir) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []


def test_a_damaged_shard_is_reported(data_dir, tmp_path):
    shutil.copytree(data_dir, tmp_path / "copy")
    (shard,) = (tmp_path / "copy").rglob("cells-train.tfrecord-*")
    shard.write_bytes(shard.read_bytes()[:-20])
    source = TfdsSource(kind="tfds", name="cells", data_dir=f"{tmp_path}/copy")
    with pytest.raises(
        InputError, match=r"copy/cells/1.2.0: cannot be read \(.*Prepare cells again"
    ):
        find_raw(source, own_folder=str(tmp_path / "files"))


# -- Oxford-IIIT Pet, as TensorFlow Datasets mocks it


@pytest.fixture
def pets(tmp_path, monkeypatch):
    """A data_dir with the metadata of oxford_iiit_pet, as prepared, but without its images."""
    monkeypatch.setattr(
        "tensorflow_datasets.core.utils.gcs_utils.gcs_dataset_info_files", lambda name: []
    )
    folder = tmp_path / "tfds/oxford_iiit_pet/4.0.0"
    builder = tfds.builder("oxford_iiit_pet", data_dir=tmp_path / "tfds")
    template = tfds.core.ShardedFileTemplate(
        data_dir=folder, dataset_name="oxford_iiit_pet", filetype_suffix="tfrecord"
    )
    builder.info.set_splits(
        tfds.core.splits.SplitDict(
            [
                tfds.core.SplitInfo(
                    name=name, shard_lengths=[4], num_bytes=1, filename_template=template
                )
                for name in ("train", "test")
            ]
        )
    )
    folder.mkdir(parents=True)
    builder.info.write_to_directory(folder)
    return str(tmp_path / "tfds")


def test_oxford_iiit_pet_mocked(pets, tmp_path):
    source = TfdsSource(kind="tfds", name="oxford_iiit_pet:4.0.0", data_dir=pets, key="file_name")
    with tfds.testing.mock_data(num_examples=4, max_value=4, data_dir=pets):
        found = find_raw(source, own_folder=str(tmp_path / "files"))
        features = dict.fromkeys(["image", "segmentation_mask", "file_name"], True)
        rows = tfds.load(
            "oxford_iiit_pet:4.0.0",
            split="train",
            data_dir=pets,
            decoders=tfds.decode.PartialDecoding(features, decoders={}),
        )
        masks = {row["segmentation_mask"].tobytes() for row in rows.as_numpy_iterator()}
    assert found.problems == []
    assert len(found.pairs) == 4
    assert {read(pair.mask).tobytes() for pair in found.pairs} == masks
    assert {Path(pair.image).suffix for pair in found.pairs} == {".jpg"}


def test_trimaps_become_class_ids(pets, tmp_path):
    def encoded(row):
        return {
            "image": tf.io.encode_jpeg(row["image"]),
            "segmentation_mask": tf.io.encode_png(row["mask"][..., tf.newaxis]),
            "file_name": tf.strings.format("pet_{}.jpg", row["number"]),
            "tfds_id": tf.strings.as_string(row["number"]),
        }

    def as_dataset(self, split, **options):
        rows = [
            {"image": picture(number), "mask": trimap(number), "number": number}
            for number in range(len(SHAPES))
        ]
        return tf.data.Dataset.from_generator(
            lambda: rows,
            output_signature={
                "image": tf.TensorSpec([None, None, 3], tf.uint8),
                "mask": tf.TensorSpec([None, None], tf.uint8),
                "number": tf.TensorSpec([], tf.int32),
            },
        ).map(encoded)

    config = load_config(DEFAULT_CONFIG.parent / "oxford_iiit_pet.yaml")
    with tfds.testing.mock_data(as_dataset_fn=as_dataset, data_dir=pets):
        found = find_pairs(config.data, name="pets", folder=str(tmp_path / "files"))
    assert found.problems == []
    assert len(found.pairs) == 15  # the mock gives each of the three splits the same five
    for pair in found.pairs:
        values = trimap(int(pair.key[-1]))
        loaded = load_mask(Path(pair.mask).read_bytes(), pair.mask, config.data).class_ids
        assert set(np.unique(values)) <= {1, 2, 3}
        np.testing.assert_array_equal(loaded, values - 1)
