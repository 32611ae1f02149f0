"""Errors of the operating system, and locales, in processes of their own."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from pipeline.execution.entry import exit_code_of

_PR_CAPBSET_DROP, _DAC_OVERRIDE, _DAC_READ_SEARCH = 24, 1, 2  # of Linux
REPOSITORY = Path(__file__).parents[3]

# Without room for files, as on a full disk. Output to pipes is not limited.
FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
from pipeline.commands.cli import main
main()
"""


def raising(error):
    def command():
        raise error

    return command


ERRORS = {
    "input": (InputError("x.yaml: wrong."), "unetfx: x.yaml: wrong.\n"),
    "path": (
        PermissionError(13, "Permission denied", "/a/b"),
        "unetfx: /a/b: Permission denied.\n",
    ),
    "no path": (OSError(28, "No space left on device"), "unetfx: No space left on device.\n"),
    "text": (OSError("from Beam\n[while running x]"), "unetfx: from Beam [while running x]\n"),
}


@pytest.mark.parametrize(("error", "line"), ERRORS.values(), ids=ERRORS)
def test_an_error_is_one_line(capsys, error, line):
    assert exit_code_of(raising(error)) == 2
    assert capsys.readouterr().err == line


def test_the_exit_code_is_that_of_the_command():
    assert exit_code_of(lambda: 3) == 3


@pytest.fixture
def data(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for number in range(4):
            path = tmp_path / f"data/{kind}/{number}.png"
            Image.fromarray(np.eye(32, dtype=np.uint8)).save(path)
    (tmp_path / "c.yaml").write_text(
        "{name: a, data: {source: {kind: folder, path: data}, classes: [b, c]}, "
        "gate: {mean_iou: 0}}"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("run", "runs/a/lock: cannot be written"),
        ("init data --out x.yaml", "No usable temporary directory"),
        ("retrain", "runs/a/lock: cannot be written"),
    ],
)
def test_a_full_disk_is_one_line(data, command, message):
    options = [] if "init" in command else ["--config", "c.yaml"]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *command.split(), *options],
        cwd=data,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("unetfx: ")
    assert message in line
    assert not (data / "x.yaml").exists()


def drop_rights():
    """Takes from this process, when it starts a program, root's right to write everywhere."""
    for right in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, right, 0, 0, 0)


def run_without_rights(data, command):
    program = Path(sys.executable).with_name("unetfx")
    done = subprocess.run(
        [program, *command.split(), "--config", "c.yaml"],
        cwd=data,
        preexec_fn=drop_rights,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    return line


COMMANDS = ["check", "run", "retrain", "review", "labels", "bless 20 --why x", "push 20"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_workspace_that_cannot_be_written_is_one_line(data, command):
    (data / "runs").mkdir(mode=0o555)
    line = run_without_rights(data, command)
    assert line.startswith(f"unetfx: {data}/runs/a/")
    assert "(Permission denied). Check workspace in the config, and who may write there." in line


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("file", ["runs", "runs/a"])
def test_a_file_in_place_of_a_workspace_is_one_line(data, command, file):
    (data / file).parent.mkdir(exist_ok=True)
    (data / file).write_text("")
    line = run_without_rights(data, command)
    assert line.startswith(f"unetfx: {data}/runs/a/")
    assert "cannot be written" in line


def test_names_may_have_any_letters_in_any_locale(tmp_path):
    program = Path(sys.executable).with_name("unetfx")
    done = subprocess.run(
        [program, "check", "--config", "größe.yaml"],
        cwd=tmp_path,
        env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        check=False,
        capture_output=True,
    )
    assert done.returncode == 2
    assert done.stderr.decode().startswith("unetfx: größe.yaml: no such config file")
