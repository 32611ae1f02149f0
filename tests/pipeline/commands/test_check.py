import json
import re
import shutil
import sys

import numpy as np
import pytest
import yaml
from PIL import Image

from pipeline.commands import cli
from tests.pages import HOSTILE, PHONE, fits, hidden_numbers, serious_findings


@pytest.fixture
def project(tmp_path):
    """Forty healthy pairs, and the config that reads them."""
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for i in range(40):
        pixels = np.random.default_rng(i).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / "images" / f"{i:02d}.png")
        class_ids = np.repeat(np.array([[0] * 4 + [1] * 4], np.uint8), 8, axis=0)
        Image.fromarray(class_ids).save(tmp_path / "data" / "masks" / f"{i:02d}.png")
    settings = {
        "name": "discs",
        "workspace": str(tmp_path / "runs"),
        "data": {
            "source": {"kind": "folder", "path": str(tmp_path / "data")},
            "classes": ["ground", "disc"],
            "splits": {"train": 2, "val": 1, "test": 1},
        },
        "gate": {"mean_iou": 0.5},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path


def check(project, monkeypatch, capsys):
    command = ["unetfx", "check", "--config", str(project / "config.yaml")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    printed = capsys.readouterr()
    return caught.value.code, printed.out, printed.err


def test_healthy_data(project, monkeypatch, capsys):
    code, out, err = check(project, monkeypatch, capsys)
    assert (code, err) == (0, "")
    assert "Good: a run would accept these data." in out
    assert re.search(r"split +train +val +test *\npairs +\d+ +\d+ +\d+", out)
    assert re.search(r"ground( +50\.0%){3}", out)
    report = json.loads((project / "runs/discs/check/check.json").read_text())
    assert report["accepted"]
    assert report["findings"] == []
    assert sum(split["pairs"] for split in report["splits"]) == 40
    page = (project / "runs/discs/check/index.html").read_text()
    assert "No problems were found" in page
    assert page.count('class="sample"') == 12  # four pairs of each split


def test_150_classes_fit_into_80_columns(project, monkeypatch, capsys):
    config = yaml.safe_load((project / "config.yaml").read_text())
    config["data"]["classes"] = ["ground", "disc", *(f"traffic light {i}" for i in range(148))]
    (project / "config.yaml").write_text(yaml.safe_dump(config))
    code, out, _ = check(project, monkeypatch, capsys)
    assert code == 0
    # Paths are whole, so that they can be copied.
    assert max(map(len, out.splitlines()[:-2])) <= 80
    assert len(out.splitlines()) < 30
    assert "and 140 classes with larger shares of train" in out
    assert "traffic light 19 and 128 more occur in no mask." in " ".join(out.split())


def test_bad_data_are_listed_in_a_table_a_file_and_on_a_page(project, monkeypatch, capsys):
    data = project / "data"
    (data / "images/03.png").write_bytes((data / "images/03.png").read_bytes()[:60])
    (data / "masks/05.png").unlink()
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(data / "masks/07.png")
    Image.fromarray(np.full((8, 8), 9, np.uint8)).save(data / "masks/09.png")
    code, out, _ = check(project, monkeypatch, capsys)
    assert code == 2
    table = " ".join(out.split())
    assert "Bad: a run would stop here." in table
    for words in ("cannot be read", "no mask", "all pixels are ignored", "no class for"):
        assert words in table or words in out.replace("\n", ""), words
    report = json.loads((project / "runs/discs/check/check.json").read_text())
    assert not report["accepted"]
    kinds = {finding["kind"]: finding["keys"] for finding in report["findings"]}
    assert kinds["unreadable"] == ["03"]
    assert kinds["all_ignored"] == ["07"]
    assert kinds["value_without_class"] == ["09"]
    assert "unpaired" in kinds
    page = (project / "runs/discs/check/index.html").read_text()
    assert "cannot be shown" in page
    assert page.count("data:image/png;base64,") >= 6
    assert "http" not in page.replace("http-equiv", "")  # no external files


def test_names_are_not_taken_for_markup(project, monkeypatch, capsys):
    for kind in ("images", "masks"):
        (project / "data" / kind / "00.png").rename(project / "data" / kind / "<b>[red]x.png")
    (project / "data/images/<b>[red]x.png").write_bytes(b"")
    code, out, _ = check(project, monkeypatch, capsys)
    assert code == 2
    assert "<b>[red]x.png" in out.replace("\n", "")
    assert "<b>[red]" not in (project / "runs/discs/check/index.html").read_text()


def test_names_cannot_control_the_terminal(project, monkeypatch, capsys):
    data = project / "data"
    name = "\x1b]0;x\x07\n\u202e=1.png"
    for kind in ("images", "masks"):
        (data / kind / "00.png").rename(data / kind / name)
    (data / "images" / name).write_bytes(b"")
    (data / "images/\x9b.png").write_bytes(b"")
    code, out, _ = check(project, monkeypatch, capsys)
    assert code == 2
    text = out.replace("\n", "").replace(" ", "")
    assert rf"{data}/images/\x1b]0;x\x07\n\u202e=1.png".replace(" ", "") in text
    assert rf"{data}/images/\x9b.png" in text
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(out)
    findings = json.loads((project / "runs/discs/check/check.json").read_text())["findings"]
    assert f"{data}/images/{name}" in [file for each in findings for file in each["where"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_with_hostile_names_in_a_browser(project, monkeypatch, capsys, opened, scheme):
    name = HOSTILE.replace("/", "")[:200]  # a name of a file, of at most 255 bytes
    data = project / "data"
    for number in range(8):
        for kind in ("images", "masks"):
            path = data / kind / f"{number:02d}.png"
            path.rename(data / kind / f"{name}{number}.png")
    (data / f"images/{name}0.png").write_bytes(b"")
    (data / f"masks/{name}1.png").unlink()
    for number in range(3, 8):
        shutil.copy(data / f"images/{name}2.png", data / f"images/{name}{number}.png")
    config = yaml.safe_load((project / "config.yaml").read_text())
    names = [f"<img src=x onerror=console.log({i})> 道路" for i in range(147)]
    names.append("longname" * 12)
    config["data"]["classes"] = ["ground", "disc", *names]
    (project / "config.yaml").write_text(yaml.safe_dump(config))
    assert check(project, monkeypatch, capsys)[0] == 2
    page = opened(project / "runs/discs/check/index.html", PHONE, color_scheme=scheme)
    for details in page.locator("summary").all():
        details.click()
    assert page.locator("figure").count() > 5
    assert fits(page)
    assert hidden_numbers(page) == []
    assert serious_findings(page) == []
    page.locator("[data-ids]").first.hover()
    assert page.locator(".name-tag").inner_text() in ("ground", "disc")


def test_a_missing_folder_is_one_line(project, monkeypatch, capsys):
    (project / "data").rename(project / "elsewhere")
    code, out, err = check(project, monkeypatch, capsys)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "no such folder" in err


@pytest.mark.parametrize("name", ["check", "check/index.html"])
def test_a_result_that_cannot_be_written_is_one_line(project, monkeypatch, capsys, name):
    blocked = project / "runs/discs" / name
    if name == "check":
        blocked.parent.mkdir(parents=True)
        blocked.touch()
    else:
        blocked.mkdir(parents=True)
    code, out, err = check(project, monkeypatch, capsys)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith(f"unetfx: {blocked}")
    assert "cannot be written (" in line


def test_a_slice_by_a_missing_column(project, monkeypatch, capsys):
    rows = [f"images/{i:02d}.png,masks/{i:02d}.png,A" for i in range(40)]
    (project / "data/pairs.csv").write_text("\n".join(["image,mask,scanner", *rows]))
    config = yaml.safe_load((project / "config.yaml").read_text())
    config["data"]["source"] = {"kind": "manifest", "path": str(project / "data/pairs.csv")}
    config["gate"]["slices"] = {"column/skanner=A": {"mean_iou": 0.5}}
    (project / "config.yaml").write_text(yaml.safe_dump(config))
    code, out, err = check(project, monkeypatch, capsys)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert "no column 'skanner' (did you mean 'scanner'?). Found the columns ['scanner']." in line
    config["gate"]["slices"] = {"column/scanner=A": {"mean_iou": 0.5}}
    (project / "config.yaml").write_text(yaml.safe_dump(config))
    assert check(project, monkeypatch, capsys)[0] == 0


def test_tensorflow_is_not_loaded_for_local_files(project):
    """Loading TensorFlow takes seconds, and a check should be quick."""
    import subprocess

    script = (
        "import sys; from pathlib import Path; from pipeline.commands.check import run_check; "
        f"run_check(Path({str(project / 'config.yaml')!r})); "
        "print('tensorflow' in sys.modules, 'tfx' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "False False", done.stderr
