import functools
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data.config import SPLITS, DataConfig
from data.examples import batches
from data.examples.batches import STAGES, BatchSettings, Ingested, plan_batches, records_file
from data.jobs.processes import in_processes, in_this_process
from data.jobs.shuffle import run_job
from data.listing.listing import list_pairs

HERE = functools.partial(run_job, run_tasks=in_this_process)


@pytest.fixture(scope="module")
def listing(tmp_path_factory):
    """Lists 300 pairs in splits of 70 %, 10 % and 20 %; images 7 and 8 are equal."""
    folder = tmp_path_factory.mktemp("data")
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for number in range(300):
        pixels = np.full((2, 2), (7 if number == 8 else number) % 256, np.uint8)
        pixels[0, 0] = number // 256
        Image.fromarray(pixels).save(folder / f"images/{number}.png")
        Image.fromarray(np.eye(2, dtype=np.uint8)).save(folder / f"masks/{number}.png")
    data = DataConfig(source={"kind": "folder", "path": str(folder)}, classes=["a", "b"])
    target = str(tmp_path_factory.mktemp("list"))
    return data, list_pairs(data, target, HERE, name="numbers", own_folder="")


@pytest.fixture
def ingest(listing, tmp_path, monkeypatch):
    """Ingests all pairs, in shards of about `pairs` pairs and batches of `shards` shards."""

    def ingest(pairs=64, shards=64, *, examples=True, run_tasks=in_this_process):
        monkeypatch.setattr(batches, "_PAIRS_A_SHARD", pairs)
        monkeypatch.setattr(batches, "_SHARDS_A_BATCH", shards)
        data, pairs_of_source = listing
        folder = tmp_path / f"{pairs}-{shards}"
        folders = {split: str(folder / split) for split in SPLITS} if examples else {}
        settings = BatchSettings(
            data, pairs_of_source, str(tmp_path / "scratch"), folders, str(folder)
        )
        plan = plan_batches(pairs_of_source.census.pairs)
        result = run_job(STAGES, plan, settings, Ingested(), run_tasks=run_tasks)
        return result, folder, [records_file(batch, settings) for batch in plan]

    return ingest


def keys_in(path):
    records = tf.data.TFRecordDataset(str(path), compression_type="GZIP").as_numpy_iterator()
    examples = map(tf.train.Example.FromString, records)
    return [each.features.feature["image/key"].bytes_list.value[0].decode() for each in examples]


@pytest.mark.parametrize(("pairs", "shards"), [(64, 64), (64, 1), (3, 7), (1, 64)])
def test_every_pair_is_written_once_in_the_order_of_the_hashes(listing, ingest, pairs, shards):
    result, folder, records = ingest(pairs, shards)
    _, of_source = listing
    expected = {split: [] for split in SPLITS}
    for row in of_source.pairs():
        expected[row.pair.split].append(row.pair.key)
    for split, keys in expected.items():
        files = sorted((folder / split).iterdir())
        count = -(-len(keys) // pairs)
        names = [f"data_tfrecord-{number:05d}-of-{count:05d}.gz" for number in range(count)]
        assert [file.name for file in files] == names
        written = [keys_in(file) for file in files]
        assert [key for part in written for key in part] == keys
        if pairs == 64:
            assert max(map(len, written)) < 100
    rows = [json.loads(line) for file in records for line in Path(file).read_text().splitlines()]
    assert sorted(row["key"] for row in rows) == sorted(map(str, range(300)))
    for file in records:
        keys = [json.loads(line)["key"] for line in Path(file).read_text().splitlines()]
        assert keys == sorted(keys)
    assert result.tally.good == {split: len(keys) for split, keys in expected.items()}


def test_the_counts_do_not_depend_on_the_batches_or_the_processes(ingest):
    one, _, _ = ingest()
    for options in ({"shards": 1}, {"examples": False}, {"run_tasks": in_processes}):
        other, _, _ = ingest(**options)
        assert other == one
    assert one.repeats.groups == one.tally.good
    copies = one.repeats.across.first + one.repeats.within.first
    assert [keys for _, _, keys in copies] == [("7", "8")]


def test_without_examples_no_file_is_written(ingest):
    _, folder, _ = ingest(examples=False)
    assert not folder.exists()


@pytest.mark.parametrize("pairs", [0, 1, 64, 65, 10_000, 3_000_000])
def test_batches_cover_all_shards(pairs):
    plan = plan_batches({"train": pairs, "test": 1})
    train = [batch for batch in plan if batch.split == "train"]
    shards = [number for batch in train for number in range(batch.first, batch.last + 1)]
    assert shards == list(range(-(-pairs // 64)))
    assert len(train) <= 512
    assert [batch[1:] for batch in plan if batch.split == "test"] == [(0, 0, 1)]
    assert not [batch for batch in plan if batch.split == "val"]
