"""The summary at the end of a run, with real files."""

import json
import subprocess
from pathlib import Path

import pytest

from components.evaluator.intervals import Intervals
from components.evaluator.rule import Rule
from components.evaluator.verdict import Verdict
from components.example_gen.artifact import FINDINGS_FILE, PAIRS_FILE
from components.report.metrics import RunMetrics
from components.serving_check.verdict import ServingVerdict
from components.validator.anomaly_text import ANOMALY_TEXT_FILE
from data.checks import Finding
from data.printable import printable
from pipeline.reports.publishing import publish
from pipeline.reports.summary import predict_command, print_summary
from tests.pipeline.recorded_runs import Workspace

FINDING = Finding("empty_class", "warning", (), "no pixels of green")


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


@pytest.fixture
def summary(workspace, tmp_path, capsys):
    """Prints the summary of a run with other metrics, and returns its lines."""

    def summary(**metrics):
        run = workspace.run(workspace.record(0))
        for kind, name, text in (
            ("Examples", PAIRS_FILE, json.dumps({"key": "1", "image": f"{tmp_path}/1.png"})),
            ("Examples", FINDINGS_FILE, json.dumps([FINDING._asdict()])),
            ("ExampleAnomalies", ANOMALY_TEXT_FILE, "image/height: drift"),
        ):
            folder = Path(run.artifacts[kind].uri)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        file = Path(run.report.uri, "metrics.json")
        changed = RunMetrics.model_validate_json(file.read_text()).model_copy(update=metrics)
        file.write_text(changed.model_dump_json())
        report = publish(workspace.config, run)
        capsys.readouterr()
        print_summary(workspace.config, tmp_path / "mine.yaml", run, report)
        return capsys.readouterr().out.splitlines()

    return summary


def test_a_summary_has_the_metrics_the_floors_and_what_to_look_at(summary):
    floor = Rule(metric="mean_iou", kind="floor", value=0.7, limit=0.6, passed=True)
    drop = Rule(metric="iou/red", kind="drop", value=0.7, limit=0.1, passed=None, reason="few")
    before = {"mean_iou": 0.65, "iou/red": 0.65, "iou/green": None}
    doubts = Verdict(blessed=True, rules=[floor, drop]).doubts()
    lines = summary(rules=[floor, drop], doubts=doubts, baseline=before, remarks=["older"])
    assert [line.split() for line in lines if line][:4] == [
        ["test", "split", "IoU", "floor", "last", "blessed"],
        ["red", "0.700", "–", "0.650"],
        ["green", "–", "–", "–"],
        ["mean", "0.700", "0.600", "0.650"],
    ]
    assert "Data      no pixels of green" in lines
    assert "Data      image/height: drift" in lines
    assert "Baseline  older" in lines
    assert "Gate      red: IoU was not checked: few" in lines
    assert "Blessed: every floor is reached, and no drop is too large." in lines
    assert any(line.startswith("Report    ") and line.endswith("/index.html") for line in lines)


def test_a_summary_gives_the_reasons_against_a_model(summary):
    refused = ServingVerdict(blessed=False, reasons=["too slow"], images=1)
    lines = summary(blessed=False, reasons=["mean IoU 0.7 is too low"], serving=refused)
    start = lines.index("Not blessed: mean IoU 0.7 is too low.")
    assert lines[start + 1 : start + 3] == ["Cannot be served: too slow.", "Nothing was pushed."]
    assert lines[-1] == "Next      open the report; correct the data or train longer; run again"


def test_a_summary_has_the_intervals_and_the_rules_that_are_not_sure(summary):
    sure = Rule(
        metric="iou/red", kind="floor", value=0.7, limit=0.5, interval=(0.6, 0.8), passed=True
    )
    unsure = Rule(
        metric="mean_iou",
        kind="floor",
        value=0.7,
        limit=0.65,
        interval=(0.6, 0.8),
        groups=20,
        groups_needed=70,
        passed=True,
    )
    intervals = Intervals(groups=20, metrics={"iou/red": (0.6, 0.8)})
    verdict = Verdict(blessed=True, rules=[sure, unsure])
    lines = summary(rules=verdict.rules, doubts=verdict.doubts(), intervals=intervals)
    assert [line.split() for line in lines if line][:4] == [
        ["test", "split", "IoU", "95", "%", "interval", "floor"],
        ["red", "0.700", "0.600–0.800", "0.500"],
        ["green", "–", "–", "–"],
        ["mean", "0.700", "–", "0.650"],
    ]
    assert [line for line in lines if line.startswith("Gate")] == [
        "Gate      mean IoU 0.700 is not below its floor 0.650 (cannot tell: 95 % interval "
        "0.600–0.800; about 70 groups would settle it, the test split has 20)"
    ]


@pytest.mark.parametrize("image", ["a b$(touch x).png", "it's.png", "-\x1b[2J\n;touch x;.png"])
def test_the_next_command_can_be_copied_into_a_shell(image, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "my 'config'.yaml"
    command = predict_command(str(tmp_path / image), config)
    assert printable(command) == command
    words = command.partition(" predict ")[2]
    script = f"printf '%s\\0' {words}"
    read = subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, check=True, text=True)
    path, *others = read.stdout.split("\0")[:-1]
    assert others == ["--out", "masks", "--config", str(config)]
    assert path.removeprefix("./") == image
    assert not path.startswith("-")
    assert not (tmp_path / "x").exists()


def test_names_cannot_control_the_terminal(summary):
    name = "[red]\x1b[2J\n"
    rule = Rule(
        metric="mean_iou",
        kind="floor",
        value=None,
        limit=0.6,
        passed=None,
        reason="few",
        slice=f"column/x={name}",
    )
    doubts = Verdict(blessed=False, rules=[rule]).doubts()
    lines = summary(rules=[rule], doubts=doubts, reasons=["[/] is low"], blessed=False)
    assert r"Gate      mean IoU where column/x=[red]\x1b[2J\n was not checked: few" in lines
    assert "Not blessed: [/] is low." in lines


def test_many_rules_are_five_lines_and_their_number(summary):
    reasons = [f"class {number}: IoU is low" for number in range(150)]
    lines = summary(reasons=reasons, doubts=reasons, blessed=False)
    assert sum(line.startswith("Not blessed: class") for line in lines) == 5
    assert "Not blessed: and 145 more, in the report." in lines
    assert "Gate      and 145 more, in the report" in lines
