import io
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from data.errors import InputError
from data.files.finding import is_folder, list_files
from data.files.reading import read_bytes
from data.files.writing import complete_folder, make_folder, new_file, write_text


def test_text_is_written_in_utf_8(anywhere):
    write_text(f"{anywhere}/a/b.txt", "Grün\n")
    assert read_bytes(f"{anywhere}/a/b.txt") == "Grün\n".encode()


def test_a_folder_may_exist_when_it_is_made(anywhere):
    for _ in range(2):
        make_folder(f"{anywhere}/a/b")
    assert is_folder(f"{anywhere}/a/b") != anywhere.startswith("gs://")


def test_a_folder_is_not_made_where_a_file_is(tmp_path, write_files):
    write_files(tmp_path, "a")
    with pytest.raises(InputError, match=r"/a/b: cannot be made \(Not a directory\)\.$"):
        make_folder(f"{tmp_path}/a/b")


def test_a_new_file_replaces_an_older_one(anywhere):
    for content in (b"old and long", b"new"):
        with new_file(f"{anywhere}/a/b/x.bin") as file:
            file.write(content)
    assert read_bytes(f"{anywhere}/a/b/x.bin") == b"new"
    assert list_files(anywhere) == ["a/b/x.bin"]


def test_a_new_file_is_an_ordinary_file(anywhere):
    with new_file(f"{anywhere}/x.zip") as file:
        file.writelines([b"a prefix", b" of two parts"])
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("1.txt", "one")
    assert zipfile.ZipFile(io.BytesIO(read_bytes(f"{anywhere}/x.zip"))).read("1.txt") == b"one"
    with new_file(f"{anywhere}/empty"):
        pass
    assert read_bytes(f"{anywhere}/empty") == b""


def test_a_new_file_is_not_there_before_it_is_complete(anywhere, write_files):
    write_files(anywhere, "x.bin")
    with pytest.raises(ZeroDivisionError), new_file(f"{anywhere}/x.bin") as file:
        file.write(bytes(1 // 0))
    assert read_bytes(f"{anywhere}/x.bin") == b"x.bin"


def test_a_failed_new_file_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), new_file(str(tmp_path / "x.bin")) as file:
        file.write(bytes(1 // 0))
    assert list(tmp_path.iterdir()) == []


def test_two_may_write_one_file_at_once(anywhere):
    # Beam runners start a second worker when they believe that a slow one is lost.
    path, scratch = f"{anywhere}/split/x.bin", f"{anywhere}/scratch"
    with new_file(path, scratch) as slow:
        slow.write(b"12")
        with new_file(path, scratch) as retry:
            retry.write(b"1234")
        assert read_bytes(path) == b"1234"
        slow.write(b"34")
    assert read_bytes(path) == b"1234"


def test_a_killed_writer_leaves_nothing_beside_the_file(tmp_path):
    # Readers of a split read all files in its folder.
    writer = f"""
import os, signal
from data.files.writing import new_file
with new_file("{tmp_path}/split/x.bin", "{tmp_path}/scratch") as file:
    file.write(b"12")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", writer], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [file.read_bytes() for file in (tmp_path / "scratch").iterdir()] == [b"12"]
    assert list((tmp_path / "split").iterdir()) == []


def test_a_full_disk_is_reported_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")

    def fill():
        with new_file(str(path)) as file, Path("/dev/full").open("wb", buffering=0) as full:
            file.write(b"new")
            full.write(b"new")

    with pytest.raises(InputError) as caught:
        fill()
    assert str(caught.value) == f"{path}: cannot be written (No space left on device)."
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("x.bin", b"old")]


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "x").write_bytes(b"")
    with (
        pytest.raises(InputError, match=r"x/y/z: cannot be written"),
        new_file(f"{tmp_path}/x/y/z"),
    ):
        pass


def test_a_planted_link_is_not_followed(tmp_path):
    target = tmp_path / "target"
    target.write_text("precious")
    (tmp_path / "x.txt.unfinished").symlink_to(target)
    write_text(f"{tmp_path}/x.txt", "new")
    assert target.read_text() == "precious"
    assert (tmp_path / "x.txt").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["target", "x.txt"]


def test_a_folder_is_complete(tmp_path):
    with complete_folder(tmp_path / "a/b") as unfinished:
        (unfinished / "1").touch()
        assert not (tmp_path / "a/b").exists()
    assert list((tmp_path / "a").iterdir()) == [tmp_path / "a/b"]
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["1"]


def test_a_folder_is_not_there_at_all(tmp_path):
    def fail():
        with complete_folder(tmp_path / "a/b") as unfinished:
            (unfinished / "1").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.rglob("*")) == [tmp_path / "a"]


def test_a_folder_in_use_is_refused(tmp_path):
    (tmp_path / "1").touch()
    with pytest.raises(InputError, match="is not empty"), complete_folder(tmp_path):
        pass
