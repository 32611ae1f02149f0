"""The version of the code that a component imports."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("data", "serving", "components", "pipeline")
TRAINER = "components.trainer.run"


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A copy of the four packages, which tests change."""
    copy = tmp_path_factory.mktemp("repository")
    ignore = shutil.ignore_patterns("__pycache__")
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, copy / package, ignore=ignore)
    return copy


@pytest.fixture
def change(repository):
    """Returns a function that appends a comment to a file; restores the files at the end."""
    originals = {}

    def change(path):
        originals[path] = (repository / path).read_text()
        (repository / path).write_text(originals[path] + "# changed\n")

    yield change
    for path, text in originals.items():
        (repository / path).write_text(text)


def version(repository, module=TRAINER):
    """Returns the version in a new process, because a process reads the imports once."""
    code = f"from pipeline.code_version import code_version; print(code_version({module!r}))"
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert len(process.stdout.strip()) == 16
    return process.stdout


@pytest.mark.parametrize(
    "path",
    [
        "components/trainer/run.py",
        "components/blessings.py",  # imported by the warm start
        "serving/model/graph.py",
        "data/input_pipeline/views.py",
        "data/errors.py",  # only imported indirectly
    ],
)
def test_a_change_in_an_imported_module_changes_the_version(repository, change, path):
    before = version(repository)
    change(path)
    assert version(repository) != before


@pytest.mark.parametrize(
    "path",
    [
        "components/evaluator/gate.py",
        "data/sources/folder.py",
        "serving/server/rest.py",
        "pipeline/create_pipeline.py",
    ],
)
def test_a_change_in_another_module_keeps_the_version(repository, change, path):
    before = version(repository)
    change(path)
    assert version(repository) == before


def test_an_unknown_module_is_refused(repository):
    with pytest.raises(subprocess.CalledProcessError):
        version(repository, "components.trainer.no_such_module")
