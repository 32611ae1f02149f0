"""Errors whose messages are shown to the user without a stack trace."""

import difflib
from collections.abc import Iterable

from data.printable import printable


class UnetfxError(Exception):
    """Base class for errors whose messages are written for the user.

    The message says what is wrong, where, and what to do, with one line per problem. Commands print
    the message and exit with code 2.
    """

    def __init__(self, *lines: str) -> None:
        """Creates an error.

        Args:
          *lines: The lines of the message. A line may contain text that others wrote, such as the
            name of a file: line breaks and control characters in it are escaped.
        """
        super().__init__(*lines)

    def __str__(self) -> str:
        """Returns the message."""
        return "\n".join(map(printable, self.args))


class InputError(UnetfxError):
    """A file, folder or config value given by the user is invalid."""


class MissingFileError(InputError):
    """A file or a folder does not exist."""


class UnavailableError(UnetfxError):
    """An external resource, such as a server, a cluster or enough memory, is not available."""


class PairError(InputError):
    """An image file, a mask file or a manifest row is faulty; other pairs may still be usable.

    Attributes:
      kind: Kind of the fault, such as `unreadable` or `size_mismatch`. docs/checks.md explains the
        most frequent kinds.
      file: Path of the faulty file, or `path:line (entry)` for a faulty line of a manifest or split
        list.
      reason: What is wrong and what to do. Files with the same fault have the same text, so that
        they can be reported in one message.
    """

    def __init__(self, kind: str, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.kind = kind
        self.file = file
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.kind, self.file, self.reason)


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns a hint such as " (did you mean 'train'?)", or "" if no known name is similar."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def listed(names: Iterable[str], most: int = 20) -> str:
    """Returns names as a list for a message, such as `a, b and 130 more`.

    Args:
      names: The names.
      most: Maximum number of names in the list.
    """
    shown = list(names)
    more = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {more} more" if more > 0 else "")


def one_line(text: object, longest: int = 300) -> str:
    """Shortens another library's error message to one line.

    Args:
      text: The exception or its message, which may be very long: TensorFlow's messages can contain
        whole graphs.
      longest: Maximum length of the result in characters.

    Returns:
      The message, with each run of white space replaced by one space and control characters
      escaped, truncated to `longest` characters.
    """
    return printable(" ".join(str(text).split()))[:longest]
