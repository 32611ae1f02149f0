import json
import os

import pytest

from data.errors import InputError
from data.files import file_hashes
from data.sources.written_once import content_hashes, written_once


@pytest.fixture
def make(tmp_path):
    def make(content="a", settings=0, write=lambda folder, earlier: (folder / "mask").touch()):
        file, own = tmp_path / "file.json", f"{tmp_path}/own"
        if not file.exists() or file.read_text() != content:
            file.write_text(content)
        return written_once(own, [settings, content_hashes(own, [str(file)])], write)

    return make


def test_the_content_and_the_settings_determine_the_folder(make):
    folder = make()
    assert (folder / "mask").exists()
    assert make(write=pytest.fail) == folder
    assert make(settings=1) != folder
    assert make(content="b") != folder


def test_unchanged_files_are_not_read_again(make, tmp_path, monkeypatch):
    make()
    os.utime(tmp_path / "file.json", ns=(0, 0))
    monkeypatch.setattr(file_hashes, "_TICK", -(10**18))  # as if the change were long ago
    folder = make()
    monkeypatch.setattr(file_hashes, "read_bytes", pytest.fail)
    assert make() == folder


def test_the_newest_two_folders_are_kept(make, tmp_path):
    folders = [make(content=content) for content in "abcd"]
    assert {path for path in (tmp_path / "own").iterdir() if path.is_dir()} == set(folders[-2:])


def test_the_folder_before_is_given(make):
    given = []
    folders = [
        make(content, write=lambda folder, earlier: given.append(earlier)) for content in "abc"
    ]
    assert given == [None, *folders[:2]]


def test_an_error_leaves_no_folder(make, tmp_path):
    def fail(folder, earlier):
        (folder / "mask").touch()
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        make(write=fail)
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["hashes.json"]


def test_another_process_may_write_the_same_folder_first(make, tmp_path):
    def write(folder, earlier):
        other = folder.parent / folder.name.split(".")[1]
        other.mkdir()
        (other / "theirs").touch()

    assert (make(write=write) / "theirs").exists()


@pytest.mark.parametrize("text", ["{", "\0"])
def test_damaged_hashes_are_made_anew(make, tmp_path, text):
    folder = make()
    (tmp_path / "own/hashes.json").write_text(text)
    assert make(write=pytest.fail) == folder
    assert json.loads((tmp_path / "own/hashes.json").read_text())
