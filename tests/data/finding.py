"""Finds the pairs of a source in the same way as `data.listing.listing`, but in memory."""

import functools
import tempfile
from collections import defaultdict

import pytest

from data.config import DataConfig
from data.errors import InputError, PairError
from data.jobs.processes import in_this_process
from data.jobs.shuffle import run_job
from data.listing.listing import list_pairs
from data.listing.pairs import find_pairs
from data.listing.stages import hash_key
from data.sources.raw_pairs import Ignored, RawFound
from data.sources.registry import SOURCES


def config(root, *, source=None, **changes):
    source = {"kind": "folder", "path": str(root)} | (source or {})
    return DataConfig.model_validate({"source": source, "classes": ["a", "b"]} | changes)


def find(root, **changes):
    return find_pairs(config(root, **changes), name="cells", folder="")


def refusal(root, **changes):
    with pytest.raises(InputError) as caught:
        find(root, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def find_raw(source, group=None, own_folder="", classes=("a", "b")):
    functions = SOURCES[source.kind]
    data = DataConfig(source=source, classes=list(classes))
    parts = functions.parts(source, own_folder, data)
    found = RawFound([], [], [])
    rows = []
    for part in parts:
        for row in functions.find(source, group, part.content):
            if isinstance(row, Ignored):
                continue
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
    by_hash = defaultdict(list)
    for row in rows:
        by_hash[hash_key(row.name)].append(row)
    return by_hash.values()


def fingerprint(data):
    run = functools.partial(run_job, run_tasks=in_this_process)
    with tempfile.TemporaryDirectory() as folder:
        listing = list_pairs(data, folder, run, name="cells", own_folder="", hashed=True)
    return listing.census.fingerprint
