"""`unetfx bless`, `unbless` and `push`, with a real model and real records in ML Metadata."""

import json
import re
from pathlib import Path

import keras
import pytest
import yaml

from serving.card.files import read_pushed_card
from serving.model.export import export_saved_model
from tests.cards import make_card
from tests.pipeline.recorded_runs import CLASSES, Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


@pytest.fixture
def command(workspace, unetfx, tmp_path):
    """Runs a command of `unetfx` with the config of the workspace."""
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(json.loads(workspace.config.model_dump_json())))
    return lambda *words: unetfx(*words, "--config", path)


def export(folder, view):
    images = keras.Input((None, None, 3))
    network = keras.Model(images, keras.layers.Conv2D(len(CLASSES), 1)(images))
    export_saved_model(network, str(folder), classes=CLASSES, view=view)


def test_a_blessed_model_can_be_pushed_and_its_blessing_withdrawn(workspace, command, tmp_path):
    run = workspace.record(0)
    model = Path(workspace.run(run).artifacts["Model"].uri)
    export(model / "Format-Serving", workspace.config.data.view)
    card = make_card().model_dump_json()
    Path(workspace.run(run).report.uri, "model_card.json").write_text(card)
    code, out, _ = command("bless", run[:13], "--why", "the floor is too high")
    decision, suggestion = out.splitlines()
    assert code == 0
    assert re.fullmatch(rf"Run {run}: .* blessed it on .*: the floor is too high", decision)
    assert suggestion == f"Push it: unetfx push {run} --config {tmp_path}/config.yaml"
    code, out, _ = command("push", run)
    pushed = workspace.run(run).pushed_folder
    assert out == f"Pushed the model of run {run} as version {Path(pushed).name}: {pushed}\n"
    assert Path(pushed, "saved_model.pb").exists()
    card = read_pushed_card(pushed)
    assert card.texts == workspace.config.card  # those of today, not of the run
    assert [decision.split(" on ")[0][-10:] for decision in card.verdict.decisions] == [
        "blessed it"
    ]
    code, out, _ = command("unbless", run, "--why", "no")
    assert out.splitlines()[1].startswith(f"The version {pushed} is still served. Push an older")
    assert not workspace.run(run).blessed
    code, out, _ = command("runs")
    assert code == 0
    assert Path(pushed).name in out


@pytest.mark.parametrize(
    ("blessed", "message"),
    [
        (False, "the model of this run is not blessed. Bless it: unetfx bless {run} --why TEXT"),
        (True, "cannot be pushed: its files are gone. Push the model of a different run."),
    ],
)
def test_a_model_that_cannot_be_pushed_is_one_line(workspace, command, blessed, message):
    run = workspace.record(0)
    if blessed:
        command("bless", run, "--why", "I looked at it")
    code, out, error = command("push", run)
    assert (code, out) == (2, "")
    assert message.format(run=run) in error
    assert error.count("\n") == 1


def test_review_prints_the_page_of_a_run(workspace, command):
    run = workspace.record(0)
    code, out, _ = command("review")
    assert code == 0
    assert run in Path(out.rstrip()).read_text()
