"""Hashes the contents of files. Files with unchanged size and time stamps are not read again."""

import hashlib
from typing import NamedTuple

from data.errors import InputError
from data.files.reading import read_bytes
from data.files.state import file_state

_TICK = 2_000_000_000  # coarsest resolution of file time stamps: 2 s, in nanoseconds
_DIGITS = 32  # number of hexadecimal digits in a hash: 128 bits


class HashedFile(NamedTuple):
    """Hash of a file's content, and the state of the file when the content was hashed.

    Attributes:
      digest: First half of the content's SHA-256, in hexadecimal. An unreadable file is treated as
        empty.
      state: Size and time stamps of the file: the values of a `FileState`. Empty if the file cannot
        be read, or if it changed so recently that another change might not alter the time stamps.
    """

    digest: str
    state: tuple[int, ...]


def hash_file(path: str, earlier: HashedFile | None, began: int) -> HashedFile:
    """Hashes a file, or reuses the earlier hash if the size and the time stamps are unchanged.

    Args:
      path: Path of the file, local or remote.
      earlier: Earlier hash and state of the file; None if there are none.
      began: Time at which the listing job began, in nanoseconds since 1970.

    Returns:
      The hash and the state of the file.

    Raises:
      UnavailableError: The remote file system does not respond.
    """
    try:
        state = file_state(path)
        if earlier is not None and earlier.state == state:
            return earlier
        content = read_bytes(path)
    except InputError:
        return HashedFile(hashlib.sha256().hexdigest()[:_DIGITS], ())
    digest = hashlib.sha256(content).hexdigest()[:_DIGITS]
    return HashedFile(digest, state if state.changed < began - _TICK else ())
