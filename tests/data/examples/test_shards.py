import json

import numpy as np
import pytest
import tensorflow as tf

from data.config import DataConfig
from data.examples.parsing import parse_pair
from data.examples.shards import Shard, read_shard, write_shard
from data.listing.pair import Pair
from data.rasters.images import encode_png

DATA = DataConfig.model_validate(
    {"source": {"kind": "folder", "path": "x"}, "classes": ["ground", "disc"]}
)
NOISE = np.random.default_rng(0).integers(0, 256, (9, 300, 200, 3), np.uint8)
MASK = np.eye(300, 200, dtype=np.uint8)


@pytest.fixture
def pairs(tmp_path):
    """Nine pairs of files, of which two pairs cannot be used."""
    made = []
    for number, pixels in enumerate(NOISE):
        image, mask = tmp_path / f"{number}.png", tmp_path / f"{number}m.png"
        image.write_bytes(encode_png(pixels))
        mask.write_bytes(encode_png(MASK + 7 * (number in (2, 5))))
        made.append(Pair(str(number), str(image), str(mask), "g", "discs", 0, "train"))
    return made


@pytest.fixture
def path(anywhere):
    return f"{anywhere}/Split-train/shard.gz"


def test_tensorflow_reads_what_was_written(pairs, path):
    write_shard(Shard(path, pairs), DATA)
    dataset = tf.data.TFRecordDataset(path, compression_type="GZIP").map(parse_pair)
    read = list(dataset.as_numpy_iterator())
    good = [number for number in range(9) if number not in (2, 5)]
    assert len(read) == len(good)
    for number, (image, mask) in zip(good, read, strict=True):
        np.testing.assert_array_equal(image, NOISE[number])
        np.testing.assert_array_equal(mask, MASK)


def test_the_records_of_all_pairs_are_in_order(pairs, path):
    written = write_shard(Shard(path, pairs), DATA)
    assert (written.tally.good.total(), written.tally.bad.total()) == (7, 2)
    rows = [json.loads(line) for _, line in written.rows]
    assert [row["key"] for row in rows] == [str(number) for number in range(9)]
    assert [key for key, _ in written.rows] == [row["key"] for row in rows]
    assert [row["key"] for row in rows if "problem" in row] == ["2", "5"]


def test_the_same_pairs_give_the_same_bytes(pairs, path):
    contents = []
    for _ in range(2):
        write_shard(Shard(path, pairs), DATA)
        contents.append(tf.io.read_file(path).numpy())
    assert contents[0] == contents[1]


def test_a_shard_without_a_good_pair_is_an_empty_file_of_records(pairs, path):
    assert write_shard(Shard(path, [pairs[2]]), DATA).tally.bad == {"train": 1}
    assert list(tf.data.TFRecordDataset(path, compression_type="GZIP")) == []


def test_a_shard_that_is_only_read_gives_the_same_counts(pairs, path):
    written = write_shard(Shard(path, pairs), DATA)
    read = read_shard(Shard("", pairs), DATA)
    assert read == written._replace(rows=[])
    assert len(read.repeat_rows) == 2 * 7
