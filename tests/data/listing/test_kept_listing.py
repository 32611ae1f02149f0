import functools
import gzip
import os
import time
from pathlib import Path

import pytest

from data.config import DataConfig
from data.errors import InputError
from data.files import file_hashes
from data.jobs.processes import in_this_process
from data.jobs.shuffle import run_job
from data.listing import listing
from data.listing.kept_listing import update_listing

RUN = functools.partial(run_job, run_tasks=in_this_process)
NOW = time.time_ns
LATER = 5_000_000_000  # nanoseconds; longer than the resolution of any file system's time stamps


@pytest.fixture
def source(tmp_path, write_files):
    write_files(
        tmp_path / "data", *(f"{kind}/{n}.png" for kind in ("images", "masks") for n in "ab")
    )
    return tmp_path / "data"


@pytest.fixture
def update(source, anywhere, monkeypatch):
    """Updates the listing, and returns the listing and the names of the files that were read."""
    monkeypatch.setattr(listing.time, "time_ns", lambda: NOW() + LATER)
    read = []

    def read_bytes(path):
        if path.startswith(str(source)):
            read.append(str(Path(path).relative_to(source)))
        return original(path)

    original = file_hashes.read_bytes
    monkeypatch.setattr(file_hashes, "read_bytes", read_bytes)

    def update(path=source):
        read.clear()
        data = DataConfig(source={"kind": "folder", "path": str(path)}, classes=["a", "b"])
        kept = f"{anywhere}/kept"
        updated = update_listing(data, kept, RUN, name="cells", own_folder="")
        return updated, sorted(read)

    return update


def test_only_new_and_changed_files_are_read(update, source, write_files):
    everything = ["images/a.png", "images/b.png", "masks/a.png", "masks/b.png"]
    first, read = update()
    assert read == everything
    second, read = update()
    assert read == []
    assert second.census == first.census
    write_files(source, "images/c.png", "masks/c.png")
    (source / "masks/a.png").write_bytes(b"longer than before")
    third, read = update()
    assert read == ["images/c.png", "masks/a.png", "masks/c.png"]
    assert third.census.fingerprint != first.census.fingerprint
    assert third.census.pairs.total() == 3
    (source / "images/b.png").rename(source / "images/d.png")
    (source / "masks/b.png").rename(source / "masks/d.png")
    assert update()[1] == ["images/d.png", "masks/d.png"]


def test_other_content_of_the_same_size_and_time_is_found(update, source):
    first, _ = update()
    mask = source / "masks/a.png"
    before = mask.stat()
    mask.write_bytes(mask.read_bytes()[::-1])
    os.utime(mask, ns=(before.st_atime_ns, before.st_mtime_ns))
    second, read = update()
    assert read == ["masks/a.png"]
    assert second.census.fingerprint != first.census.fingerprint


def test_a_file_that_is_as_new_as_the_listing_is_read_again(update, source, monkeypatch):
    update()
    (source / "masks/a.png").touch()
    monkeypatch.setattr(listing.time, "time_ns", NOW)
    assert update()[1] == ["masks/a.png"]
    assert update()[1] == ["masks/a.png"]  # because another change might not alter its time stamps


def test_only_the_newest_list_is_kept_also_after_a_failure(update, source, anywhere, tmp_path):
    first, _ = update()
    second, _ = update()
    with pytest.raises(InputError, match="no such folder"):
        update(tmp_path / "nowhere")
    assert update()[1] == []
    if "://" not in anywhere:
        names = sorted(path.name for path in Path(anywhere, "kept").iterdir())
        assert [name[:5] for name in names] == ["list-", "newes"]
    assert first.folder != second.folder


@pytest.mark.parametrize("damage", ["gone", "wrong", "cut off", "no gzip", "no JSON"])
def test_without_a_usable_list_all_files_are_read(update, anywhere, tmp_path, damage):
    if "://" in anywhere:
        pytest.skip("the same code")
    first, _ = update()
    newest = Path(anywhere, "kept", "newest-1")
    if damage == "gone":
        newest.unlink()
    elif damage == "wrong":
        newest.write_text("../data")
    for path in Path(first.folder).glob("pairs-*"):
        if damage == "cut off":
            path.write_bytes(path.read_bytes()[:-20])
        elif damage == "no gzip":
            path.write_bytes(b"{}")
        elif damage == "no JSON":
            path.write_bytes(gzip.compress(b"pairs\n"))
    second, read = update()
    assert len(read) == 4
    assert second.census == first.census
    assert update()[1] == []
    assert (tmp_path / "data").exists()
