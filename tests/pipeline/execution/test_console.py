import logging
import os
import re
import sys

import pytest
from absl import logging as absl_logging

from data.errors import InputError
from pipeline.execution.console import library_noise_to, log_lines_of, print_failure, print_steps


def test_noise_goes_to_the_log_until_the_context_ends(tmp_path, capfd):
    log = tmp_path / "logs/one.txt"
    with library_noise_to(log) as original:
        os.write(2, b"from C++\n")
        print("from Python", file=sys.__stderr__, flush=True)
        print("for the user")
        print("of failures", file=original)
    os.write(2, b"afterwards\n")
    assert log.read_text() == "from C++\nfrom Python\n"
    assert capfd.readouterr() == ("for the user\n", "of failures\nafterwards\n")


def test_a_command_that_only_reads_needs_no_log(tmp_path, capfd):
    (tmp_path / "logs").touch()
    with library_noise_to(tmp_path / "logs/one.txt", only_reads=True):
        os.write(2, b"from C++\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"
    with (
        pytest.raises(InputError, match=r"logs/one\.txt: cannot be written"),
        library_noise_to(tmp_path / "logs/one.txt"),
    ):
        pytest.fail("opened a log in a file")


def test_an_error_restores_the_stream(tmp_path, capfd):
    with pytest.raises(InputError), library_noise_to(tmp_path / "log.txt"):
        raise InputError("x")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"


def test_each_line_of_a_failure_names_the_program(capsys):
    print_failure("one\ntwo", "three")
    assert capsys.readouterr().err == "unetfx: one\nunetfx: two\nunetfx: three\n"


def test_names_cannot_control_the_terminal(capsys):
    print_failure("a\x1b[2J\r: b")
    with log_lines_of("serving"):
        logging.getLogger("serving.server").warning("version %d: %s", 3, "a\x1b[2J\nb")
    printed = capsys.readouterr()
    assert printed.err == "unetfx: a\\x1b[2J\\r: b\n"
    assert printed.out.endswith(" version 3: a\\x1b[2J\\nb\n")


def test_the_log_of_a_package_is_printed_until_the_context_ends(capsys):
    log = logging.getLogger("serving.server.serve")
    with log_lines_of("serving"):
        log.info("a message")
    log.info("afterwards")
    assert re.fullmatch(r"\d\d:\d\d:\d\d a message\n", capsys.readouterr().out)


def test_each_step_is_one_line(capsys):
    before = absl_logging.get_verbosity()
    log = logging.getLogger("absl")
    with print_steps():
        log.info("Component %s is running.", "ExampleGen")
        log.info("A cached execution %d is used.", 3)
        log.info("Component %s is finished.", "ExampleGen")
        log.info("something else %s", "x")
        log.info("Component %s is running.", "Trainer")
        log.info("Component %s is finished.", "Trainer")
        log.info("Component %s is running.", "Evaluator")
    absl_logging.set_verbosity(before)
    lines = capsys.readouterr().out.splitlines()
    assert [(line.split()[0], line.split()[-1]) for line in lines] == [
        ("ExampleGen", "unchanged"),
        ("Trainer", "s"),
        ("Evaluator", "failed"),
    ]
