import io
import os
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from data.errors import InputError, MissingFileError
from data.files import (
    complete_folder,
    copy_file,
    copy_folder,
    file_state,
    find_files,
    folder_state,
    is_file,
    is_folder,
    join,
    list_files,
    list_folder,
    list_folders,
    make_folder,
    new_file,
    read_bytes,
    read_lines,
    read_range,
    read_text,
    read_text_lines,
    relative_path,
    remove_file,
    remove_folder,
    write_text,
)
from tests.emulators.gcs_proxy import DENIED_BUCKET


@pytest.fixture(params=["local", "ram", "gs"])
def anywhere(request):
    """A folder: local, in TensorFlow's in-memory file system, and in a bucket."""
    fixtures = {"local": "tmp_path", "ram": "remote_folder", "gs": "gs_folder"}
    return str(request.getfixturevalue(fixtures[request.param]))


@pytest.fixture
def tree(anywhere, write_files):
    write_files(anywhere, "b.png", "a/x.png", "a/y/z.txt", ".hidden.png", ".git/x.png", "Thumbs.db")
    return anywhere


def test_files_and_folders_are_distinguished(tree):
    assert is_file(f"{tree}/a/x.png")
    assert not is_file(f"{tree}/a")
    assert not is_file(f"{tree}/nowhere.png")
    assert is_folder(f"{tree}/a/y")
    assert not is_folder(f"{tree}/b.png")
    assert not is_folder(f"{tree}/nowhere")


def test_listings_are_sorted_and_without_litter(tree):
    assert list_folder(tree) == ["a", "b.png"]
    assert list_folders(tree) == ["a"]
    assert list_files(tree) == ["a/x.png", "a/y/z.txt", "b.png"]


def test_a_file_is_read_as_it_is(tree):
    assert read_bytes(f"{tree}/a/x.png") == b"a/x.png"


def test_lines_are_read_one_after_the_other(anywhere, write_file):
    write_file(f"{anywhere}/a.txt", "Grün\u2028\r\n\n3".encode())
    lines = read_lines(f"{anywhere}/a.txt")
    assert next(lines) == "Grün\u2028".encode()
    assert list(lines) == [b"", b"3"]


def test_files_are_found_by_a_pattern(tree):
    assert find_files(f"{tree}/a/*.png") == [f"{tree}/a/x.png"]
    assert find_files(f"{tree}/*/?/*.txt") == [f"{tree}/a/y/z.txt"]
    assert find_files(f"{tree}/*.tif") == []


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


@pytest.mark.parametrize("source_is_remote", [False, True])
@pytest.mark.parametrize("target_is_remote", [False, True])
def test_a_file_is_copied(tmp_path, remote_folder, write_file, source_is_remote, target_is_remote):
    folder = remote_folder if source_is_remote else tmp_path
    target = f"{remote_folder if target_is_remote else tmp_path}/new/y.bin"
    write_file(f"{folder}/x.bin", b"content")
    copy_file(f"{folder}/x.bin", target)
    assert read_bytes(target) == b"content"


def test_a_folder_is_copied(tree, tmp_path):
    for target in (f"{tree}/copy", str(tmp_path / "copy")):
        copy_folder(f"{tree}/a", target)
        assert list_files(target) == ["x.png", "y/z.txt"]
        assert read_bytes(f"{target}/y/z.txt") == b"a/y/z.txt"


def test_the_state_of_a_folder_is_that_of_its_files(tree):
    files = [file_state(f"{tree}/a/{name}") for name in ("x.png", "y/z.txt")]
    state = folder_state(f"{tree}/a")
    assert state.size == sum(file.size for file in files)
    assert state.modified >= max(file.modified for file in files)
    with pytest.raises(MissingFileError):
        folder_state(f"{tree}/nowhere")


def test_a_copy_of_a_missing_file_is_refused(anywhere):
    with pytest.raises(InputError, match=r"/x.bin: cannot be copied to .*/y.bin \(.*\)\.$"):
        copy_file(f"{anywhere}/x.bin", f"{anywhere}/y.bin")


def test_files_and_folders_are_removed_if_they_exist(tree):
    for _ in range(2):
        remove_file(f"{tree}/b.png")
        remove_folder(f"{tree}/a")
    assert list_folder(tree) == []


def test_a_folder_is_not_removed_as_a_file(tmp_path):
    with pytest.raises(InputError, match=r": cannot be removed \(Is a directory\)\.$"):
        remove_file(str(tmp_path))


def test_a_new_file_replaces_an_older_one(anywhere):
    for content in (b"old and long", b"new"):
        with new_file(f"{anywhere}/a/b/x.bin") as file:
            file.write(content)
    assert read_bytes(f"{anywhere}/a/b/x.bin") == b"new"
    assert list_files(anywhere) == ["a/b/x.bin"]


def test_a_file_is_read_in_parts(anywhere):
    content = b"".join(b"line %d\r\n" % number for number in range(300_000))  # > 2 buffers
    with new_file(f"{anywhere}/x.txt") as file:
        file.write(content)
    assert b"\r\n".join(read_lines(f"{anywhere}/x.txt")) + b"\r\n" == content
    assert "".join(read_text_lines(f"{anywhere}/x.txt")).encode() == content
    for start, length in ((0, 3), (2_000_000, 1_500_000), (len(content) - 2, 9)):
        part = read_range(f"{anywhere}/x.txt", start, length)
        assert part == content[start : start + length]
    for read in (read_range, lambda path, *_: list(read_text_lines(path))):
        with pytest.raises(MissingFileError, match=r"/y.txt: no such file. Restore it.$"):
            read(f"{anywhere}/y.txt", 0, 1)


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
from data.files import new_file
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
    (tmp_path / "x.bin.unfinished").symlink_to("/dev/full")
    with pytest.raises(InputError) as caught, new_file(str(path)) as file:
        file.write(b"new")
    assert str(caught.value) == f"{path}: cannot be written (No space left on device)."
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("x.bin", b"old")]


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "x").write_bytes(b"")
    with (
        pytest.raises(InputError, match=r"x/y/z: cannot be written"),
        new_file(f"{tmp_path}/x/y/z"),
    ):
        pass


@pytest.mark.parametrize("read", [read_bytes, read_text, file_state, lambda p: next(read_lines(p))])
def test_a_missing_file_is_named(tree, read):
    with pytest.raises(MissingFileError) as caught:
        read(f"{tree}/nowhere.png")
    assert str(caught.value).startswith(f"{tree}/nowhere.png: no such file")


@pytest.mark.parametrize("read", [read_bytes, list_files, list_folder])
def test_the_wrong_kind_of_path_is_named(tree, read):
    path = f"{tree}/a" if read is read_bytes else f"{tree}/b.png"
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("bucket", "use", "message"),
    [
        (DENIED_BUCKET, read_bytes, "read (The caller does not have storage.objects.get access)."),
        (DENIED_BUCKET, is_folder, "read (The caller does not have storage.objects.get access)."),
        (DENIED_BUCKET, list_files, "read (The caller does not have storage.objects.get access)."),
        (
            DENIED_BUCKET,
            lambda path: write_text(path, "x"),
            "written (The caller does not have storage.objects.get access).",
        ),
        ("nowhere", read_bytes, "no such file."),
        ("nowhere", list_files, "no such folder."),
        ("nowhere", lambda path: write_text(path, "x"), "cannot be written (Not Found)."),
    ],
)
def test_what_a_store_refuses_is_one_line(gs_folder, bucket, use, message):
    path = f"gs://{bucket}/folder/x.png"
    with pytest.raises(InputError) as caught:
        use(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    if bucket == DENIED_BUCKET:
        assert str(caught.value).endswith("of the account whose credentials are used.")


def test_a_store_that_does_not_answer_is_not_a_wrong_input(gs_folder, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    code = f"from data.files import read_bytes; read_bytes('{gs_folder}/x')"
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], check=False, stderr=subprocess.PIPE)
    assert b"UnavailableError: https://www.googleapis.com/storage/v1/b: Google Cloud" in done.stderr
    assert time.monotonic() - start < 20


def test_an_unknown_scheme_is_named():
    with pytest.raises(InputError, match=r"^nope://x/1.png: cannot be read \(.*nope.*\)\.$"):
        read_bytes("nope://x/1.png")


def test_text_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffGrün\r\n".encode())
    assert read_text(f"{tmp_path}/a.txt") == "Grün\r\n"
    (tmp_path / "a.txt").write_bytes("Grün".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8 text"):
        read_text(f"{tmp_path}/a.txt")


@pytest.mark.parametrize(
    ("folder", "name", "joined"),
    [
        ("/a/b", "c/d", "/a/b/c/d"),
        ("/a/b/", ".", "/a/b"),
        ("/a/b", "../c", "/a/c"),
        (".", "c", "c"),
        ("gs://a/b", "./c", "gs://a/b/c"),
        ("gs://a/b", "../c", "gs://a/c"),
    ],
)
def test_join(folder, name, joined):
    assert join(folder, name) == joined


@pytest.mark.parametrize(
    ("path", "folder", "relative"),
    [
        ("/a/b/c", "/a", "b/c"),
        ("/a/b", "/a/b", "."),
        ("/ab/c", "/a", None),
        ("/a", "/a/b", None),
        ("a/b", ".", "a/b"),
        ("../b", ".", None),
        ("..b", ".", "..b"),
        ("gs://a/b", "gs://a", "b"),
        ("gs://a/b", "s3://a", None),
        ("/a/b", "gs://a", None),
        ("gs://a/b", "/a", None),
    ],
)
def test_relative_path(path, folder, relative):
    assert relative_path(path, folder) == relative


def test_links_to_folders_are_followed(tmp_path, write_files):
    write_files(str(tmp_path), "elsewhere/x/1.png", "here/2.png")
    (tmp_path / "here/link").symlink_to(tmp_path / "elsewhere")
    assert list_files(f"{tmp_path}/here") == ["2.png", "link/x/1.png"]


def test_a_broken_link_is_listed(tmp_path):
    (tmp_path / "1.png").symlink_to(tmp_path / "gone.png")
    assert list_files(str(tmp_path)) == ["1.png"]


def test_a_link_into_a_circle_is_refused(tmp_path, write_files):
    write_files(str(tmp_path), "a/b/1.png")
    (tmp_path / "a/b/back").symlink_to(tmp_path / "a")
    with pytest.raises(InputError, match=r"/a/b/back: a link to a folder that contains it"):
        list_files(str(tmp_path))


def test_a_name_that_is_no_text_is_refused(tmp_path):
    (tmp_path / os.fsdecode(b"gr\xfcn.png")).touch()
    with pytest.raises(InputError, match=r"the name 'gr\\udcfcn.png' is not in UTF-8"):
        list_files(str(tmp_path))


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
