"""The start of every command: the encoding of its process, and its errors as lines of text."""

import os
import sys
from collections.abc import Callable

from data.errors import UnetfxError
from data.files.file_systems import system_error
from pipeline.execution.console import print_failure
from pipeline.exit_codes import BAD_INPUT

_UTF8 = "PYTHONUTF8"


def exit_code_of(command: Callable[[], int], show: Callable[[str], None] = print_failure) -> int:
    """Runs a command, and shows the errors that are meant for the user.

    Args:
      command: The command, which returns its exit code.
      show: Function that shows an error message; by default, it is printed to standard error.

    Returns:
      The exit code of the command; 2 after a `UnetfxError` or an error of the operating system,
      such as a full disk.
    """
    try:
        return command()
    except UnetfxError as error:
        show(str(error))
    except OSError as error:
        show(str(system_error(error)))
    return BAD_INPUT


def use_utf8() -> None:
    """Starts this process again in Python's UTF-8 mode if the locale has another encoding.

    In such a locale, Python could not open files whose names have letters that the encoding lacks.
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get(_UTF8) != "1":
        os.environ[_UTF8] = "1"
        # This is safe: it is the command of this process.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
