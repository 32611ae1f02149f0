"""Changes that a retraining finds, on real files."""

import gzip
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from data.listing import listing
from pipeline.config.loading import load_config
from pipeline.retraining import changes
from pipeline.retraining.changes import (
    PastRetraining,
    find_changes,
    save_retraining,
    state_of_run,
)

LONG_AGO = 5_000_000_000  # nanoseconds: longer than a tick of any file system's clock


def write(path, level):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), level, np.uint8)).save(path, format="BMP")  # always of one size


@pytest.fixture
def config_file(tmp_path):
    for name in ("images", "masks"):
        for number in range(3):
            write(tmp_path / f"in/span-1/{name}/{number}.bmp", number)
    path = tmp_path / "config.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "name": "cells",
                "workspace": str(tmp_path / "runs"),
                "data": {
                    "source": {"kind": "folder", "path": f"{tmp_path}/in/span-{{SPAN}}"},
                    "classes": ["a", "b"],
                },
                "gate": {"mean_iou": 0.5},
            }
        )
    )
    return path


@pytest.fixture
def later(monkeypatch):
    """Makes the files look older than a tick of the clock, as they are in a nightly retraining."""
    now = time.time_ns
    monkeypatch.setattr(listing.time, "time_ns", lambda: now() + LONG_AGO)


@pytest.fixture
def look(config_file, later):
    """Finds changes, and saves the state as a retraining does that ends with a verdict."""

    def look(path=config_file):
        config = load_config(path)
        changes = find_changes(config)
        save_retraining(
            config, PastRetraining(state=changes.state, run="7", outcome="pushed", reasons=[])
        )
        return list(changes.names)

    return look


@pytest.fixture
def not_read_again(config_file):
    """Returns a function that checks whether the next retraining reuses the kept hashes."""

    def not_read_again():
        config = load_config(config_file)
        before = find_changes(config).state.data
        for path in Path(config.listing_folder).glob("list-*/pairs-*.gz"):
            lines = gzip.decompress(path.read_bytes()).replace(b',["', b',["changed')
            path.write_bytes(gzip.compress(lines))
        return find_changes(config).state.data != before

    return not_read_again


def test_the_first_retraining_finds_changes_and_the_second_none(look):
    assert look() == ["3 pairs, the first retraining"]
    assert look() == []


def test_unchanged_files_are_not_read_again(look, not_read_again):
    look()
    assert not_read_again()


def test_a_new_span_is_named(look, tmp_path):
    look()
    for name in ("images", "masks"):
        write(tmp_path / f"in/span-2/{name}/0.bmp", 9)
    assert look() == ["span 2"]
    assert look() == []


def test_a_span_that_arrives_late_is_named(look, tmp_path):
    for number in (2, 4):
        for name in ("images", "masks"):
            write(tmp_path / f"in/span-{number}/{name}/0.bmp", 9)
    look()
    for name in ("images", "masks"):
        write(tmp_path / f"in/span-3/{name}/0.bmp", 9)
    assert look() == ["span 3"]
    assert look() == []


def test_an_old_span_that_is_used_again_is_changed_data(look, config_file, tmp_path):
    config_file.write_text(config_file.read_text().replace("kind:", "newest_spans: 2\n    kind:"))
    for number in (2, 3):
        for name in ("images", "masks"):
            write(tmp_path / f"in/span-{number}/{name}/0.bmp", 9)
    look()
    (tmp_path / "in/span-3").rename(tmp_path / "in/.span-3")
    assert look() == ["data"]


def test_a_removed_span_is_changed_data(look, tmp_path):
    look()
    for name in ("images", "masks"):
        write(tmp_path / f"in/span-2/{name}/0.bmp", 9)
    look()
    (tmp_path / "in/span-2").rename(tmp_path / "in/.span-2")
    assert look() == ["data"]


def test_other_content_of_the_same_size_and_time_is_found(look, tmp_path):
    look()
    mask = tmp_path / "in/span-1/masks/0.bmp"
    before = mask.stat()
    write(mask, 1)
    os.utime(mask, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (mask.stat().st_size, mask.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert look() == ["data"]


def test_a_change_within_a_tick_of_the_clock_is_found(config_file, tmp_path):
    config = load_config(config_file)
    seen = find_changes(config).state
    save_retraining(config, PastRetraining(state=seen, run="7", outcome="pushed", reasons=[]))
    write(tmp_path / "in/span-1/masks/0.bmp", 1)
    assert find_changes(config).names == ["data"]


def test_touched_files_are_read_once_and_are_no_change(look, tmp_path, not_read_again):
    look()
    for path in (tmp_path / "in").rglob("*.bmp"):
        path.touch()
    assert look() == []
    assert not_read_again()


@pytest.mark.parametrize(
    ("section", "values", "changes"),
    [
        ("training", {"epochs": 9}, ["settings"]),
        ("gate", {"mean_iou": 0.9}, ["settings"]),
        ("retrain", {"keep_runs": 3}, []),
    ],
)
def test_changed_settings_are_found_except_those_around_a_run(
    look, config_file, section, values, changes
):
    look()
    config = yaml.safe_load(config_file.read_text())
    config[section] = config.get(section, {}) | values
    config_file.write_text(yaml.safe_dump(config))
    assert look() == changes


def test_an_edited_schema_is_new_and_an_inferred_one_is_not(look, config_file):
    config = load_config(config_file)
    look()
    Path(config.schema_file).write_text("feature {}")
    seen = state_of_run(config, find_changes(config).last.state, find_changes(config).state.data)
    save_retraining(config, PastRetraining(state=seen, run="7", outcome="pushed", reasons=[]))
    assert look() == []
    Path(config.schema_file).write_text("feature { }")
    assert look() == ["schema"]


def test_changed_code_is_new(look, monkeypatch):
    look()
    monkeypatch.setattr(changes, "code_version", lambda *sources: "changed")
    assert look() == ["code"]


def test_data_that_change_before_the_run_reads_them_count_as_read(config_file, later):
    config = load_config(config_file)
    seen = find_changes(config).state
    state = state_of_run(config, seen, "another fingerprint")
    assert state == seen.model_copy(update={"data": "another fingerprint"})
    save_retraining(config, PastRetraining(state=state, run="7", outcome="pushed", reasons=[]))
    assert find_changes(config).names == ["data"]


def test_a_file_of_another_version_is_ignored(look, config_file):
    look()
    (load_config(config_file).home / "retrain.json").write_text('{"version": 9}')
    assert look() == ["3 pairs, the first retraining"]


def test_a_retraining_without_changes_loads_neither_tensorflow_nor_tfx(look, config_file):
    look()
    script = f"""
        import sys
        from pathlib import Path
        from pipeline.retraining.retrain import retrain
        code = retrain(Path({str(config_file)!r}))
        print(code, {{"tensorflow", "tfx", "ml_metadata", "apache_beam"}} & set(sys.modules))
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert (
        output
        == "cells: nothing new since run 7 (pushed). 3 pairs, the newest span is 1.\n0 set()\n"
    )
