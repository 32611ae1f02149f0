"""Bad input ends a run in one line that says what to do, and exit code 2."""

import sys

import pytest
import yaml
from PIL import Image

from pipeline.commands.cli import main

pytestmark = pytest.mark.slow


def rename_folder(project):
    (project.folder / "data").rename(project.folder / "elsewhere")


def remove_all_files(project):
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


def configure_unreachable_job_server(project):
    config = yaml.safe_load(project.config.read_text())
    config["beam"] = {"profile": "portable", "job_server": "127.0.0.1:1"}
    project.config.write_text(yaml.safe_dump(config))


def gate_absent_class(project):
    config = yaml.safe_load(project.config.read_text())
    config["data"]["classes"].append("ring")
    config["gate"]["class_iou"] = {"ring": 0.5}
    project.config.write_text(yaml.safe_dump(config))


def gate_absent_slice(project):
    config = yaml.safe_load(project.config.read_text())
    config["gate"]["slices"] = {"image/source=mars": {"mean_iou": 0.5}}
    project.config.write_text(yaml.safe_dump(config))


CASES = {
    "no such folder": (rename_folder, ["data/images: no such folder", "data.source"]),
    "no pairs": (remove_all_files, ["data/images: no images found"]),
    "unpaired file": (remove_mask, ["07.png: no mask of that name"]),
    "unreadable image": (truncate_image, ["images/07.png: cannot be read as an image"]),
    "mask of another size": (shrink_mask, ["masks/07.png: 32×32 pixels", "has 64×64"]),
    "unknown config key": (misspell_key, ["training.epoch: unknown key (did you mean 'epochs'?)"]),
    "unreachable job server": (
        configure_unreachable_job_server,
        ["beam.job_server: no Beam job server answers at 127.0.0.1:1", "Start it"],
    ),
}


@pytest.mark.parametrize(("make_bad", "expected"), CASES.values(), ids=CASES)
def test_bad_input_ends_in_one_line_and_exit_code_2(
    project, capfd, monkeypatch, make_bad, expected
):
    bad_project = project()
    make_bad(bad_project)
    monkeypatch.setattr(sys, "argv", ["unetfx", "run", "--config", str(bad_project.config)])
    with pytest.raises(SystemExit) as exit_info:
        main()
    assert exit_info.value.code == 2
    (line,) = capfd.readouterr().err.splitlines()
    for part in expected:
        assert part in line
    assert not list(bad_project.home.glob("artifacts/ExampleGen/examples/*"))


@pytest.mark.parametrize("ignore_value", [None, 255], ids=["nothing ignored", "255 ignored"])
def test_0_255_masks_get_a_message_with_the_line_to_write(
    project, capfd, monkeypatch, ignore_value
):
    bad_project = project(values=(0, 255))
    config = yaml.safe_load(bad_project.config.read_text())
    config["data"]["ignore_value"] = ignore_value
    bad_project.config.write_text(yaml.safe_dump(config))
    monkeypatch.setattr(sys, "argv", ["unetfx", "run", "--config", str(bad_project.config)])
    with pytest.raises(SystemExit) as exit_info:
        main()
    assert exit_info.value.code == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "mask_values: {0: ground, 255: disc}" in line


GATES = {
    "gated class absent from test": (
        gate_absent_class,
        ["gate: iou/ring has a floor", "no pixels of ring", "train 0, val 0, test 0"],
    ),
    "gated slice absent from test": (
        gate_absent_slice,
        [
            "gate.slices.image/source=mars: no image",
            "Values of image/source in the test split: discs",
        ],
    ),
}


@pytest.mark.parametrize(("make_bad", "expected"), GATES.values(), ids=GATES)
def test_a_gate_that_no_model_could_pass_stops_the_run_before_training(
    project, capfd, monkeypatch, make_bad, expected
):
    bad_project = project()
    make_bad(bad_project)
    monkeypatch.setattr(sys, "argv", ["unetfx", "run", "--config", str(bad_project.config)])
    with pytest.raises(SystemExit) as exit_info:
        main()
    assert exit_info.value.code == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert all(part in line for part in expected), line
    assert not (bad_project.home / "artifacts/Trainer").exists()
