import json

import pytest

from pipeline.commands import list_runs
from pipeline.config.config import Config
from pipeline.history.decisions import Decision
from pipeline.history.runs import Run
from tests.pipeline.recorded_runs import artifact

STEPS = ("ExampleGen", "Trainer", "Evaluator", "Pusher")


def run(number, *, fresh=STEPS, cached=(), failed=(), **artifacts):
    return Run(str(number), frozenset(fresh), frozenset(cached), frozenset(failed), artifacts)


@pytest.fixture
def listed(monkeypatch, capsys, tmp_path):
    """Lists runs and returns the words of each line."""

    def listed(*runs, path="cells"):
        config = Config.model_validate(
            {
                "name": "discs",
                "workspace": str(tmp_path),
                "data": {"source": {"kind": "folder", "path": path}, "classes": ["a", "b"]},
                "gate": {"mean_iou": 0.5},
            }
        )
        monkeypatch.setattr(list_runs, "all_runs", lambda config: list(runs))
        list_runs.list_runs(config, tmp_path / "mine.yaml")
        return [line.split() for line in capsys.readouterr().out.splitlines()]

    return listed


@pytest.fixture
def report(tmp_path):
    (tmp_path / "metrics.json").write_text(
        '{"metrics": {"mean_iou": 0.71249, "iou/a": 0.5, "iou/b": null}}'
    )
    return artifact(tmp_path)


def test_a_complete_run_shows_score_verdict_and_version(listed, report):
    pushed = artifact(pushed=1, pushed_destination="/models/discs/1790000000")
    made = run(
        1,
        Examples=artifact(span=7),
        UnetfxReport=report,
        ModelBlessing=artifact(blessed=1),
        PushedModel=pushed,
    )
    heading, row, _, *by_class = listed(made, path="span-{SPAN}/cells")
    assert heading == ["run", "span", "mean", "IoU", "blessed", "pushed"]
    assert row == ["1", "7", "0.712", "yes", "1790000000"]
    assert by_class == [["IoU", "1"], ["a", "0.500"], ["b", "–"]]


def test_a_run_has_its_interval_and_what_the_gate_said(listed, tmp_path):
    results = {
        "metrics": {"mean_iou": 0.7, "iou/a": 0.5},
        "intervals": {"metrics": {"mean_iou": [0.61, 0.78]}},
        "reasons": [],
        "doubts": ["a: IoU may be anything", "b: IoU was not checked"],
    }
    (tmp_path / "metrics.json").write_text(json.dumps(results))
    made = run(1, UnetfxReport=artifact(tmp_path), ModelBlessing=artifact(blessed=1))
    heading, row, older, _, _, remark, *_ = listed(made, run(0))
    assert " ".join(heading) == "run span mean IoU 95 % interval blessed pushed"
    assert " ".join(row) == "1 – 0.700 0.610–0.780 yes –"
    assert older == ["0", *"–––––"]
    assert " ".join(remark) == "1 a: IoU may be anything; 1 more"


def test_a_blessed_model_that_does_not_serve_says_so(listed, report):
    made = run(
        1,
        UnetfxReport=report,
        ModelBlessing=artifact(blessed=1),
        InfraBlessing=artifact(blessed=0),
        PushedModel=artifact(pushed=0),
    )
    _, row, _, _, remark, *_ = listed(made)
    assert row[-2:] == ["yes", "–"]
    assert remark == ["1", "cannot", "be", "served"]


def test_a_source_without_spans_has_none(listed):
    _, row = listed(run(1, Examples=artifact(span=0)))
    assert row[1] == "–"


def test_a_refused_model_was_not_pushed(listed, report):
    made = run(
        1,
        UnetfxReport=report,
        ModelBlessing=artifact(blessed=0),
        PushedModel=artifact(pushed=0, pushed_destination=""),
    )
    assert listed(made)[1][2:] == ["0.712", "no", "–"]


def test_a_decision_by_a_person_counts_and_is_shown(listed, report):
    made = run(1, UnetfxReport=report, ModelBlessing=artifact(blessed=0))
    decisions = [
        Decision("blessed it", "ann", "2026-01-01", "the floor is wrong", None),
        Decision("pushed it", "bob", "2026-01-02", "", "/models/discs/1790000009"),
    ]
    row = listed(made._replace(decisions=decisions))[1]
    assert " ".join(row[2:]) == "0.712 yes, by ann 1790000009"


def test_a_failed_run_shows_only_the_steps_it_reached(listed):
    made = run(1, fresh=["ExampleGen"], failed=["Trainer"], Examples=artifact(span=2))
    _, row, _, _, remark = listed(made, path="span-{SPAN}/cells")
    assert " ".join(row) == "1 2 – – –"
    assert " ".join(remark) == "1 did not finish: Trainer"


def test_a_removed_report_leaves_dashes(listed, tmp_path):
    made = run(1, UnetfxReport=artifact(tmp_path / "gone"), ModelBlessing=artifact(blessed=1))
    assert listed(made)[1][2:4] == ["–", "yes"]


def test_a_repeated_run_is_nothing_new(listed):
    assert " ".join(listed(run(1, fresh=(), cached=STEPS))[-1]).endswith("nothing new")


def test_trials_are_listed_once_with_the_best_and_the_failures_marked(listed, tmp_path):
    rows = [
        {"trial_id": "2", "score": 0.5, "width": 0.25, "loss": '{"dice": 1.0, "focal": 0.5}'},
        {"trial_id": "0", "score": 0.5, "width": 1.0, "loss": '{"dice": 1.0}'},
        {"trial_id": "1", "score": -1.0, "width": 2.0, "loss": '{"focal": 1.0}'},
    ]
    (tmp_path / "tuner_results.json").write_text(json.dumps(rows))
    found = artifact(tmp_path)
    first = run("first", fresh=[*STEPS, "Tuner"], TunerResults=found)
    repeated = run("second", fresh=[], cached=[*STEPS, "Tuner"], TunerResults=found)
    lines = [" ".join(line) for line in listed(repeated, first)]
    assert lines[lines.index("Trials of the run first") - 1 :] == [
        "",
        "Trials of the run first",
        "trial width loss val mean IoU",
        "1 1 dice 0.500 best",
        "2 2 focal failed",
        "3 0.25 dice + 0.5 focal 0.500",
    ]


def test_150_classes_fit_into_80_columns(monkeypatch, capsys, tmp_path):
    classes = [f"traffic light {number}" for number in range(150)]
    values = {f"iou/traffic_light_{number}": number / 150 for number in range(150)}
    results = {"metrics": values | {"mean_iou": 0.5}, "reasons": ["a" * 70] * 3}
    (tmp_path / "metrics.json").write_text(json.dumps(results))
    made = [
        run(f"2026-11-{day}T20:46:01.123456", UnetfxReport=artifact(tmp_path))
        for day in range(30, 20, -1)
    ]
    source = {"kind": "folder", "path": "x"}
    config = Config.model_validate(
        {
            "name": "lights",
            "data": {"source": source, "classes": classes},
            "gate": {"mean_iou": 0.5},
        }
    )
    monkeypatch.setattr(list_runs, "all_runs", lambda config: made)
    list_runs.list_runs(config, tmp_path / "mine.yaml")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    heading = next(index for index, line in enumerate(lines) if line.startswith("IoU"))
    assert lines[heading].split()[:3] == ["IoU", "11-30", "20:46"]
    assert lines[heading + 1].split() == ["traffic", "light", "0", *["0.000"] * 4]
    assert lines[-1] == "and 140 classes with a higher IoU: unetfx review"
