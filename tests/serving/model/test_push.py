import errno
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import tensorflow as tf

from data.errors import InputError
from data.files import writing
from serving.card.files import read_pushed_card
from serving.model import push
from serving.model.push import push_model
from serving.model.versions import versions
from tests.cards import make_card


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
    tf.io.gfile.makedirs(f"{serving_folder}/{2**63}")  # TF Serving ignores it
    pushed = []
    for content in "ab":
        (Path(model) / "saved_model.pb").write_text(content)
        pushed.append(push_model(model, serving_folder).rpartition("/")[2])
    assert pushed == [str(later + 1), str(later + 2)]
    assert versions(serving_folder) == pushed[::-1]


def test_no_version_follows_the_greatest_number(model, serving_folder):
    tf.io.gfile.makedirs(f"{serving_folder}/{2**63 - 1}")
    with pytest.raises(InputError, match=r"/9223372036854775807: .* Remove this folder\.$"):
        push_model(model, serving_folder)


def test_a_file_system_without_locks_is_no_obstacle(model, tmp_path, monkeypatch):
    """As NFS, which cannot lock a folder that is open for reading."""

    def no_locks(*_):
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(writing.fcntl, "flock", no_locks)
    foreign = tmp_path / "serving/.7.unfinished-x"
    foreign.mkdir(parents=True)
    version = push_model(model, str(tmp_path / "serving"))
    assert Path(version, "saved_model.pb").exists()
    assert foreign.exists()  # its process may be alive


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
    for number in range(5):
        (tmp_path / "model/saved_model.pb").write_text(f"{number}")
        push_model(model, str(folder))
    done.set()
    watcher.join()
    assert seen <= {203 + 1}  # the folder assets.extra as well


def test_a_push_that_fails_leaves_nothing(model, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    message = r"serving/\d+: cannot be written \(No space left on device\)\.$"
    with pytest.raises(InputError, match=message):
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


def test_the_newest_version_is_not_pushed_again(model, serving_folder):
    first = push_model(model, serving_folder)
    assert push_model(model, serving_folder) == first
    index = Path(model) / "variables/variables.index"
    index.write_text("other weights")
    second = push_model(model, serving_folder)
    index.write_text("variables/variables.index")
    third = push_model(model, serving_folder)  # back to the first model
    assert len({first, second, third}) == 3


def test_a_card_is_pushed_with_the_model_and_can_be_replaced(model, serving_folder):
    version = push_model(model, serving_folder, make_card())
    assert read_pushed_card(version) == make_card()
    assert read(f"{version}/assets.extra/model_card.md").startswith("# lake\n")
    assert push_model(model, serving_folder) == version
    assert push_model(model, serving_folder, make_card("sea")) == version
    assert read_pushed_card(version) == make_card("sea")


def test_processes_that_push_at_once_do_not_collide(model, tmp_path):
    code = (
        "import sys; from serving.model.push import push_model; sys.stdin.read(1); "
        "print(push_model(*sys.argv[1:]))"
    )
    models = []
    for number in range(6):
        models.append(shutil.copytree(model, tmp_path / f"model{number}"))
        (models[-1] / "saved_model.pb").write_text(f"{number}")
    folder = str(tmp_path / "serving")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(one), folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for one in models
    ]
    for process in processes:
        process.stdin.write("x")
        process.stdin.flush()
    pushed = [process.communicate()[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0] * 6
    contents = [Path(version, "saved_model.pb").read_text() for version in pushed]
    assert contents == [str(number) for number in range(6)]


def test_what_a_killed_push_left_is_removed_and_a_running_one_is_not(model, tmp_path):
    folder = tmp_path / "serving"
    code = (
        "import os, signal, sys; from pathlib import Path; from data.files.writing import "
        "complete_folder\n"
        "with complete_folder(Path(sys.argv[1])) as unfinished:\n"
        "    (unfinished / 'half').touch(); print('ready', flush=True); sys.stdin.read()"
    )
    running, killed = (
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder / name)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("1", "2")
    )
    for process in (running, killed):
        assert process.stdout.readline() == "ready\n"
    killed.kill()
    killed.communicate()
    push_model(model, str(folder))
    assert [path.name[:2] for path in folder.glob(".*")] == [".1"]
    running.communicate("")
    assert (folder / "1/half").exists()
    assert not list(folder.glob(".*"))
