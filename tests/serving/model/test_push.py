import shutil
import threading
import time

import pytest
import tensorflow as tf

from serving.model import push
from serving.model.push import push_model
from serving.model.versions import versions


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    for name in ("saved_model.pb", "variables/variables.index", "assets.extra/unetfx.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return str(folder)


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
    copy = push.copy_file
    monkeypatch.setattr(
        push,
        "copy_file",
        lambda source, target: (copied.append(target), copy(source, target)),
    )
    push_model(model, f"ram://{tmp_path}/serving")
    assert copied[-1].endswith("/saved_model.pb")
    assert len(copied) == 3
