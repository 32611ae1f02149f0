import shutil
import threading
import time

import pytest
import tensorflow as tf

from data.errors import InputError
from serving.model import versions as versions_module
from serving.model.versions import newest_version, push_model, pushed_version, versions


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    for name in ("saved_model.pb", "variables/variables.index", "assets.extra/unetfx.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return str(folder)


@pytest.fixture(params=["local", "remote"])
def serving_folder(request, tmp_path):
    """A folder on disk, and one in TensorFlow's in-memory file system, as a bucket."""
    return str(tmp_path / "serving") if request.param == "local" else f"ram://{tmp_path}/serving"


def read(path):
    with tf.io.gfile.GFile(path) as file:
        return file.read()


def test_all_files_are_there(model, serving_folder):
    before = int(time.time())
    version = push_model(model, serving_folder)
    folder, _, number = version.rpartition("/")
    assert folder == serving_folder
    assert before <= int(number) <= int(time.time())
    for name in ("saved_model.pb", "variables/variables.index", "assets.extra/unetfx.json"):
        assert read(f"{version}/{name}") == name
    assert versions(serving_folder) == [number]


def test_versions_only_grow(model, serving_folder):
    later = 10 * int(time.time())
    tf.io.gfile.makedirs(f"{serving_folder}/{later}")  # incomplete, but its number is in use
    tf.io.gfile.makedirs(f"{serving_folder}/other")
    pushed = [push_model(model, serving_folder).rpartition("/")[2] for _ in range(2)]
    assert pushed == [str(later + 1), str(later + 2)]
    assert versions(serving_folder) == pushed[::-1]


def test_a_watcher_of_a_local_folder_never_sees_half_a_version(model, tmp_path):
    for number in range(200):
        (tmp_path / "model" / f"{number}.txt").write_text("x")
    folder = tmp_path / "serving"
    done = threading.Event()
    seen = set()

    def watch():
        while not done.is_set():
            for version in folder.glob("[0-9]*"):
                seen.add(len(list(version.rglob("*.*"))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(5):
        push_model(model, str(folder))
    done.set()
    watcher.join()
    assert seen <= {203 + 1}  # the folder assets.extra as well


def test_a_push_that_fails_leaves_nothing(model, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(OSError, match="No space left"):
        push_model(model, str(tmp_path / "serving"))
    assert list((tmp_path / "serving").iterdir()) == []


def test_saved_model_pb_comes_last_where_nothing_is_atomic(model, tmp_path, monkeypatch):
    copied = []
    copy = versions_module.copy_file
    monkeypatch.setattr(
        versions_module,
        "copy_file",
        lambda source, target: (copied.append(target), copy(source, target)),
    )
    push_model(model, f"ram://{tmp_path}/serving")
    assert copied[-1].endswith("/saved_model.pb")
    assert len(copied) == 3


def test_there_are_no_versions_where_there_is_no_folder(serving_folder):
    assert versions(serving_folder) == []


def push(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "saved_model.pb").touch()


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        (["1"], "1"),
        (["9", "10", "2"], "10"),
        (["0999", "1000"], "1000"),
        (["3", "4-unfinished", "copy", ".5"], "3"),
    ],
    ids=["one", "by number and not by name", "leading zero", "not a number"],
)
def test_the_newest_version_is_the_greatest_number(tmp_path, versions, newest):
    push(tmp_path, *versions)
    assert newest_version(str(tmp_path)) == str(tmp_path / newest)


def test_an_unfinished_version_does_not_count(tmp_path):
    push(tmp_path, "3")
    (tmp_path / "4/variables").mkdir(parents=True)
    assert newest_version(str(tmp_path)) == str(tmp_path / "3")


def test_a_version_that_is_asked_for(tmp_path):
    push(tmp_path, "3", "0012")
    assert pushed_version(str(tmp_path), 12) == str(tmp_path / "0012")
    with pytest.raises(InputError, match=r"no version 4 there, only 3, 0012\."):
        pushed_version(str(tmp_path), 4)


@pytest.mark.parametrize("exists", [True, False], ids=["empty folder", "no folder"])
def test_without_a_model_the_next_command_is_told(tmp_path, exists):
    folder = tmp_path / "serving"
    if exists:
        folder.mkdir()
    with pytest.raises(InputError) as caught:
        newest_version(str(folder))
    assert str(caught.value).startswith(f"{folder}: ")
    assert "unetfx run" in str(caught.value)
