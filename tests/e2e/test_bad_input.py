"""What a user sees of wrong input: one line that says what to do, and exit code 2."""

import sys

import pytest
import yaml
from PIL import Image

from pipeline.cli import main

pytestmark = pytest.mark.slow


def rename_folder(project):
    (project.folder / "data").rename(project.folder / "elsewhere")


def remove_all(project):
    for file in (project.folder / "data").rglob("*.png"):
        file.unlink()


def remove_mask(project):
    (project.folder / "data" / "masks" / "07.png").unlink()


def truncate_image(project):
    image = project.folder / "data" / "images" / "07.png"
    image.write_bytes(image.read_bytes()[:500])


def shrink_mask(project):
    mask = project.folder / "data" / "masks" / "07.png"
    Image.open(mask).resize((32, 32)).save(mask)


def misspell_key(project):
    config = yaml.safe_load(project.config.read_text())
    config["training"]["epoch"] = 3
    project.config.write_text(yaml.safe_dump(config))


CASES = {
    "no such folder": (rename_folder, ["data/images: no such folder", "data.source"]),
    "no pairs": (remove_all, ["data/images: no images in it"]),
    "unpaired file": (remove_mask, ["07.png: no mask of that name"]),
    "unreadable image": (truncate_image, ["images/07.png: cannot be read as an image"]),
    "mask of another size": (shrink_mask, ["masks/07.png: 32×32 pixels", "has 64×64"]),
    "unknown config key": (misspell_key, ["training.epoch: unknown key; did you mean epochs?"]),
}


@pytest.mark.parametrize(("spoil", "expected"), CASES.values(), ids=CASES)
def test_one_line_and_exit_code_2(project, capfd, monkeypatch, spoil, expected):
    made = project()
    spoil(made)
    monkeypatch.setattr(sys, "argv", ["unetfx", "run", "--config", str(made.config)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    (line,) = capfd.readouterr().err.splitlines()
    for part in expected:
        assert part in line
    assert not list(made.home.glob("artifacts/ExampleGen/examples/*"))


@pytest.mark.parametrize("ignore_value", [None, 255], ids=["nothing ignored", "255 ignored"])
def test_0_255_masks_are_told_which_line_mends_them(project, capfd, monkeypatch, ignore_value):
    made = project(values=(0, 255))
    config = yaml.safe_load(made.config.read_text())
    config["data"]["ignore_value"] = ignore_value
    made.config.write_text(yaml.safe_dump(config))
    monkeypatch.setattr(sys, "argv", ["unetfx", "run", "--config", str(made.config)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "mask_values: {0: ground, 255: disc}" in line
