"""The whole pipeline with 150 classes and odd names, and everything that people read about them."""

import csv
import json
import re
import shutil

import pytest
import yaml

from benchmarks.textures import class_names, write_data
from pipeline.exit_codes import BAD_INPUT, DONE
from tests.pages import DESKTOP, PHONE, fits, serious_findings

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=console.log(1)>[/b]"
CLASSES = [*class_names(148), HOSTILE, "道路"]
# A folder and a file with names that look like the markup of the library rich
MARKUP, CONFIG = "[/x] da[bold]ta", "[bold].yaml"


@pytest.fixture(scope="module")
def ran(tmp_path_factory, run_command):
    """A folder with a config, and the output of its run."""
    folder = tmp_path_factory.mktemp("textures")
    write_data(folder / MARKUP, CLASSES, images=36, side=64)
    config = {
        "name": "textures",
        "workspace": str(folder / "runs"),
        "data": {
            "source": {"kind": "folder", "path": str(folder / MARKUP)},
            "classes": CLASSES,
            "splits": {"train": 2, "val": 1, "test": 1},
            "view": {"kind": "resize", "height": 64, "width": 64},
        },
        "model": {"width": 0.1},
        "training": {"batch_size": 6, "epochs": 1, "precision": "float32"},
        "gate": {"mean_iou": 0, "class_iou": {"rough stone": 0}, "max_class_drop": 0.5},
    }
    (folder / CONFIG).write_text(yaml.safe_dump(config))
    finished = run_command("unetfx", "run", "--config", folder / CONFIG, COLUMNS="80")
    return folder, finished


def reports(folder):
    return folder / "runs/textures/reports"


def test_the_summary_has_the_lowest_classes_and_fits_into_80_columns(ran):
    _, (code, output) = ran
    assert code == DONE, output
    table = output[output.index("test split") :]
    assert "and 140 classes with a higher IoU: see the report" in table
    lines = table[: table.index("and 140")].splitlines()
    assert len(lines) == 12
    assert max(map(len, lines)) <= 80
    assert "Blessed: every floor is reached" in output


def test_metrics_have_safe_names_and_the_gate_knows_the_real_ones(ran):
    folder, _ = ran
    (file,) = reports(folder).glob("*/metrics.json")
    metrics = json.loads(file.read_text())
    assert {"iou/rough_stone", "dice/img_src_x_onerror_console.log_1_b", "iou/道路"} <= set(
        metrics["metrics"]
    )
    assert [rule["class_name"] for rule in metrics["rules"]] == ["", "rough stone"]
    assert len(metrics["confusion_matrix"]) == 150


@pytest.mark.parametrize(("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
@pytest.mark.parametrize("page", ["report", "runs"])
def test_the_pages_in_a_browser(ran, opened, page, viewport, scheme):
    folder, _ = ran
    (report,) = reports(folder).glob("*/index.html")
    path = report if page == "report" else reports(folder) / "index.html"
    shown = opened(path, viewport, color_scheme=scheme)
    if page == "report":
        shown.get_by_text("Legend: 150 classes").click()
        shown.locator("#gallery ~ .row [data-ids]").first.hover()
        assert shown.locator(".name-tag").inner_text() in CLASSES
    assert shown.locator(f"th:has-text({HOSTILE!r})").count()
    assert fits(shown)
    assert serious_findings(shown) == []


def test_all_commands_print_names_that_look_like_markup_as_they_are(ran, run_command, tmp_path):
    folder, _ = ran
    image, broken = "[red]0[blue].png", tmp_path / "[/broken]"
    for kind in ("images", "masks"):
        shutil.copytree(folder / MARKUP / kind, broken / kind)
        (broken / kind / "0000.png").rename(broken / kind / image)
    (broken / "images" / image).write_bytes(b"")
    config = yaml.safe_load((folder / CONFIG).read_text())
    config["data"]["source"]["path"] = str(broken)
    config["workspace"] = str(tmp_path / "runs")
    bad = tmp_path / "[bad].yaml"
    bad.write_text(yaml.safe_dump(config))
    good, made = ("--config", folder / CONFIG), ("--out", tmp_path / "[/made].yaml")
    for arguments, code, names in (
        (("check", *good), DONE, ("[/b]",)),
        (("check", "--config", bad), BAD_INPUT, ("[/broken]/images", image)),
        (("run", "--config", bad), BAD_INPUT, ("[/broken]/images", image)),
        (("runs", *good), DONE, ()),
        (("model", *good), DONE, ("conv",)),
        (("labels", *good), DONE, ("The model contradicts",)),
        (("drift", *good, tmp_path / "[/log].jsonl"), BAD_INPUT, ("[/log].jsonl",)),
        (("init", folder / MARKUP, *made), DONE, ("Wrote", "[/made].yaml")),
        (("init", broken, *made), BAD_INPUT, ("[/made].yaml",)),
    ):
        result, output = run_command("unetfx", *arguments, COLUMNS="200")
        assert result == code, output
        words = output.replace("\n", "")
        assert [name for name in names if name not in words] == [], output
        assert "Traceback" not in output


def test_runs_and_predictions_name_few_classes(ran, run_command):
    folder, _ = ran
    config = folder / CONFIG
    code, output = run_command("unetfx", "runs", "--config", config, COLUMNS="80")
    assert code == DONE, output
    assert max(map(len, output.splitlines())) <= 80
    assert len(output.splitlines()) < 20
    image = folder / MARKUP / "images/0000.png"
    predict = ("unetfx", "predict", image, "--config", config, "--out", folder / "out")
    code, output = run_command(*predict)
    assert code == DONE, output
    (line,) = [line for line in output.splitlines() if "0000.png: " in line]
    assert 1 <= len(re.findall(r"\d%", line)) <= 9
    with (folder / "out/classes.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert list(row)[:6] == [
        *("image", "mask", "height", "width", "confidence", "largest_classes"),
    ]
    largest = max(CLASSES, key=lambda name: float(row[f"share_{name}"]))
    assert row["largest_classes"].startswith(f"{largest} ")
