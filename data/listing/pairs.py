"""Finds all pairs of a source, and returns them in memory."""

import functools
import tempfile
from typing import NamedTuple

from data.config import DataConfig
from data.errors import PairError
from data.jobs.processes import in_this_process
from data.jobs.shuffle import run_job
from data.listing.listing import list_pairs
from data.listing.pair import Pair


class Found(NamedTuple):
    """The pairs in a source, and the files that belong to no pair.

    Attributes:
      pairs: The pairs, ordered by key.
      problems: Files and manifest rows that do not form a pair (an image without a mask, two files
        with the same name, …), ordered by file. Only the first files with each fault are included.
      unused: Keys of images and masks that are in no split list, sorted. Only the first keys are
        included.
    """

    pairs: list[Pair]
    problems: list[PairError]
    unused: list[str]


def find_pairs(data: DataConfig, *, name: str, folder: str) -> Found:
    """Finds all pairs of a source in this process. The list of pairs must fit into memory.

    Args:
      data: The `data` section of the config.
      name: Name of the pipeline, which is also the name of the data set if the source gives none.
      folder: Folder to which some kinds of sources write image and mask files once.

    Returns:
      The pairs, the problems and the unused keys.

    Raises:
      InputError: The source as a whole cannot be used. For example, the folder does not exist or
        has no images, or `data.group` matches no pair.
    """
    run = functools.partial(run_job, run_tasks=in_this_process)
    with tempfile.TemporaryDirectory() as scratch:
        listing = list_pairs(data, scratch, run, name=name, own_folder=folder)
        pairs = sorted((row.pair for row in listing.pairs()), key=lambda pair: pair.key)
    problems = [
        PairError(kind, file, reason)
        for kind, reasons in listing.census.problems.examples.items()
        for reason, examples in reasons.items()
        for file in examples.where
    ]
    problems.sort(key=lambda problem: problem.file)
    return Found(pairs, problems, list(listing.census.unused.keys))
