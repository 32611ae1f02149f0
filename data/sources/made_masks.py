"""Makes the masks of a source's images, except those that an earlier folder already has."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console

from data.errors import PairError
from data.jobs.processes import in_processes, in_this_process
from data.progress import terminal_progress
from data.rasters.images import encode_png

_DIGESTS = "digests.json"  # path of each mask in the folder, by its digest
_FEW = 100  # masks that are made faster than worker processes start


class MaskTask(NamedTuple):
    """A mask to make.

    Attributes:
      path: Path of the mask, relative to the folder of all masks.
      digest: Hash of everything that determines the mask (see `digest_of`).
      content: What the mask is made of.
    """

    path: str
    digest: str
    content: Any


def digest_of(content: object) -> str:
    """Returns a hash of values that can be written as JSON, or that have the method `tobytes`."""
    text = json.dumps(content, default=lambda array: array.tobytes().hex())
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def make_masks(
    tasks: Sequence[MaskTask],
    folder: Path,
    earlier: Path | None,
    make: Callable[..., npt.NDArray[np.uint8]],
    *same: object,
) -> dict[str, PairError]:
    """Makes and writes masks; masks of which an earlier folder has the digest are taken from there.

    A progress bar is shown if standard output is a terminal.

    Args:
      tasks: The masks.
      folder: Folder for the masks.
      earlier: Folder that an earlier call has filled; None if there is none.
      make: Function that makes a mask. Arguments: content of the task; `same`. Returns class ids,
        uint8 [height, width]. Raises a PairError if the mask cannot be made.
      *same: The remaining arguments of `make`, which are the same for all masks.

    Returns:
      The errors of the masks that cannot be made, by the path of the mask.
    """
    for parent in {(folder / task.path).parent for task in tasks}:
        parent.mkdir(parents=True, exist_ok=True)
    made = _made(earlier) if earlier else {}
    missing = [task for task in tasks if not _linked(made.get(task.digest), folder / task.path)]
    many = len(missing) > _FEW
    results = (in_processes if many else in_this_process)(_make, missing, folder, make, same)
    progress = terminal_progress(Console(), disable=not many)
    if not progress.disable:
        print(flush=True)  # ends the line on which a run has printed the step's name
    with progress:
        tracked = progress.track(results, len(missing), description="Drawing masks")
        errors = {path: error for path, error in tracked if error}
    digests = {task.digest: task.path for task in tasks if task.path not in errors}
    (folder / _DIGESTS).write_text(json.dumps(digests))
    return errors


def _made(folder: Path) -> dict[str, Path]:
    """Returns the paths of the masks in an earlier folder, by digest."""
    try:
        digests = json.loads((folder / _DIGESTS).read_text())
    except (OSError, ValueError):  # another process is removing the folder, or the file is damaged
        return {}
    return {digest: folder / path for digest, path in digests.items()}


def _linked(earlier: Path | None, path: Path) -> bool:
    """Links a mask to that of an earlier folder, and returns whether this is possible."""
    if earlier is None:
        return False
    try:
        os.link(earlier, path)
    except OSError:  # the file system has no links, or another process is removing the folder
        return False
    return True


def _make(
    task: MaskTask, folder: Path, make: Callable[..., Any], same: Sequence[object]
) -> tuple[str, PairError | None]:
    try:
        ids = make(task.content, *same)
    except PairError as error:
        return task.path, error
    (folder / task.path).write_bytes(encode_png(ids, flat=True))
    return task.path, None
