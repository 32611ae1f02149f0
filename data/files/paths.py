"""Joins and compares paths, local and remote. A path with a scheme, such as `gs://`, is remote."""

import posixpath

_GCS = "gs://"


def is_remote(path: str) -> bool:
    """Returns whether a path is remote, that is, contains a scheme such as `gs://`."""
    return "://" in path


def is_in_bucket(path: str) -> bool:
    """Returns whether a path is in a bucket of Google Cloud Storage, that is, starts with `gs://`."""
    return path.startswith(_GCS)


def join(folder: str, name: str) -> str:
    """Joins the path of a folder and a relative path.

    Args:
      folder: Path of the folder, local or remote.
      name: Relative path with forward slashes; `.` stands for the folder itself. Any `..` is
        resolved in the text of the path, without following symbolic links.
    """
    scheme, separator, path = folder.rpartition("://")
    joined = posixpath.normpath(posixpath.join(path, name))
    return scheme + separator + joined


def relative_path(path: str, folder: str) -> str | None:
    """Returns `path` relative to `folder`, or None if it is outside; links are not followed."""
    scheme, _, path = path.rpartition("://")
    folder_scheme, _, folder = folder.rpartition("://")
    relative = posixpath.relpath(path, folder)
    outside = scheme != folder_scheme or relative.split("/")[0] == ".."
    return None if outside else relative
