"""Writes masks that are made from other files to a folder of their own, once for each content."""

import contextlib
import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from data.errors import InputError
from data.files.file_hashes import HashedFile, hash_file
from data.files.writing import ExistingFolderError, complete_folder, write_text

_HASHES = "hashes.json"
_KEPT = 2  # folders: the newest, and the one before it, which another process may be reading


def written_once(
    own_folder: str, files: Sequence[str], settings: object, write: Callable[[Path], None]
) -> Path:
    """Returns the folder for the content of some files, which is written if it does not exist.

    A file is read only if its size or its time stamps have changed since the last call. Folders for
    older contents are removed, except for the last one.

    Args:
      own_folder: Folder in which the folders for all contents are.
      files: Paths of the files from which the folder is made.
      settings: All other values that determine the folder; they can be stored as JSON.
      write: Function that writes the content. Argument: path of a temporary folder.

    Returns:
      Path of the folder.

    Raises:
      InputError: The folder cannot be written, or `write` raises this error.
    """
    hashes = _hashes(Path(own_folder, _HASHES), files)
    content = json.dumps([settings, hashes], sort_keys=True)
    target = Path(own_folder, hashlib.sha256(content.encode()).hexdigest()[:16])
    if not target.exists():
        # Another process may write the same folder, and be the first to complete it.
        with contextlib.suppress(ExistingFolderError), complete_folder(target) as unfinished:
            write(unfinished)
        _remove_older(target)
    return target


def _hashes(kept: Path, files: Sequence[str]) -> list[str]:
    """Returns the hash of each file. The hashes are kept with the states of the files."""
    began = time.time_ns()
    try:
        earlier = json.loads(kept.read_text())
    except (OSError, ValueError):
        earlier = {}
    hashed = {}
    for path in files:
        known = HashedFile(earlier[path][0], tuple(earlier[path][1])) if path in earlier else None
        hashed[path] = hash_file(path, known, began)
    if {path: [digest, [*state]] for path, (digest, state) in hashed.items()} != earlier:
        with contextlib.suppress(InputError):  # without it, the files are read again next time
            write_text(str(kept), json.dumps(hashed))
    return [file.digest for file in hashed.values()]


def _remove_older(newest: Path) -> None:
    folders = [path for path in newest.parent.iterdir() if re.fullmatch("[0-9a-f]{16}", path.name)]
    folders.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for folder in folders[_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
