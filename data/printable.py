"""Makes text that others wrote, such as names of files, safe to print in a terminal."""

import os
import re
import shlex

# Control characters, line and paragraph separators, characters that change the direction of the
# text after them, and bytes of a file name that are not UTF-8 (Python's surrogates).
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: object) -> str:
    r"""Replaces the characters that a terminal would not show but obey.

    Args:
      text: Text, or an object such as a path that becomes text.

    Returns:
      One line. Line breaks, escape sequences and other control characters are written as in
      Python: `\n`, `\x1b`, `\u202e`.
    """
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], str(text))


def shell_path(path: object) -> str:
    r"""Quotes a path as one word of a shell command that is printed in a terminal.

    Args:
      path: The path.

    Returns:
      The word, in quotes if necessary. A path with control characters is written as in `$'a\x0a'`,
      which bash, zsh and ksh read. `-x`, which a command would take for an option, becomes `./-x`.
    """
    word = f"./{path}" if str(path).startswith("-") else str(path)
    if not _UNPRINTABLE.search(word):
        return shlex.quote(word)
    escaped = re.sub(r"[\\']", r"\\\g<0>", word)
    return f"$'{_UNPRINTABLE.sub(_as_bytes, escaped)}'"


def _as_bytes(match: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(match[0]))
