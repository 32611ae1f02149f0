"""What one turn tells, where no training is needed to see it. A month of turns is in tests/e2e."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image

from data.errors import InputError
from pipeline.config.loading import load_config
from pipeline.exit_codes import DONE, FAILED
from pipeline.retraining.changes import Turn, find_news, remember
from pipeline.retraining.retrain import retrain


@pytest.fixture
def config_file(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for number in range(2):
            pixels = np.full((8, 8), number, np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"in/{name}/{number}.png")
    return write_config(tmp_path)


def write_config(folder, **notify):
    told = folder / "told.jsonl"
    config = {
        "name": "cells",
        "workspace": str(folder / "runs"),
        "data": {
            "source": {"kind": "folder", "path": str(folder / "in")},
            "classes": ["a", "b"],
        },
        "gate": {"mean_iou": 0.5},
        "retrain": {
            "notify": {"command": ["sh", "-c", f"cat >> {told}; echo >> {told}"]} | notify,
        },
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def told(tmp_path):
    """What the command was told so far."""
    path = tmp_path / "told.jsonl"
    return lambda: list(map(json.loads, path.read_text().splitlines())) if path.exists() else []


def conclude(config_file, outcome, *reasons):
    """Remembers a turn on the data as they are."""
    config = load_config(config_file)
    state = find_news(config).state
    remember(config, Turn(state=state, run="7", outcome=outcome, reasons=list(reasons)))


@pytest.mark.slow
def test_an_unexpected_failure_is_told_and_tried_again(config_file, told, capsys):
    home = load_config(config_file).home
    home.mkdir(parents=True)
    (home / "metadata.db").write_text("no database")
    for count in (1, 2):
        assert retrain(config_file) == FAILED
        assert [notice["outcome"] for notice in told()] == ["failed"] * count
    notice = told()[-1]
    assert len(notice["reasons"]) == 1
    assert (notice["run"], notice["version"], notice["metrics"]) == (None, None, {})
    assert notice["news"] == ["2 pairs, the first turn"]
    assert "unetfx: unexpected failure: " in capsys.readouterr().err


def test_bad_data_are_told_and_tried_again(config_file, told, tmp_path):
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    for _ in range(2):
        with pytest.raises(InputError, match="no such folder"):
            retrain(config_file)
    assert [notice["outcome"] for notice in told()] == ["bad_input"] * 2
    assert "no such folder" in told()[0]["text"]
    assert "no such folder" in told()[0]["reasons"][0]


def test_the_data_of_a_refused_model_are_nothing_new_and_why_is_said(config_file, told, capsys):
    conclude(config_file, "not_blessed", "b: IoU 0.2 is below its floor 0.5")
    assert retrain(config_file) == DONE
    said = capsys.readouterr().out
    verdict = "not blessed: b: IoU 0.2 is below its floor 0.5"
    assert said == f"cells: nothing new since run 7 ({verdict}). 2 pairs.\n"
    assert told() == []


def test_turns_without_news_are_told_where_that_is_wanted(config_file, told, tmp_path):
    conclude(config_file, "pushed")
    assert retrain(write_config(tmp_path, nothing_new=True)) == DONE
    [notice] = told()
    assert (notice["outcome"], notice["text"]) == ("nothing_new", "cells: nothing new")


def test_a_webhook_whose_address_is_not_set_stops_a_turn_before_it_works(tmp_path, monkeypatch):
    monkeypatch.delenv("CELLS_WEBHOOK", raising=False)
    config_file = write_config(tmp_path, webhook="$CELLS_WEBHOOK")
    with pytest.raises(InputError, match=r"\$CELLS_WEBHOOK is no address"):
        retrain(config_file)
    assert not (tmp_path / "runs").exists()
