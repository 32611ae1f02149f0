"""Finds the pairs in a folder, for the tests of the modules behind the source `folder`."""

import pytest

from data.config import FolderSource
from data.errors import InputError
from tests.data.finding import find_raw


def find_in(root, **options):
    return find_raw(FolderSource(kind="folder", path=str(root), **options))


def keys(root, **options):
    found = find_in(root, **options)
    assert not found.problems
    return sorted(pair.key for pair in found.pairs)


def problems(root, **options):
    """Returns each file that belongs to no pair, with the kind of the fault."""
    found = find_in(root, **options).problems
    return sorted((problem.file.removeprefix(f"{root}/"), problem.kind) for problem in found)


def refusal(root, **options):
    with pytest.raises(InputError) as caught:
        find_in(root, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message
