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
    own_folder: str, content: object, write: Callable[[Path, Path | None], None]
) -> Path:
    """Returns the folder for some content, which is written if it does not exist.

    Folders for older contents are removed, except for the last one.

    Args:
      own_folder: Folder in which the folders for all contents are.
      content: All values that determine the folder; they can be stored as JSON.
      write: Function that writes the content. Arguments: path of a temporary folder; path of the
        folder that was written last, or None if there is none.

    Returns:
      Path of the folder.

    Raises:
      InputError: The folder cannot be written, or `write` raises this error.
    """
    text = json.dumps(content, sort_keys=True)
    target = Path(own_folder, hashlib.sha256(text.encode()).hexdigest()[:16])
    if not target.exists():
        # Another process may write the same folder, and be the first to complete it.
        with contextlib.suppress(ExistingFolderError), complete_folder(target) as unfinished:
            write(unfinished, next(iter(_newest_first(target.parent)), None))
        for folder in _newest_first(target.parent)[_KEPT:]:
            shutil.rmtree(folder, ignore_errors=True)
    return target


def content_hashes(own_folder: str, files: Sequence[str]) -> list[str]:
    """Returns the hash of each file's content.

    The hashes are kept in the folder. A file is read only if its size or its time stamps have
    changed since the last call.

    Args:
      own_folder: Folder for the hashes.
      files: Paths of the files.
    """
    kept = Path(own_folder, _HASHES)
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


def _newest_first(own_folder: Path) -> list[Path]:
    found = [path for path in own_folder.iterdir() if re.fullmatch("[0-9a-f]{16}", path.name)]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)
