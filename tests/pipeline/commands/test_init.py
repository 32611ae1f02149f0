import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from data.config import Splits
from data.listing.pair import split_of_group
from pipeline.commands import cli
from pipeline.config.loading import load_config
from pipeline.planning import duration

ISBI = Path(__file__).parents[3].parent / "shared/data/isbi-em"


def init(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["unetfx", "init", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.commands()
    return caught.value.code


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for kind, pixels in (("images", np.full((32, 32, 3), 9)), ("masks", np.eye(32) * 255)):
        (tmp_path / "my cells" / kind).mkdir(parents=True)
        for number in range(3):
            path = tmp_path / "my cells" / kind / f"{number}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    return Path("my cells")


@pytest.fixture
def not_timed(monkeypatch):
    """Timing a step starts TensorFlow in another process, which takes seconds."""
    monkeypatch.setattr(duration, "seconds_per_step", lambda config: None)


def test_the_config_that_is_written_can_be_read(data, monkeypatch, capsys):
    assert init(monkeypatch, data) in (None, 0)
    printed = capsys.readouterr().out
    assert "Wrote my_cells.yaml. Look at it, then: unetfx check --config my_cells.yaml" in printed
    config = load_config(Path("my_cells.yaml"))
    assert config.data.mask_values == {0: "background", 255: "object"}
    text = Path("my_cells.yaml").read_text()
    assert "  # values 0 (96.9%), 255 (3.1%): background, object: rename them\n  classes:" in text
    assert re.search(r"# a step of 2 images takes [\d.e-]+ s here: auto: about [\d.]+ min an", text)


def test_a_file_is_never_overwritten(data, monkeypatch, not_timed):
    Path("mine.yaml").write_text("mine")
    monkeypatch.setattr(sys, "argv", ["unetfx", "init", str(data), "--out", "mine.yaml"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert Path("mine.yaml").read_text() == "mine"


def test_a_folder_that_cannot_have_a_workspace_is_refused_before_the_data_are_read(
    data, monkeypatch, capsys
):
    Path("old [1]").mkdir()
    monkeypatch.chdir("old [1]")
    monkeypatch.setattr(sys, "argv", ["unetfx", "init", "../nowhere", "--out", "x.yaml"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("unetfx: workspace: TFX reads the path ")
    assert "because it contains [ ]. Start init in a folder without these characters" in line
    assert not list(Path().iterdir())


def test_a_name_that_no_config_can_have_is_one_line(data, monkeypatch, capsys, not_timed):
    data.rename("cells{SPAN}{SPAN}")
    monkeypatch.setattr(sys, "argv", ["unetfx", "init", "cells{SPAN}{SPAN}"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("unetfx: cells{SPAN}{SPAN}")


def test_a_step_is_timed_with_a_table_in_the_folder_of_the_data(data, monkeypatch, capsys):
    for path in (data / "masks").iterdir():
        Image.fromarray(np.eye(32, dtype=np.uint8) * 2).save(path)
    (data / "_classes.csv").write_text("0,ground\n2,cell\n")
    assert init(monkeypatch, data) in (None, 0)
    text = Path("my_cells.yaml").read_text()
    assert "mask_values: from _classes.csv" in text
    assert "a step of 2 images takes" in text


def test_isbi_em(monkeypatch, tmp_path, not_timed):
    monkeypatch.chdir(tmp_path)
    init(monkeypatch, ISBI)
    text = Path("isbi-em.yaml").read_text()
    assert "a training step could not be timed" in text
    config = yaml.safe_load(text)
    assert config["data"]["mask_values"] == {0: "background", 255: "object"}
    assert config["data"]["view"] == {"kind": "crop", "height": 256, "width": 256}
    assert config["training"] == {"batch_size": 2, "epochs": "auto"}
    splits = Splits(**config["data"]["splits"])
    keys = [path.stem for path in (ISBI / "images").iterdir()]
    assert min(Counter(split_of_group(key, splits) for key in keys).values()) >= 3
