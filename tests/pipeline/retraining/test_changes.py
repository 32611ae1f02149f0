"""What a turn takes for new, on real files."""

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

from pipeline.config.loading import load_config
from pipeline.retraining import changes
from pipeline.retraining.changes import Turn, as_it_was_read, find_news, remember

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
    """Lets the files' changes lie behind the turn, as they do when a turn comes once a day."""
    now = time.time_ns
    monkeypatch.setattr(changes.time, "time_ns", lambda: now() + LONG_AGO)


@pytest.fixture
def look(config_file, later):
    """Looks, and remembers what it saw, as a turn does that ends with a verdict."""

    def look(path=config_file):
        config = load_config(path)
        found = find_news(config)
        remember(config, Turn(state=found.state, run="7", outcome="pushed", reasons=[]))
        return list(found.words)

    return look


@pytest.fixture
def not_read_again(config_file):
    """Whether the next look takes the word of the last one for what the files hold."""

    def not_read_again():
        config = load_config(config_file)
        last = find_news(config).last
        word = last.state.model_copy(update={"data": "the last one's word"})
        remember(config, last.model_copy(update={"state": word}))
        return find_news(config).state.data == "the last one's word"

    return not_read_again


def test_the_first_turn_has_news_and_the_second_has_none(look):
    assert look() == ["3 pairs, the first turn"]
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


def test_a_span_that_went_is_changed_data(look, tmp_path):
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
    seen = find_news(config).state
    assert seen.files is None
    remember(config, Turn(state=seen, run="7", outcome="pushed", reasons=[]))
    write(tmp_path / "in/span-1/masks/0.bmp", 1)
    assert find_news(config).words == ["data"]


def test_touched_files_are_read_once_and_are_nothing_new(look, tmp_path, not_read_again):
    look()
    for path in (tmp_path / "in").rglob("*.bmp"):
        path.touch()
    assert look() == []
    assert not_read_again()


@pytest.mark.parametrize(
    ("section", "values", "words"),
    [
        ("training", {"epochs": 9}, ["settings"]),
        ("gate", {"mean_iou": 0.9}, ["settings"]),
        ("retrain", {"keep_runs": 3}, []),
    ],
)
def test_changed_settings_are_new_but_those_of_turns(look, config_file, section, values, words):
    look()
    config = yaml.safe_load(config_file.read_text())
    config[section] = config.get(section, {}) | values
    config_file.write_text(yaml.safe_dump(config))
    assert look() == words


def test_an_edited_schema_is_new_and_an_inferred_one_is_not(look, config_file):
    config = load_config(config_file)
    look()
    Path(config.schema_file).write_text("feature {}")
    seen = as_it_was_read(config, find_news(config).last.state, find_news(config).state.data)
    remember(config, Turn(state=seen, run="7", outcome="pushed", reasons=[]))
    assert look() == []
    Path(config.schema_file).write_text("feature { }")
    assert look() == ["schema"]


def test_changed_code_is_new(look, monkeypatch):
    look()
    monkeypatch.setattr(changes, "code_version", lambda *sources: "changed")
    assert look() == ["code"]


def test_data_that_came_in_mid_run_are_what_the_run_has_read(config_file, later):
    config = load_config(config_file)
    seen = find_news(config).state
    state = as_it_was_read(config, seen, "another fingerprint")
    assert (state.data, state.files) == ("another fingerprint", None)
    remember(config, Turn(state=state, run="7", outcome="pushed", reasons=[]))
    assert find_news(config).words == ["data"]


def test_a_record_of_another_version_is_no_record(look, config_file):
    look()
    (load_config(config_file).home / "retrain.json").write_text('{"version": 9}')
    assert look() == ["3 pairs, the first turn"]


def test_a_turn_without_news_loads_neither_tensorflow_nor_tfx(look, config_file):
    look()
    script = f"""
        import sys
        from pathlib import Path
        from pipeline.retraining.retrain import retrain
        code = retrain(Path({str(config_file)!r}))
        print(code, {{"tensorflow", "tfx", "ml_metadata", "apache_beam"}} & set(sys.modules))
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert (
        said == "cells: nothing new since run 7 (pushed). 3 pairs, the newest span is 1.\n0 set()\n"
    )
