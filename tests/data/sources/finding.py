"""Finds the pairs of a source in the same way as `data.sources.listing`, but in memory."""

import functools
import tempfile
from collections import defaultdict

from data.errors import InputError, PairError
from data.processes import in_this_process
from data.shuffle import run_job
from data.sources.listing import list_pairs
from data.sources.listing_stages import order_of_key
from data.sources.raw_pairs import RawFound
from data.sources.registry import SOURCES


def find_raw(source, group=None, own_folder=""):
    functions = SOURCES[source.kind]
    parts = functions.parts(source, own_folder)
    found = RawFound([], [], [])
    rows = []
    for part in parts:
        for row in functions.find(source, group, part.content):
            (found.problems if isinstance(row, PairError) else rows).append(row)
            assert isinstance(row, (PairError, *functions.row_types))
    for kind, message in {item for part in parts for item in part.required.items()}:
        if not any(row.kind == kind for row in rows):
            raise InputError(message)
    if functions.check:
        checked = [row for same in groups(rows) for row in functions.check(same, source, group)]
        found.problems.extend(row for row in checked if isinstance(row, PairError))
        rows = [row for row in checked if not isinstance(row, PairError)]
    for same in groups(rows):
        of_group = functions.pair(same)
        for mine, theirs in zip(found, of_group, strict=True):
            mine.extend(theirs)
    return found._replace(problems=sorted(found.problems, key=lambda problem: problem.file))


def groups(rows):
    by_order = defaultdict(list)
    for row in rows:
        by_order[order_of_key(row.name)].append(row)
    return by_order.values()


def fingerprint(data):
    run = functools.partial(run_job, run_tasks=in_this_process)
    with tempfile.TemporaryDirectory() as folder:
        listing = list_pairs(data, folder, run, name="cells", own_folder="", hashed=True)
    return listing.census.fingerprint
