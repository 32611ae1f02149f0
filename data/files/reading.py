"""Reads files: whole, line by line, or a range of bytes."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from stat import S_ISDIR, S_ISREG
from typing import Any

from data.errors import InputError
from data.files.file_systems import local_error, local_errors, open_gfile
from data.files.paths import is_remote

_REMOTE_BUFFER = 2**20  # number of bytes to read at once from a remote file


def read_bytes(path: str) -> bytes:
    """Reads a whole file.

    Args:
      path: Path of the file, local or remote.

    Returns:
      The content of the file.

    Raises:
      MissingFileError: The file does not exist.
      InputError: The file cannot be read.
    """
    if is_remote(path):
        with _remote_file(path) as file:
            return bytes(file.read())
    try:
        with open(path, "rb", opener=_open_at_once) as local_file:
            return local_file.read()
    except OSError as error:
        raise local_error(path, "read", error) from error
    except ValueError as error:  # a NUL, or half of a surrogate pair
        raise InputError(f"{path}: not a path ({error}).") from error


def read_text(path: str) -> str:
    """Reads a whole UTF-8 text file, with or without a byte order mark.

    Args:
      path: Path of the file, local or remote.

    Returns:
      The text with its line endings unchanged, without the byte order mark.

    Raises:
      MissingFileError: The file does not exist.
      InputError: The file cannot be read, or is not UTF-8 text.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_text(path, error) from error


def read_lines(path: str) -> Iterator[bytes]:
    """Reads a file line by line, so that even a file larger than the memory can be read.

    Args:
      path: Path of the file, local or remote.

    Yields:
      The lines, as bytes, without their line endings.

    Raises:
      MissingFileError: The file does not exist.
      InputError: The file cannot be read.
    """
    with _open(path) as file:
        yield from (line.rstrip(b"\r\n") for line in file)


def read_text_lines(path: str) -> Iterator[str]:
    """Reads a UTF-8 text file line by line, with or without a byte order mark.

    Args:
      path: Path of the file, local or remote.

    Yields:
      The lines with their line endings: a line feed, a carriage return, or both.

    Raises:
      MissingFileError: The file does not exist.
      InputError: The file cannot be read, or is not UTF-8 text.
    """
    with _open(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        try:
            yield from text
        except UnicodeDecodeError as error:
            raise _not_text(path, error) from error


def read_range(path: str, start: int, length: int) -> bytes:
    """Reads a range of bytes from a file.

    Args:
      path: Path of the file, local or remote.
      start: Position of the first byte to read.
      length: Number of bytes to read.

    Returns:
      The bytes, which are fewer than `length` if the file ends earlier.

    Raises:
      MissingFileError: The file does not exist.
      InputError: The file cannot be read.
    """
    with _open(path) as file:
        file.seek(start)
        return file.read(length)


@contextmanager
def _open(path: str) -> Iterator[io.BufferedReader]:
    """Opens a file for reading, local or remote."""
    if not is_remote(path):
        with local_errors(path), open(path, "rb", opener=_open_at_once) as file:
            yield file
        return
    with _remote_file(path) as remote_file:
        yield io.BufferedReader(_Raw(remote_file), _REMOTE_BUFFER)


def _open_at_once(path: str, flags: int) -> int:
    """Opens a regular file. Reading a pipe might wait forever, and a device may have no end."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    mode = os.fstat(descriptor).st_mode
    if S_ISREG(mode) or S_ISDIR(mode):  # Python refuses folders itself
        return descriptor
    os.close(descriptor)
    raise InputError(f"{path}: a pipe or a device, not a file. Remove it.")


@contextmanager
def _remote_file(path: str) -> Iterator[Any]:
    """Opens a remote file for reading."""
    with open_gfile(path) as gfile:
        # In a bucket, TensorFlow reads a folder as an empty file, and a missing file as a file
        # without lines. `stat` raises an error if the file is missing.
        if gfile.stat(path).is_directory:
            raise InputError(f"{path}: cannot be read (Is a directory).")
        with gfile.GFile(path, "rb") as file:
            yield file


class _Raw(io.RawIOBase):
    """Adapts a TensorFlow file object to Python's interface for unbuffered binary files."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._file.seek(offset, whence)
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


def _not_text(path: str, error: UnicodeDecodeError) -> InputError:
    return InputError(f"{path}: not UTF-8 text ({error.reason}). Save it as UTF-8.")
