"""Names of folders, files and classes that look like the markup of the library rich."""

import shutil

import pytest
import yaml

from pipeline.exit_codes import BAD_INPUT, DONE

pytestmark = pytest.mark.slow

FOLDER, IMAGE, CLASS = "[/x] da[bold]ta", "[red]0[blue].png", "[/disc]"  # a folder in a folder `[`


@pytest.fixture(scope="module")
def project(tmp_path_factory, make_project_in):
    """An untrained project whose data folder, first pair, second class and config look so."""
    project = make_project_in(tmp_path_factory.mktemp("markup"))
    data = project.folder / FOLDER
    data.parent.mkdir()
    (project.folder / "data").rename(data)
    for kind in ("images", "masks"):
        (data / kind / "00.png").rename(data / kind / IMAGE)
    config = yaml.safe_load(project.config.read_text())
    config["data"]["source"]["path"] = str(data)
    config["data"]["classes"] = ["[bold]ground", CLASS]
    config["training"]["epochs"] = 1
    config["gate"] = {"mean_iou": 0, "class_iou": {CLASS: 0}}
    path = project.folder / "[/c].yaml"
    path.write_text(yaml.safe_dump(config))
    return project._replace(config=path)


def test_all_commands_print_them_as_they_are(project, run_command):
    image = project.folder / FOLDER / "images" / IMAGE
    broken = project.folder / "[/broken]"
    shutil.copytree(project.folder / FOLDER, broken)
    (broken / "images" / image.name).write_bytes(b"")
    bad = project.folder / "[bad].yaml"
    text = yaml.safe_load(project.config.read_text())
    text["data"]["source"]["path"] = str(broken)
    bad.write_text(yaml.safe_dump(text))
    out = project.folder / "[/out]"
    made = project.folder / "[/made].yaml"
    nowhere = project.folder / "[/log].jsonl"
    of_config = ("--config", project.config)
    for arguments, code, names in (
        (("check", *of_config), DONE, ("[bold]ground", CLASS)),
        (("check", "--config", bad), BAD_INPUT, ("[/broken]/images", image.name)),
        (("run", "--config", bad), BAD_INPUT, ("[/broken]/images", image.name)),
        (("run", *of_config), DONE, ("[bold]ground", CLASS)),
        (("runs", *of_config), DONE, ("[bold]ground", CLASS)),
        (("predict", image, *of_config, "--out", out), DONE, (image.name, CLASS)),
        (("model", *of_config), DONE, ("conv",)),
        (("labels", *of_config), DONE, ("The model contradicts",)),
        (("drift", *of_config, nowhere), BAD_INPUT, ("[/log].jsonl",)),
        (("init", project.folder / FOLDER, "--out", made), DONE, ("Wrote", "[/made].yaml")),
        (("init", broken, "--out", made), BAD_INPUT, ("[/made].yaml",)),
    ):
        result, output = run_command("unetfx", *arguments, COLUMNS="200")
        assert result == code, output
        words = output.replace("\n", "")
        assert [name for name in names if name not in words] == [], output
        assert "Traceback" not in output
