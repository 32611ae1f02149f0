import importlib
import json
from pathlib import Path

import loky
import pytest
import tensorflow as tf
from PIL import Image
from tfx.types import standard_artifacts

from components.example_gen import executor
from components.example_gen.artifact import (
    FINDINGS_FILE,
    PAIRS_FILE,
    SUMMARY_FILE,
    first_image,
    read_records,
    read_summary,
)
from components.example_gen.component import PairsExampleGen
from components.example_gen.executor import Executor
from data.errors import InputError, UnavailableError
from data.examples import batches
from data.listing.pairs import find_pairs
from tests.components.example_gen.conftest import (
    BEAM,
    GROUPS,
    KEYS,
    settings_of,
    write_pair,
    write_pairs,
)

SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def ingest(tmp_path_factory):
    """Runs the executor as TFX's launcher does, and returns the folder of the artifact."""

    def ingest(folder, **changes):
        component = PairsExampleGen(settings_of(folder, **changes))
        scratch, examples = tmp_path_factory.mktemp("scratch"), standard_artifacts.Examples()
        examples.uri = str(tmp_path_factory.mktemp("examples"))
        context = Executor.Context(beam_pipeline_args=BEAM, tmp_dir=str(scratch), unique_id="1")
        Executor(context).Do({}, {"examples": [examples]}, dict(component.exec_properties))
        return Path(examples.uri)

    return ingest


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("data"), KEYS)


@pytest.fixture(scope="module")
def artifact(ingest, source):
    return ingest(source, group=r"^(\w)/")


def records(artifact, split):
    files = sorted(tf.io.gfile.glob(f"{artifact}/Split-{split}/*"))
    return list(tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator())


def feature(record, name):
    value = tf.train.Example.FromString(record).features.feature[name]
    return value.bytes_list.value[0].decode()


def keys_by_split(artifact):
    return {
        split: [feature(record, "image/key") for record in records(artifact, split)]
        for split in SPLITS
    }


def refusal(ingest, folder, **changes):
    with pytest.raises(InputError) as caught:
        ingest(folder, **changes)
    return str(caught.value).splitlines()


def test_every_pair_falls_into_one_split_and_is_listed(artifact):
    by_split = keys_by_split(artifact)
    assert sorted(key for keys in by_split.values() for key in keys) == KEYS
    rows = [json.loads(line) for line in (artifact / PAIRS_FILE).read_text().splitlines()]
    assert [row["key"] for row in rows] == KEYS
    for row in rows:
        assert row["key"] in by_split[row["split"]]
        assert row["group"] == row["key"][0]
        assert row["fractions"] == {"ground": 0.5, "disc": 0.5}
        assert "problem" not in row


def test_examples_hold_the_pair(artifact, source):
    for record in (record for split in SPLITS for record in records(artifact, split)):
        key = feature(record, "image/key")
        features = tf.train.Example.FromString(record).features.feature
        file = source / "images" / f"{key}.png"
        assert features["image/encoded"].bytes_list.value[0] == file.read_bytes()
        assert features["mask/fraction/disc"].float_list.value[0] == pytest.approx(0.5)
        assert feature(record, "image/source") == "discs"


def test_a_group_is_never_divided(artifact):
    groups = [{key[0] for key in keys} for keys in keys_by_split(artifact).values()]
    assert sorted(group for part in groups for group in part) == list(GROUPS)


def test_records_are_not_in_the_order_of_their_keys(artifact):
    # Neighbours in a folder are often similar; the images of a batch should not be.
    keys = keys_by_split(artifact)["train"]
    assert keys != sorted(keys)


def test_no_pair_changes_its_split_when_data_are_added(ingest, tmp_path):
    few = keys_by_split(ingest(write_pairs(tmp_path / "data", KEYS)))
    more = keys_by_split(ingest(write_pairs(tmp_path / "data", [f"z/{n}" for n in range(20)])))
    old = {split: [key for key in keys if key[0] != "z"] for split, keys in more.items()}
    assert {split: set(keys) for split, keys in old.items()} == {
        split: set(keys) for split, keys in few.items()
    }
    assert sum(map(len, more.values())) == len(KEYS) + 20


def test_splits_have_about_their_shares(ingest, tmp_path):
    keys = [str(number) for number in range(200)]
    by_split = keys_by_split(ingest(write_pairs(tmp_path / "data", keys, size=(2, 1))))
    # Binomial: 100 ± 7, and 50 ± 6.
    assert 75 < len(by_split["train"]) < 125
    assert 25 < len(by_split["val"]) < 75
    assert 25 < len(by_split["test"]) < 75


def test_files_are_identical_in_every_run_wherever_the_pairs_are(ingest, tmp_path):
    one = ingest(write_pairs(tmp_path / "one", KEYS))
    two = ingest(write_pairs(tmp_path / "two", reversed(KEYS)))
    for split in SPLITS:
        assert records(one, split) == records(two, split)
        for artifact in (one, two):
            (file,) = (artifact / f"Split-{split}").iterdir()
            assert file.name == "data_tfrecord-00000-of-00001.gz"


def test_every_bad_pair_is_named(ingest, tmp_path):
    folder = write_pairs(tmp_path / "data", KEYS)
    write_pair(folder, "a/0", values=(0, 7))
    (folder / "images/b/1.png").write_bytes(b"no image")
    write_pair(folder, "c/2", mask_size=(5, 4))
    value, image, size = refusal(ingest, folder)
    assert image.startswith(f"{folder}/images/b/1.png: cannot be read")
    assert value.startswith(f"{folder}/masks/a/0.png: no class for the pixel value 7")
    assert size.startswith(f"{folder}/masks/c/2.png: 5×4 pixels")
    assert "its image has 4×3" in size


def test_pairs_that_are_bad_in_the_same_way_share_a_line(ingest, tmp_path):
    folder = write_pairs(tmp_path / "data", KEYS)
    write_pairs(folder, KEYS[:9], mask_size=(5, 4))
    (line,) = refusal(ingest, folder)
    assert " and 6 more: 5×4 pixels" in line


def test_many_different_problems_are_cut_short(ingest, tmp_path):
    folder = write_pairs(tmp_path / "data", KEYS)
    for wider, key in enumerate(KEYS[:9], start=5):
        write_pair(folder, key, mask_size=(wider, 4))
    lines = refusal(ingest, folder)
    assert len(lines) == 6
    assert lines[-1].startswith("… and 4 more problems: unetfx check ")


def test_skipped_pairs_are_listed_and_counted_and_the_rest_is_written(ingest, tmp_path):
    folder = write_pairs(tmp_path / "data", KEYS)
    write_pair(folder, "a/0", mask_size=(5, 4))
    (folder / "images/b/1.png").write_bytes(b"no image")
    artifact = ingest(folder, on_bad_pair="skip", max_bad_fraction=0.1)
    written = sorted(key for keys in keys_by_split(artifact).values() for key in keys)
    assert written == [key for key in KEYS if key not in ("a/0", "b/1")]
    rows = [json.loads(line) for line in (artifact / PAIRS_FILE).read_text().splitlines()]
    problems = {row["key"]: row["problem"]["kind"] for row in rows if "problem" in row}
    assert problems == {"a/0": "size_mismatch", "b/1": "unreadable"}
    findings = json.loads((artifact / FINDINGS_FILE).read_text())
    skipped = {f["kind"]: f["keys"] for f in findings if f["severity"] == "skipped"}
    assert skipped == {"size_mismatch": ["a/0"], "unreadable": ["b/1"]}


def test_a_killed_reader_is_reported_in_one_line(ingest, tmp_path, monkeypatch):
    # Decoders are C libraries and memory is finite, so a process may be killed at any moment.
    folder = write_pairs(tmp_path / "data", KEYS)
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    (tmp_path / "killed.py").write_text(f"def write_shard(shard, data, scratch):\n    {kill}\n")
    monkeypatch.syspath_prepend(tmp_path)
    loky.get_reusable_executor().shutdown()  # new processes get the new path
    monkeypatch.setattr(batches, "write_shard", importlib.import_module("killed").write_shard)
    with pytest.raises(UnavailableError, match=r"^a process that read images was killed"):
        ingest(folder)


def test_too_many_skipped_pairs_stop_the_run(ingest, tmp_path):
    folder = write_pairs(tmp_path / "data", KEYS)
    write_pairs(folder, KEYS[:3], mask_size=(5, 4))
    (line,) = refusal(ingest, folder, on_bad_pair="skip", max_bad_fraction=0.1)
    assert line.startswith("3 of 24 pairs are bad")


def test_a_split_is_distributed_over_files_and_no_pair_is_lost(ingest, tmp_path):
    keys = [f"{number:03d}" for number in range(300)]
    artifact = ingest(
        write_pairs(tmp_path / "data", keys, size=(2, 1)), splits={"train": 98, "val": 1, "test": 1}
    )
    files = sorted(file.name for file in (artifact / "Split-train").iterdir())
    assert len(files) == 5
    assert files[0] == "data_tfrecord-00000-of-00005.gz"
    by_split = keys_by_split(artifact)
    assert sorted(key for part in by_split.values() for key in part) == keys


def test_one_image_in_two_splits_stops_the_run(ingest, tmp_path):
    folder = write_pairs(tmp_path / "data", KEYS)
    pairs = find_pairs(settings_of(folder).data, name="discs", folder="").pairs
    split_of = {pair.key: pair.split for pair in pairs}
    train = next(key for key in KEYS if split_of[key] == "train")
    test = next(key for key in KEYS if split_of[key] == "test")
    Image.open(folder / "images" / f"{train}.png").save(folder / "images" / f"{test}.bmp")
    (folder / "images" / f"{test}.png").unlink()
    (line,) = refusal(ingest, folder)
    assert f"{train} (train)" in line
    assert f"{test} (test)" in line
    assert "the same image in several splits" in line


def test_masks_of_0_and_255_with_255_ignored_are_refused_with_the_missing_line(ingest, tmp_path):
    folder = write_pairs(tmp_path / "data", KEYS, values=(0, 255))
    (line,) = refusal(ingest, folder)
    assert "only 0 and 255" in line
    assert "mask_values: {0: ground, 255: disc}" in line
    corrected = ingest(folder, mask_values={0: "ground", 255: "disc"})
    assert sum(map(len, keys_by_split(corrected).values())) == len(KEYS)


def test_ignored_pixels_beside_two_classes_are_no_error(ingest, tmp_path):
    artifact = ingest(write_pairs(tmp_path / "data", KEYS, values=(0, 1, 255)))
    assert sum(map(len, keys_by_split(artifact).values())) == len(KEYS)


def test_an_empty_split_is_named(ingest, tmp_path):
    folder = write_pairs(tmp_path / "data", KEYS)
    line, _ = refusal(ingest, folder, group="/")
    assert line.startswith("the split ")
    assert any(f"'{split}'" in line for split in SPLITS)


def test_unpaired_files_are_named(ingest, tmp_path):
    folder = write_pairs(tmp_path / "data", KEYS)
    (folder / "masks/a/0.png").unlink()
    (line,) = refusal(ingest, folder)
    assert line.startswith(f"{folder}/images/a/0.png: no mask ")


def test_the_records_of_very_many_pairs_are_in_a_file_for_each_batch(ingest, tmp_path, monkeypatch):
    folder = write_pairs(tmp_path / "data", KEYS)
    write_pair(folder, "a/0", mask_size=(5, 4))
    options = {"on_bad_pair": "skip", "max_bad_fraction": 0.1}
    whole = ingest(folder, **options)
    monkeypatch.setattr(executor, "MOST_PAIRS_IN_A_FILE", len(KEYS) - 1)
    divided = ingest(folder, **options)
    names = sorted(path.name for path in divided.glob("*.json*"))
    assert names == [
        FINDINGS_FILE,
        *(f"pairs-{split}-000000-000000-of-000001.jsonl" for split in sorted(SPLITS)),
        SUMMARY_FILE,
    ]
    artifacts = [standard_artifacts.Examples() for _ in range(2)]
    artifacts[0].uri, artifacts[1].uri = str(whole), str(divided)
    for split in SPLITS:
        one, two = ([repr(each) for each in read_records(a, split)] for a in artifacts)
        assert one == two
    one, two = (sorted(each.pair.key for each in read_records(a)) for a in artifacts)
    assert one == two == KEYS
    assert first_image(str(divided)) in {row.pair.image for row in read_records(artifacts[0])}
    one, two = map(read_summary, artifacts)
    assert one == two
    assert sum(split.pairs for split in one.splits) == len(KEYS) - 1
    assert not (divided / "unfinished").exists()
