"""Errors whose messages are shown to the user without a stack trace."""

import difflib
from collections.abc import Iterable


class UnetfxError(Exception):
    """Base class of all errors whose message is written for the user.

    The message says what is wrong, where, and what to do, in one line for each problem. Commands
    print the message and exit with code 2.
    """


class InputError(UnetfxError):
    """A file, a folder or a config value that the user gave is wrong."""


class MissingFileError(InputError):
    """A file or a folder does not exist."""


class UnavailableError(UnetfxError):
    """A resource outside this program is not available: a server, a cluster, or enough memory."""


class PairError(InputError):
    """A file of one pair is faulty; the other pairs may be usable.

    Attributes:
      kind: Kind of the fault: `unreadable`, `size_mismatch`, … (docs/checks.md lists all kinds).
      file: Path of the faulty file; for a line of a manifest or split list, `path:line (…)`.
      reason: Description of the fault, and what to do. Files with the same fault have the same
        text, so that one message can cover all of them.
    """

    def __init__(self, kind: str, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.kind = kind
        self.file = file
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.kind, self.file, self.reason)


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns a hint with the most similar known name, or "" if no known name is similar."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def one_line(text: object, longest: int = 300) -> str:
    """Converts the message of another library to one line of text.

    Args:
      text: An exception or a text. Messages of TensorFlow can contain whole graphs.
      longest: Maximum number of characters of the result.

    Returns:
      The text, with each run of white space replaced by one space, cut off after `longest`
      characters.
    """
    return " ".join(str(text).split())[:longest]
