import subprocess
import sys
import time

import pytest

from data.errors import InputError, MissingFileError
from data.files.finding import is_folder, list_files, list_folder
from data.files.reading import read_bytes, read_lines, read_text
from data.files.state import file_state
from data.files.writing import write_text
from tests.emulators.gcs_proxy import DENIED_BUCKET


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
    code = f"from data.files.reading import read_bytes; read_bytes('{gs_folder}/x')"
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], check=False, stderr=subprocess.PIPE)
    assert b"UnavailableError: https://www.googleapis.com/storage/v1/b: Google Cloud" in done.stderr
    assert time.monotonic() - start < 20


def test_an_unknown_scheme_is_refused_before_tensorflow_is_loaded():
    code = "from data.files.reading import read_bytes; read_bytes('s3://x/1.png')"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], check=False, stderr=-1, text=True
    )
    *imports, last = done.stderr.splitlines()
    assert last == (
        "data.errors.InputError: s3://x/1.png: s3:// cannot be read. Copy the files to this "
        "machine, or into a bucket of Google Cloud Storage (gs://)."
    )
    assert not [line for line in imports if line.endswith(" tensorflow")]


def test_a_local_path_needs_no_scheme():
    with pytest.raises(InputError, match=r"^file:///x/1.png: .* Write it without file://\.$"):
        read_bytes("file:///x/1.png")
