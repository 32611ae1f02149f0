"""Refuses folders that another user of this machine may have prepared."""

import os
import tempfile
from pathlib import Path

from data.errors import InputError


def refuse_foreign_folder(folder: str) -> None:
    """Refuses a folder for temporary files that belongs to another user.

    All users may write to `/tmp`, so another user may create a folder with a known name first, and
    so give this process other data.

    Args:
      folder: Path of a local folder, which need not exist. Only its parts below the folder for
        temporary files are checked.

    Raises:
      InputError: The folder, or one that contains it, belongs neither to this user nor to root.
    """
    shared, path = Path(tempfile.gettempdir()), Path(folder)
    if shared not in path.parents:
        return
    for part in (path, *path.parents[: path.parents.index(shared)]):
        if os.path.lexists(part) and part.lstat().st_uid not in (os.getuid(), 0):
            raise InputError(f"{part}: belongs to another user. Ask them to remove it.")
