"""The lock between real processes."""

import signal
import socket
import subprocess
import sys
import textwrap

import pytest

from data.errors import InputError
from pipeline.commands.cli import commands
from pipeline.execution.local_run import run_pipeline
from pipeline.execution.lock import LockedError, only_one


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock on a folder until it is killed, and its process id."""
    script = f"""
        import pathlib, time
        from pipeline.execution.lock import only_one
        with only_one(pathlib.Path({str(tmp_path / "home")!r}), "unetfx retrain"):
            print("held", flush=True)
            time.sleep(600)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_second_process_sees_the_holder_of_the_lock(holder, tmp_path):
    home = tmp_path / "home"
    message = (
        rf"{home} is in use by unetfx retrain, process {holder.pid} on {socket.gethostname()}, "
    )
    with pytest.raises(LockedError, match=f"{message}since 2"), only_one(home, "unetfx run"):
        pytest.fail("two hold the lock")
    # The refused process has released neither the lock nor the name of its holder.
    with pytest.raises(LockedError, match=message), only_one(home, "unetfx run"):
        pytest.fail("two hold the lock")


def test_the_lock_of_a_process_that_died_is_taken_over(holder, tmp_path):
    home = tmp_path / "home"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with only_one(home, "unetfx run") as died:
        assert (died.pid, died.command) == (holder.pid, "unetfx retrain")
    with only_one(home, "unetfx run") as died:
        assert died is None


def test_an_error_releases_the_lock(tmp_path):
    with pytest.raises(ZeroDivisionError), only_one(tmp_path, "unetfx run"):
        raise ZeroDivisionError
    with only_one(tmp_path, "unetfx run") as died:
        assert died is None


def test_a_child_process_does_not_keep_the_lock(tmp_path):
    with only_one(tmp_path, "unetfx run"):
        child = subprocess.Popen(["sleep", "600"])
    try:
        with only_one(tmp_path, "unetfx run") as died:
            assert died is None
            assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_an_unreadable_lock_file_is_ignored(tmp_path):
    (tmp_path / "lock").write_bytes(b'{"command": "unetfx \xff')
    with only_one(tmp_path, "unetfx run") as died:
        assert died is None


def test_a_workspace_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "home").touch()
    with (
        pytest.raises(InputError, match="home/lock: cannot be written"),
        only_one(tmp_path / "home", "x"),
    ):
        pytest.fail("locked a file in a file")


def test_a_run_is_refused_and_a_retraining_skipped_while_the_lock_is_held(tmp_path, capsys):
    config = tmp_path / "config.yaml"
    config.write_text(
        f"""
        name: cells
        workspace: {tmp_path}
        data: {{source: {{kind: folder, path: {tmp_path}}}, classes: [a, b]}}
        gate: {{mean_iou: 0.5}}
        """
    )
    with only_one(tmp_path / "cells", "unetfx run"):
        with pytest.raises(LockedError, match="is in use by unetfx run, process"):
            run_pipeline(config)
        with pytest.raises(SystemExit) as ended:
            commands(["retrain", "--config", str(config)])
    assert ended.value.code == 0
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(f"cells: skipped. {tmp_path}/cells is in use by unetfx run")
