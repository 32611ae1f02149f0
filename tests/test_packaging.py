"""pyproject.toml, and the locked versions in requirements.lock."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

tomllib = pytest.importorskip("tomllib")  # not in Python 3.10
REPOSITORY = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
LOCK = (REPOSITORY / "requirements.lock").read_text()
REQUIREMENTS = [
    *PYPROJECT["project"]["dependencies"],
    *(line for extra in PYPROJECT["project"]["optional-dependencies"].values() for line in extra),
    *PYPROJECT["dependency-groups"]["dev"],
]


@pytest.mark.parametrize("line", REQUIREMENTS)
def test_the_lock_has_a_version_in_each_range(line):
    requirement = Requirement(line)
    locked = re.findall(rf"^{canonicalize_name(requirement.name)}==(\S+)", LOCK, re.M)
    assert locked, "run `make lock`"
    assert all(requirement.specifier.contains(version) for version in locked), "run `make lock`"


def test_every_locked_version_has_a_hash():
    for entry in re.split(r"\n(?=[a-z0-9])", LOCK.strip()):
        assert "--hash=sha256:" in entry, entry.partition(" ")[0]


def test_the_lock_names_no_address_of_a_package_index():
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", LOCK)
