"""The entry point of a step; tests/e2e/test_kubeflow.py runs complete steps."""

import pytest

from data.errors import InputError
from pipeline.kubeflow import step


@pytest.fixture
def message(tmp_path, monkeypatch):
    """Path of the file for the container's termination message; the file does not exist yet."""
    monkeypatch.setattr(step, "_TERMINATION_MESSAGE", tmp_path / "message")
    monkeypatch.delenv("KFP_POD_NAME", raising=False)
    return tmp_path / "message"


def end_with(error, monkeypatch):
    def run_module(*arguments, **options):
        raise error

    monkeypatch.setattr(step.runpy, "run_module", run_module)
    return step.main()


def test_bad_input_is_one_line_in_the_log_and_the_message_of_the_pod(message, monkeypatch, capsys):
    message.touch()
    assert end_with(InputError("masks/1.png: no image"), monkeypatch) == 2
    assert capsys.readouterr().err == "unetfx: masks/1.png: no image\n"
    assert message.read_text() == "masks/1.png: no image"


def test_an_error_of_the_operating_system_is_one_line_too(message, monkeypatch, capsys):
    message.touch()
    error = PermissionError(13, "Permission denied", "/cells/masks")
    assert end_with(error, monkeypatch) == 2
    assert capsys.readouterr().err == "unetfx: /cells/masks: Permission denied.\n"
    assert message.read_text() == "/cells/masks: Permission denied."


def test_a_long_message_is_cut_between_characters(message, monkeypatch):
    message.touch()
    end_with(InputError("ä" * 2000 + "x" + "ä" * 2000), monkeypatch)
    assert message.read_text() == "ä" * 2000 + "x" + "ä" * 47


def test_outside_of_kubernetes_no_message_is_written(message, monkeypatch):
    assert end_with(InputError("no image"), monkeypatch) == 2
    assert not message.exists()


def test_tfx_leaves_by_an_exit_also_after_success(message, monkeypatch):
    assert end_with(SystemExit(None), monkeypatch) == 0
    with pytest.raises(SystemExit):
        end_with(SystemExit(1), monkeypatch)
