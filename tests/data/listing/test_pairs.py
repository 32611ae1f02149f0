import shutil
import subprocess
import sys

import pytest

from tests.data.finding import config, find, fingerprint, refusal


def test_pairs_and_problems_are_in_order(tmp_path, write_pairs, write_files):
    write_pairs(tmp_path, "c", "a", "b/x", "b")
    write_files(tmp_path, "images/z.png", "masks/y.png", "images/d.txt")
    found = find(tmp_path)
    assert [pair.key for pair in found.pairs] == ["a", "b", "b/x", "c"]
    assert [problem.file.removeprefix(f"{tmp_path}/") for problem in found.problems] == [
        "images/d.txt",
        "images/z.png",
        "masks/y.png",
    ]
    assert found.unused == []


def test_a_pair_is_complete(tmp_path, write_pairs):
    write_pairs(tmp_path, "p1/a")
    (pair,) = find(tmp_path, group="^p.").pairs
    assert pair[:6] == (
        "p1/a",
        f"{tmp_path}/images/p1/a.png",
        f"{tmp_path}/masks/p1/a.png",
        "p1",
        "cells",
        0,
    )
    assert pair.split in ("train", "val", "test")


def test_pairs_in_no_split_list_are_unused(tmp_path, write_pairs, write_file):
    write_pairs(tmp_path, "1", "2")
    write_file(f"{tmp_path}/train.txt", b"2\n")
    lists = {"split_lists": {"train": "train.txt"}}
    found = find(tmp_path, source=lists)
    assert [(pair.key, pair.split) for pair in found.pairs] == [("2", "train")]
    assert found.unused == ["1"]
    write_file(f"{tmp_path}/train.txt", b"")
    assert "split_lists" in refusal(tmp_path, source=lists)


def test_problems_and_unused_keys_of_all_spans_are_listed(tmp_path, write_pairs, write_file):
    for span in (1, 2):
        write_pairs(tmp_path / f"{span}", "a", "b")
        write_file(f"{tmp_path}/{span}/train.txt", f"a\n{span}".encode())
    found = find(tmp_path / "{SPAN}", source={"split_lists": {"train": "train.txt"}})
    assert [problem.file for problem in found.problems] == [
        f"{tmp_path}/{span}/train.txt:2 ({span})" for span in (1, 2)
    ]
    assert found.unused == ["span-1/b", "span-2/b"]


# -- fingerprint


@pytest.fixture
def one(tmp_path, write_pairs):
    write_pairs(tmp_path / "one", "1", "2")
    return tmp_path / "one"


def test_fingerprint_is_the_same_for_a_copy_elsewhere(one, tmp_path, remote_folder, write_pairs):
    shutil.copytree(one, tmp_path / "two")
    write_pairs(remote_folder, "1", "2")
    assert fingerprint(config(tmp_path / "two")) == fingerprint(config(one))
    assert fingerprint(config(remote_folder)) == fingerprint(config(one))


@pytest.mark.parametrize("name", ["images/1.png", "masks/2.png"])
def test_fingerprint_sees_one_byte(one, name):
    before = fingerprint(config(one))
    content = bytearray((one / name).read_bytes())
    content[0] ^= 1
    (one / name).write_bytes(content)
    assert fingerprint(config(one)) != before


def test_fingerprint_sees_all_that_makes_an_example(tmp_path, write_file, write_files):
    write_files(tmp_path, "a.png", "am.png", "b.png", "bm.png", "c.png")
    write_file(f"{tmp_path}/c.png", b"a.png")  # the same content as a.png
    header = "image,mask,group,source,split,scanner\n"
    first, second = "a.png,am.png,g,s,train,A\n", "b.png,bm.png,h,s,test,B\n"
    tables = [
        first + second,
        first,
        "c.png,am.png,g,s,train,A\n" + second,
        "a.png,am.png,h,s,train,A\n" + second,
        "a.png,am.png,g,t,train,A\n" + second,
        "a.png,am.png,g,s,test,A\n" + second,
        "a.png,am.png,g,s,train,B\n" + second,
        "a.png,bm.png,g,s,train,A\nb.png,am.png,h,s,test,B\n",
        "am.png,a.png,g,s,train,A\n" + second,
    ]
    fingerprints = set()
    for table in tables:
        write_file(f"{tmp_path}/1.csv", (header + table).encode())
        source = {"kind": "manifest", "path": f"{tmp_path}/1.csv"}
        fingerprints.add(fingerprint(config("", source=source, group="group")))
    assert len(fingerprints) == len(tables)
    spans = {"kind": "manifest", "path": f"{tmp_path}/{{SPAN}}.csv"}
    one = fingerprint(config("", source=spans, group="group"))
    (tmp_path / "1.csv").rename(tmp_path / "2.csv")
    assert fingerprint(config("", source=spans, group="group")) != one


def test_fingerprint_sees_files_that_make_no_pair(one, write_file):
    before = fingerprint(config(one))
    (one / "images/3.png").write_bytes(b"lonely")
    assert fingerprint(config(one)) != before
    (one / "images/3.png").unlink()
    lists = {"split_lists": {"train": "train.txt"}}
    write_file(f"{one}/train.txt", b"1\n")
    with_unused = fingerprint(config(one, source=lists))
    for kind in ("images", "masks"):
        (one / kind / "2.png").unlink()
    assert fingerprint(config(one, source=lists)) != with_unused


def test_a_file_that_cannot_be_read_counts_as_an_empty_one(one):
    before = fingerprint(config(one))
    (one / "images/1.png").unlink()
    (one / "images/1.png").symlink_to("nowhere")
    without = fingerprint(config(one))
    (one / "images/1.png").unlink()
    (one / "images/1.png").touch()
    assert before != without == fingerprint(config(one))


# -- TensorFlow takes seconds to import, and `unetfx check` should be quick


def test_local_files_need_no_tensorflow(one):
    code = (
        "import sys; from data.config import DataConfig; from data.listing.pairs import *;"
        f"source = {{'kind': 'folder', 'path': {str(one)!r}}};"
        "data = DataConfig.model_validate({'source': source, 'classes': ['a', 'b']});"
        "print(len(find_pairs(data, name='cells', folder='').pairs));"
        "assert not {'tensorflow', 'tensorflow_datasets'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2"
