"""The pages of runs, made from real records in ML Metadata and real files."""

import re
import shutil
from pathlib import Path

import pytest

from components.evaluator.intervals import Intervals
from components.labels.verdicts import record_verdicts
from components.report.contents import Contents, WrongMaskCard, WrongMasks
from components.report.metrics import RunMetrics
from data.errors import InputError
from data.files import reading
from pipeline.history.decisions import decide
from pipeline.history.runs import all_runs
from pipeline.reports.publishing import publish, read_published
from tests.pages import HOSTILE, PHONE, fits, serious_findings
from tests.pipeline.recorded_runs import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def test_dozens_of_runs_are_on_a_page_whose_axis_can_be_read(workspace, monkeypatch):
    ids = [workspace.record(number, mean=number / 30) for number in range(30)]
    read = []
    read_bytes = reading.read_bytes
    monkeypatch.setattr(reading, "read_bytes", lambda path: read.append(path) or read_bytes(path))
    for run in all_runs(workspace.config):
        read.clear()
        publish(workspace.config, run)
    # Each note and each metrics.json a few times, however many runs there are.
    assert len(ids) <= len(read) <= 4 * len(ids)
    page = (Path(workspace.config.reports_folder) / "index.html").read_text()
    assert page.count("/index.html") == len(ids)
    labels = re.findall(r">(2026-01-01T\d\d:\d\d:\d\d)</text>", page)
    assert 2 <= len(labels) <= 12
    assert page.index(ids[-1]) < page.index(ids[0])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_all_runs_in_a_browser(workspace, opened, scheme):
    for number in range(3):
        workspace.record(number, mean=number / 3)
    run = all_runs(workspace.config)[0]
    decide(workspace.config, run.artifacts["Model"], blessed=False, why=HOSTILE)
    folder = Path(publish(workspace.config, workspace.run(run.id)))
    assert HOSTILE not in (folder / "index.html").read_text()
    for path in (folder / "index.html", folder.parent / "index.html"):
        page = opened(path, PHONE, color_scheme=scheme)
        assert fits(page)
        assert serious_findings(page) == []


def test_a_published_report_is_made_again_without_its_artifacts(workspace):
    run = workspace.run(workspace.record(0))
    folder = Path(publish(workspace.config, run))
    assert f"<p>Run {run.id}. " in (folder / "index.html").read_text()
    shutil.rmtree(run.report.uri)
    decide(workspace.config, run.artifacts["Model"], blessed=True, why="the floor is wrong")
    assert publish(workspace.config, workspace.run(run.id)) == str(folder)
    assert "the floor is wrong" in (folder / "index.html").read_text()
    assert read_published(str(folder)).metrics["mean_iou"] == 0.7


def test_a_page_that_is_made_again_leaves_out_the_masks_that_a_person_judged(workspace):
    run = workspace.run(workspace.record(0))
    numbers = {"width": 9, "height": 9, "given": 0, "probable": 1, "pixels": 9, "regions": 1}
    shares = {"confidence": 0.9, "quality": 0.1}
    cards = [
        WrongMaskCard(key=key, split="val", content=f"0{key}", folder=key, **numbers, **shares)
        for key in ("first", "second")
    ]
    wrong = WrongMasks(contradicted=2, scored=9, judged=0, cards=cards)
    path = Path(run.report.uri) / "report.json"
    contents = Contents.model_validate_json(path.read_text())
    path.write_text(contents.model_copy(update={"wrong_masks": wrong}).model_dump_json())
    page = Path(publish(workspace.config, run)) / "index.html"
    assert "<h3>first</h3>" in page.read_text()
    record_verdicts(workspace.config.verdicts_file, {"0first": "first"}, "ok", "ada")
    publish(workspace.config, workspace.run(run.id))
    assert "<h3>first</h3>" not in page.read_text()
    assert "<h3>second</h3>" in page.read_text()


def test_a_page_of_an_older_version_stays_as_it_is(workspace):
    run = workspace.run(workspace.record(0))
    (Path(run.report.uri) / "report.json").rename(Path(run.report.uri) / "index.html")
    page = Path(workspace.config.reports_folder) / run.folder_name / "index.html"
    with pytest.raises(InputError, match="the files of the report are gone"):
        publish(workspace.config, run)
    page.parent.mkdir(parents=True)
    page.write_text("an older page")
    (page.parent / "source.txt").write_text(run.report.uri)
    assert publish(workspace.config, run) == str(page.parent)
    assert page.read_text() == "an older page"


def test_the_page_of_all_runs_has_the_intervals_of_the_mean(workspace):
    run = workspace.run(workspace.record(0))
    file = Path(run.report.uri, "metrics.json")
    intervals = Intervals(groups=9, metrics={"mean_iou": (0.6, 0.8), "iou/red": (0.1, 0.2)})
    metrics = RunMetrics.model_validate_json(file.read_text())
    file.write_text(metrics.model_copy(update={"intervals": intervals}).model_dump_json())
    publish(workspace.config, run)
    page = (Path(workspace.config.reports_folder) / "index.html").read_text()
    assert '<small class="interval">0.600–0.800</small>' in page
    assert page.count('<g class="mark-rule role-mark') == 1
    assert "0.100–0.200" not in page
