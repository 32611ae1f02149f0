"""A command as the first process of a container, and as any other process."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys, time
from pipeline.execution import first_process
{setup}
first_process._FIRST = os.getpid() if sys.argv[1] == "first" else 1
def command():
    {body}
first_process.run_as_child_if_first(command)
"""


def start(body, place="first", setup=""):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body, setup=setup), place],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("place", ["first", "other"])
def test_the_exit_code_is_that_of_the_command(place):
    process = start("print('done'); sys.exit(3)", place)
    output, error = process.communicate(timeout=60)
    assert (process.returncode, output, error) == (3, "done\n", "")


def test_only_in_a_container_the_command_is_a_child():
    body = "print(os.getpid() == first_process._FIRST)"
    assert start(body, "first").communicate(timeout=60)[0] == "False\n"
    process = start("print(os.getpid())", "other")
    assert process.communicate(timeout=60)[0] == f"{process.pid}\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_command(number):
    handler = f"signal.signal({int(number)}, lambda *_: sys.exit(0))"
    process = start(f"{handler}; print('ready', flush=True); time.sleep(60)")
    process.stdout.readline()
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_signal_before_the_parent_waits_reaches_the_command():
    setup = "wait = first_process._wait_for; "
    setup += "first_process._wait_for = lambda child: time.sleep(1) or wait(child)"
    process = start("print('ready', flush=True); time.sleep(60)", setup=setup)
    process.stdout.readline()
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM


def test_a_command_that_handles_no_signal_ends_as_in_a_shell():
    process = start("print('ready', flush=True); time.sleep(60)")
    process.stdout.readline()
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM


def test_a_command_that_is_killed_ends_with_one_line():
    process = start("os.kill(os.getpid(), signal.SIGKILL)")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    [line] = error.splitlines()
    assert line.startswith("unetfx: the command was killed, most likely because the memory")
