"""Retraining where no training is needed; a month with trainings is in e2e/test_month.py."""

import json
from datetime import date

import numpy as np
import pytest
import yaml
from PIL import Image

from components.evaluator.intervals import Intervals
from components.validator.request_drift import Period, RequestDrift
from data.errors import InputError, UnavailableError
from pipeline.config.loading import load_config
from pipeline.execution import local_run
from pipeline.execution.local_run import RunResult
from pipeline.execution.lock import Holder
from pipeline.exit_codes import DONE, FAILED, NOT_BLESSED
from pipeline.history.runs import Run
from pipeline.retraining import drift
from pipeline.retraining import retrain as retraining
from pipeline.retraining.changes import PastRetraining, find_changes, save_retraining
from pipeline.retraining.retrain import retrain
from tests.pipeline.recorded_runs import artifact, metrics

DAY = date(2026, 11, 30)


@pytest.fixture
def config_file(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for number in range(2):
            pixels = np.full((8, 8), number, np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"in/{name}/{number}.png")
    return write_config(tmp_path)


def write_config(folder, **notify):
    notices = folder / "notices.jsonl"
    config = {
        "name": "cells",
        "workspace": str(folder / "runs"),
        "data": {
            "source": {"kind": "folder", "path": str(folder / "in")},
            "classes": ["a", "b"],
        },
        "gate": {"mean_iou": 0.5},
        "retrain": {
            "notify": {"command": ["sh", "-c", f"cat >> {notices}; echo >> {notices}"]} | notify,
        },
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def notices(tmp_path):
    """Notices that the command has received so far."""
    path = tmp_path / "notices.jsonl"
    return lambda: list(map(json.loads, path.read_text().splitlines())) if path.exists() else []


def conclude(config_file, outcome, *reasons):
    """Saves a retraining on the present data."""
    config = load_config(config_file)
    state = find_changes(config).state
    save_retraining(
        config, PastRetraining(state=state, run="7", outcome=outcome, reasons=list(reasons))
    )


def test_an_unexpected_failure_is_notified_and_retried(config_file, notices, capsys, monkeypatch):
    def fail(config):
        raise RuntimeError("of a library")

    monkeypatch.setattr(local_run, "link_workspace", fail)
    for count in (1, 2):
        assert retrain(config_file) == FAILED
        assert [notice["outcome"] for notice in notices()] == ["failed"] * count
    notice = notices()[-1]
    assert len(notice["reasons"]) == 1
    assert (notice["run"], notice["version"], notice["metrics"]) == (None, None, {})
    assert notice["news"] == ["2 pairs, the first retraining"]
    assert "unetfx: unexpected failure: RuntimeError: of a library" in capsys.readouterr().err


@pytest.mark.slow
def test_damaged_records_are_notified_and_retried(config_file, notices):
    home = load_config(config_file).home
    home.mkdir(parents=True)
    (home / "metadata.db").write_text("no database")
    with pytest.raises(InputError, match="the records of the runs cannot be read"):
        retrain(config_file)
    assert [notice["outcome"] for notice in notices()] == ["bad_input"]


def test_bad_data_are_notified_and_retried(config_file, notices, tmp_path):
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    for _ in range(2):
        with pytest.raises(InputError, match="no such folder"):
            retrain(config_file)
    assert [notice["outcome"] for notice in notices()] == ["bad_input"] * 2
    assert "no such folder" in notices()[0]["text"]
    assert "no such folder" in notices()[0]["reasons"][0]


def test_a_missing_beam_runner_is_one_line_and_is_notified(config_file, notices):
    config = yaml.safe_load(config_file.read_text())
    beam = {"profile": "flink", "master": "127.0.0.1:1"}
    config_file.write_text(yaml.safe_dump(config | {"beam": beam}))
    with pytest.raises(UnavailableError, match="no Flink cluster answers at 127") as caught:
        retrain(config_file)
    assert len(str(caught.value).splitlines()) == 1
    assert [notice["outcome"] for notice in notices()] == ["bad_input"]


def test_the_data_of_a_refused_model_are_no_change_and_the_reason_is_printed(
    config_file, notices, capsys
):
    conclude(config_file, "not_blessed", "b: IoU 0.2 is below its floor 0.5")
    assert retrain(config_file) == DONE
    output = capsys.readouterr().out
    verdict = "not blessed: b: IoU 0.2 is below its floor 0.5"
    assert output == f"cells: nothing new since run 7 ({verdict}). 2 pairs.\n"
    assert notices() == []


def test_retrainings_without_changes_are_notified_if_configured(config_file, notices, tmp_path):
    conclude(config_file, "pushed")
    assert retrain(write_config(tmp_path, nothing_new=True)) == DONE
    [notice] = notices()
    assert (notice["outcome"], notice["text"]) == ("nothing_new", "cells: nothing new")


def test_a_webhook_without_its_environment_variable_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.delenv("CELLS_WEBHOOK", raising=False)
    config_file = write_config(tmp_path, webhook="$CELLS_WEBHOOK")
    with pytest.raises(InputError, match=r"\$CELLS_WEBHOOK is not a URL"):
        retrain(config_file)
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def finish(tmp_path, monkeypatch):
    """Replaces the next run by one that has finished, with the given exit code."""

    def finish(code, *, cached=(), reasons=(), serving=(), **blessed):
        found = metrics(0.75)
        found.serving.reasons = list(serving)
        (tmp_path / "report").mkdir()
        intervals = Intervals(groups=9, metrics={"mean_iou": (0.61, 0.85)})
        changes = {"reasons": list(reasons), "doubts": ["who knows"], "intervals": intervals}
        text = found.model_copy(update=changes).model_dump_json()
        (tmp_path / "report/metrics.json").write_text(text)
        artifacts = {
            "Examples": artifact(input_fingerprint="data"),
            "UnetfxReport": artifact(tmp_path / "report"),
            "PushedModel": artifact(pushed=1, pushed_destination="/models/cells/17"),
            **{kind: artifact(blessed=value) for kind, value in blessed.items()},
        }
        run = Run("2026-01-01", frozenset(), frozenset(cached), frozenset(), artifacts)
        result = RunResult(code, run, str(tmp_path / "report"))
        monkeypatch.setattr(retraining, "run_locked", lambda *config: result)

    return finish


def test_a_pushed_model_is_notified_with_its_metrics_and_saved(config_file, finish, notices):
    finish(DONE)
    assert retrain(config_file) == DONE
    [notice] = notices()
    assert notice["text"] == (
        "cells: pushed version 17; mean IoU 0.750 (95 % interval 0.610–0.850); who knows; new: 2 "
        "pairs, the first retraining"
    )
    assert notice["intervals"] == {"mean_iou": [0.61, 0.85]}
    assert notice["doubts"] == ["who knows"]
    assert (notice["run"], notice["version"]) == ("2026-01-01", "/models/cells/17")
    assert notice["report"].endswith("/report/index.html")
    saved = json.loads((load_config(config_file).home / "retrain.json").read_text())
    assert (saved["outcome"], saved["state"]["data"]) == ("pushed", "data")


@pytest.mark.parametrize(
    ("changes", "outcome", "text"),
    [
        ({"ModelBlessing": 0, "reasons": ["too low"]}, "not_blessed", "not blessed; mean IoU"),
        ({"ModelBlessing": 1, "serving": ["slow"]}, "does_not_serve", "cannot be served; mean"),
    ],
)
def test_a_refused_model_is_notified_with_the_reasons(
    config_file, finish, notices, changes, outcome, text
):
    finish(NOT_BLESSED, **changes)
    assert retrain(config_file) == NOT_BLESSED
    [notice] = notices()
    assert (notice["outcome"], notice["version"]) == (outcome, None)
    assert notice["text"].startswith(f"cells: {text}")
    assert notice["reasons"] == [*changes.get("reasons", ()), *changes.get("serving", ())]


def test_a_run_that_trained_nothing_is_nothing_new(config_file, finish, notices):
    finish(DONE, cached=["Trainer", "Pusher"])
    assert retrain(config_file) == DONE
    assert notices() == []


def test_a_retraining_says_that_it_takes_over(config_file, finish, capsys):
    finish(DONE)
    home = load_config(config_file).home
    home.mkdir(parents=True)
    holder = Holder(command="unetfx run", pid=7, host="there", since="2026-01-01")
    (home / "lock").write_text(holder.model_dump_json())
    retrain(config_file)
    assert capsys.readouterr().out.startswith(
        "cells: the previous process died before it had finished: unetfx run, process 7 on there, "
    )


def test_drift_is_notified_even_if_nothing_is_new(config_file, notices, monkeypatch, capsys):
    conclude(config_file, "pushed")
    watch(config_file)
    sentence = "the sharpness differs from the training data, since 2026-11-28"
    found = RequestDrift(400, 0, DAY, Period(DAY, DAY, 200, [], {}), [sentence], [[]])
    monkeypatch.setattr(drift, "find_drift", lambda config, logs: (None, found))
    assert retrain(config_file) == DONE
    [notice] = notices()
    assert (notice["outcome"], notice["drift"]) == ("nothing_new", [sentence])
    assert notice["text"] == f"cells: nothing new; drift: {sentence}"
    assert f"Drift     {sentence}" in capsys.readouterr().out


def test_a_log_that_cannot_be_compared_is_a_warning(config_file, finish, notices, capsys):
    finish(DONE)
    watch(config_file)
    assert retrain(config_file) == DONE
    [notice] = notices()
    assert (notice["outcome"], notice["drift"]) == ("pushed", [])
    warning = "unetfx: warning: the logged requests were not compared: "
    assert warning in capsys.readouterr().err


def watch(config_file):
    """Adds the log of requests to the config, which is no change of the settings."""
    config = yaml.safe_load(config_file.read_text())
    config["retrain"]["request_log"] = str(config_file.parent / "log")
    config_file.write_text(yaml.safe_dump(config))
