"""Errors that are shown to the user as one line each, without a stack trace."""

import difflib
from collections.abc import Iterable


class UnetfxError(Exception):
    """Base of all errors whose message is written for the user.

    The message says what is wrong, where, and what to do, in one line for each finding. Commands
    print it and exit with code 2.
    """


class InputError(UnetfxError):
    """The user's input is wrong: a file, a folder, a config value."""


class MissingFileError(InputError):
    """A file does not exist."""


class UnavailableError(UnetfxError):
    """Something outside this program is not available: a server, a cluster, enough memory."""


class PairError(InputError):
    """One file of a pair is wrong; the other pairs may be good.

    Attributes:
      kind: Kind of the fault: `unreadable`, `size_mismatch`, … (docs/checks.md lists them all).
        Findings of one kind are shown together.
      file: Path of the file.
      reason: Description of the fault, and what to do. Files with the same fault have the same
        text, so that many such files make one message.
    """

    def __init__(self, kind: str, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.kind = kind
        self.file = file
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.kind, self.file, self.reason)


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns a hint with the most similar known name, or an empty string if none is similar."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def one_line(text: object, longest: int = 300) -> str:
    """Puts the message of another library into one line.

    Args:
      text: An exception or a text. TensorFlow puts whole graphs into its messages.
      longest: Number of characters to keep.

    Returns:
      The text with every run of white space as one space, cut off after `longest` characters.
    """
    return " ".join(str(text).split())[:longest]
