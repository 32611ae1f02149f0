"""Accesses the local and the remote file systems, and converts their errors to one-line errors.

A path with a scheme (`gs://…`) is remote and is accessed through TensorFlow; any other path is
local. Importing TensorFlow takes seconds, so it is imported only for remote paths.

The library `etils.epath` is not used, because it rejects some schemes that TensorFlow supports
(`ram://` in tests), rounds modification times to seconds, omits files whose names end in `~` from
listings, and does not convert most of TensorFlow's errors to Python's built-in exceptions.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal

from data.errors import InputError, MissingFileError, UnavailableError, one_line
from data.files.paths import is_in_bucket, is_remote

_SCHEMES = ("gs://", "ram://")  # `ram://` is memory of this process, for tests
REMOTE_THREADS = 16
"""Number of remote files to access in parallel. It is high because most of the time is waiting."""
_GCS_URL = "https://www.googleapis.com/storage/v1/b"  # the address that TensorFlow uses
_GCS_TIMEOUT = 10  # in seconds


@contextmanager
def local_errors(path: str, done: str = "read") -> Iterator[None]:
    """Converts errors of the local file system in a `with` block (see `local_error`)."""
    try:
        yield
    except OSError as error:
        raise local_error(path, done, error) from error


def local_error(path: str, done: str, error: OSError) -> InputError:
    """Returns the error to raise in place of an error of the local file system.

    Args:
      path: Path of the file or folder.
      done: Past participle of the failed action, for the message, such as `read` or `removed`.
      error: The error to convert.

    Returns:
      A MissingFileError if a file to read does not exist, otherwise an InputError.
    """
    if done == "read" and isinstance(error, FileNotFoundError):
        return MissingFileError(f"{path}: no such file. Restore it.")
    return InputError(f"{path}: cannot be {done} ({error.strerror}).")


def system_error(error: OSError) -> UnavailableError:
    """Returns the error to raise in place of an error of the operating system, with its path."""
    if error.strerror is None:
        return UnavailableError(one_line(error))
    where = f"{error.filename}: " if error.filename is not None else ""
    return UnavailableError(f"{where}{one_line(error.strerror)}.")


@contextmanager
def open_gfile(path: str, done: str = "read") -> Iterator[Any]:
    """Gives access to remote files, and converts their errors.

    Args:
      path: Path of the remote file or folder, for the messages.
      done: Past participle of the action, for the messages, such as `read` or `removed`.

    Yields:
      TensorFlow's module `tf.io.gfile`.

    Raises:
      MissingFileError: A file to read does not exist.
      InputError: The file or folder cannot be accessed, or its scheme is unknown.
      UnavailableError: The remote file system does not respond.
    """
    if reason := unknown_scheme(path):
        raise InputError(f"{path}: {reason}")
    if is_in_bucket(path):
        _refuse_silent_store()
    import tensorflow as tf

    try:
        yield tf.io.gfile
    except tf.errors.OpError as error:
        if done == "read" and isinstance(error, tf.errors.NotFoundError):
            raise MissingFileError(f"{path}: no such file. Restore it.") from error
        message = f"{path}: cannot be {done} ({_reason(error)})."
        if isinstance(error, tf.errors.UnavailableError):
            raise UnavailableError(message) from error
        if isinstance(error, tf.errors.PermissionDeniedError):
            message += " Check the permissions of the account whose credentials are used."
        raise InputError(message) from error


def unknown_scheme(path: str, done: Literal["read", "written"] = "read") -> str | None:
    """Returns what to do about a remote path on an unknown file system; None if it is known.

    Args:
      path: A path, local or remote.
      done: What is done with the file or folder.
    """
    if not is_remote(path) or path.startswith(_SCHEMES):
        return None
    if path.startswith("file://"):
        return "the path has a scheme. Write it without file://."
    remedy = (
        "Copy the files to this machine, or into a bucket of Google Cloud Storage (gs://)."
        if done == "read"
        else "Name a folder on this machine, or in a bucket of Google Cloud Storage (gs://)."
    )
    return f"{path.partition('://')[0]}:// cannot be {done}. {remedy}"


def _reason(error: Any) -> str:
    """Returns the message of a TensorFlow error, or the store's own message if it contains one."""
    message = re.search(r'"message":\s*"([^"]+)"', error.message)
    return one_line(message[1] if message else error.message).rstrip(".")


@cache
def _refuse_silent_store() -> None:
    """Checks, once in each process, that Google Cloud Storage responds.

    Without this check, TensorFlow would retry for minutes.

    Raises:
      UnavailableError: Google Cloud Storage does not respond.
    """
    import httpx

    from data.http_client import http_client

    try:
        # Any response is sufficient. TensorFlow verifies the certificate when it connects.
        with http_client(_GCS_TIMEOUT, verify=False) as client:
            client.head(_GCS_URL)
    except httpx.HTTPError as error:
        raise UnavailableError(
            f"{_GCS_URL}: Google Cloud Storage does not answer ({one_line(error)}). Check the "
            "network and https_proxy."
        ) from error
