import json
import shutil
import subprocess
import sys
from collections import Counter

import pytest
import tensorflow as tf
from hypothesis import example, given
from hypothesis import strategies as st
from tfx.components.example_gen.base_example_gen_executor import _PartitionFn
from tfx.proto import example_gen_pb2

from data.config import DataConfig
from data.errors import InputError
from data.sources.pairs import find_pairs
from tests.data.sources.finding import fingerprint

SPLITS = ("train", "val", "test")


def config(root, *, source=None, **changes):
    source = {"kind": "folder", "path": str(root)} | (source or {})
    return DataConfig.model_validate({"source": source, "classes": ["a", "b"]} | changes)


def find(root, **changes):
    return find_pairs(config(root, **changes), name="cells", folder="")


def refusal(root, **changes):
    with pytest.raises(InputError) as caught:
        find(root, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def write_pairs(write_files):
    def write(root, *keys):
        write_files(root, *(f"{kind}/{key}.png" for key in keys for kind in ("images", "masks")))

    return write


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
    assert pair.split in SPLITS


# -- groups


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (None, ["p1/a_1", "p1/b_1", "p2/a_1"]),
        (r"^[^/]+", ["p1", "p1", "p2"]),
        (r"^(p\d)/", ["p1", "p1", "p2"]),
        (r"p(\d)/([ab])", ["1", "1", "2"]),
        (r"^(p2)|/(a)|/(b)", ["a", "b", "p2"]),
        (r"(x)?_1$", ["_1", "_1", "_1"]),
    ],
    ids=["none", "whole match", "group", "first of two", "alternatives", "group not taken"],
)
def test_group_of_a_pair(tmp_path, write_pairs, pattern, groups):
    write_pairs(tmp_path, "p1/a_1", "p1/b_1", "p2/a_1")
    assert [pair.group for pair in find(tmp_path, group=pattern).pairs] == groups


@pytest.mark.parametrize("pattern", [r"^p\d", "p*"])
def test_a_key_outside_the_group_expression_is_listed(tmp_path, write_pairs, pattern):
    write_pairs(tmp_path, "p1", "q1")  # `p*` has an empty match in q1, which is no group
    found = find(tmp_path, group=pattern)
    assert [pair.key for pair in found.pairs] == ["p1"]
    (problem,) = found.problems
    assert (problem.kind, problem.file) == ("no_group", f"{tmp_path}/images/q1.png")
    assert repr(pattern) in problem.reason


def test_a_group_expression_that_matches_no_pair_is_refused(tmp_path, write_pairs):
    write_pairs(tmp_path, "q1")
    message = refusal(tmp_path, group=r"^p\d")
    assert message.startswith("data.group: ")
    assert repr(r"^p\d") in message
    assert "'q1'" in message


# -- splits


GROUPS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Z"]), min_size=1)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, write_files):
    """Writes a manifest with one pair per group."""
    root = tmp_path_factory.mktemp("manifest")
    write_files(root, *(f"{kind}/{n}.png" for kind in ("images", "masks") for n in range(100)))

    def write(groups):
        rows = [
            {"image": f"images/{n}.png", "mask": f"masks/{n}.png", "group": group}
            for n, group in enumerate(groups)
        ]
        (root / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
        return {"kind": "manifest", "path": str(root / "pairs.jsonl")}

    return write


@given(groups=st.lists(GROUPS, min_size=1, max_size=8), shares=st.tuples(*[st.integers(1, 99)] * 3))
@example(groups=["a" * 119, "b" * 128, "é" * 64, "c" * 16384], shares=(7, 1, 2))
def test_groups_have_the_split_that_tfx_assigns(manifest, groups, shares):
    found = find("", source=manifest(groups), splits=dict(zip(SPLITS, shares, strict=True)))
    by_group = {pair.group: pair.split for pair in found.pairs}
    assert by_group.keys() == set(groups)
    buckets = [sum(shares[: n + 1]) for n in range(3)]
    config = example_gen_pb2.SplitConfig(partition_feature_name="group")
    for group, split in by_group.items():
        example = tf.train.Example()
        example.features.feature["group"].bytes_list.value.append(group.encode())
        assert split == SPLITS[_PartitionFn(example, 3, buckets, config)]


@given(
    old=st.lists(GROUPS, min_size=1, max_size=20),
    new=st.lists(GROUPS, min_size=1, max_size=20),
)
def test_a_split_follows_from_the_group_alone(manifest, old, new):
    before = find("", source=manifest(old)).pairs
    after = find("", source=manifest(old + new)).pairs
    splits = {pair.group: pair.split for pair in after}
    assert all(splits[pair.group] == pair.split for pair in before + after)


def test_shares_are_kept(manifest):
    pairs = find("", source=manifest([f"patient {n}" for n in range(100)])).pairs
    count = Counter(pair.split for pair in pairs)
    # Binomial of 100 pairs and 7, 1, 2 tenths: these bounds are more than 3 deviations away.
    assert 56 <= count["train"] <= 84
    assert 1 <= count["val"] <= 20
    assert 8 <= count["test"] <= 33


def test_pairs_in_no_split_list_are_unused(tmp_path, write_pairs, write_file):
    write_pairs(tmp_path, "1", "2")
    write_file(f"{tmp_path}/train.txt", b"2\n")
    lists = {"split_lists": {"train": "train.txt"}}
    found = find(tmp_path, source=lists)
    assert [(pair.key, pair.split) for pair in found.pairs] == [("2", "train")]
    assert found.unused == ["1"]
    write_file(f"{tmp_path}/train.txt", b"")
    assert "split_lists" in refusal(tmp_path, source=lists)


# -- spans


@pytest.fixture(params=["local", "remote"])
def anywhere(request, tmp_path, remote_folder):
    return str(tmp_path) if request.param == "local" else remote_folder


def spans(path, newest=None, **options):
    return {"path": path, "newest_spans": newest} | options


def test_spans_are_deliveries_by_number(anywhere, write_pairs):
    for span in (2, 10, 3):
        write_pairs(f"{anywhere}/span-{span}", "1", f"x/{span}")
    found = find("", source=spans(f"{anywhere}/span-{{SPAN}}"))
    assert [(pair.key, pair.span) for pair in found.pairs] == [
        ("span-10/1", 10),
        ("span-10/x/10", 10),
        ("span-2/1", 2),
        ("span-2/x/2", 2),
        ("span-3/1", 3),
        ("span-3/x/3", 3),
    ]
    newest = find("", source=spans(f"{anywhere}/span-{{SPAN}}", newest=2))
    assert newest.pairs == [pair for pair in found.pairs if pair.span != 2]


def test_a_new_span_moves_no_old_pair(tmp_path, write_pairs):
    write_pairs(tmp_path / "1", *(f"p{n}/a" for n in range(20)))
    before = find(tmp_path / "{SPAN}").pairs
    write_pairs(tmp_path / "2", *(f"p{n}/b" for n in range(20)))
    after = find(tmp_path / "{SPAN}").pairs
    assert before == [pair for pair in after if pair.span == 1]
    assert find(tmp_path / "{SPAN}", source={"newest_spans": 1}).pairs == [
        pair for pair in after if pair.span == 2
    ]


def test_groups_hold_across_spans(tmp_path, write_pairs):
    for span in (1, 2):
        write_pairs(tmp_path / f"{span}", *(f"p{n}/{span}" for n in range(20)))
    pairs = find(tmp_path / "{SPAN}", group=r"^(p\d+)/").pairs
    splits = {(pair.group, pair.split) for pair in pairs}
    assert len(splits) == len({pair.group for pair in pairs}) == 20


def test_a_span_may_be_amid_the_path_and_padded(anywhere, write_pairs):
    write_pairs(f"{anywhere}/day-007-a/cells", "1")
    write_pairs(f"{anywhere}/day-008-b/cells", "1")
    for path in (f"{anywhere}/day-{{SPAN:3}}-a/cells", f"{anywhere}/day-{{SPAN}}-a/cells"):
        assert [pair.key for pair in find("", source=spans(path)).pairs] == ["span-7/1"]


def test_each_span_may_have_a_manifest(anywhere, write_pairs, write_file):
    for span in (1, 2):
        write_pairs(f"{anywhere}/{span}", "a")
        write_file(f"{anywhere}/{span}/pairs.csv", b"image,mask\nimages/a.png,masks/a.png\n")
    pairs = find("", source=spans(f"{anywhere}/{{SPAN}}/pairs.csv", kind="manifest")).pairs
    assert [(pair.key, pair.image) for pair in pairs] == [
        ("span-1/images/a", f"{anywhere}/1/images/a.png"),
        ("span-2/images/a", f"{anywhere}/2/images/a.png"),
    ]


def test_spans_may_be_manifests(tmp_path, write_pairs, write_file):
    write_pairs(tmp_path, "1", "2")
    for span in ("1", "2"):
        row = f"image,mask\nimages/{span}.png,masks/{span}.png\n"
        write_file(f"{tmp_path}/span-{span}.csv", row.encode())
    pairs = find("", source=spans(f"{tmp_path}/span-{{SPAN}}.csv", kind="manifest")).pairs
    assert [pair.key for pair in pairs] == ["span-1/images/1", "span-2/images/2"]


def test_problems_and_unused_keys_of_all_spans_are_listed(tmp_path, write_pairs, write_file):
    for span in (1, 2):
        write_pairs(tmp_path / f"{span}", "a", "b")
        write_file(f"{tmp_path}/{span}/train.txt", f"a\n{span}".encode())
    found = find(tmp_path / "{SPAN}", source={"split_lists": {"train": "train.txt"}})
    assert [problem.file for problem in found.problems] == [
        f"{tmp_path}/{span}/train.txt:2 ({span})" for span in (1, 2)
    ]
    assert found.unused == ["span-1/b", "span-2/b"]


@pytest.mark.parametrize(
    ("folders", "path", "message"),
    [
        (
            [],
            "span-{SPAN}",
            "{root}: no spans found. Names should look like span-{{SPAN}}, as in span-1.",
        ),
        ([], "{SPAN:4}", "{root}: no spans found. Names should look like {{SPAN:4}}, as in 0001."),
        (
            ["span-1", "span-01"],
            "span-{SPAN}",
            "{root}/span-01 and {root}/span-1: both have the span number 1.",
        ),
        (["span-1", "span-x"], "span-{SPAN}", "{root}/span-x: no number in the place of "),
        (["span-1", "span-10"], "span-{SPAN:1}", "{root}/span-10: no number in the place of "),
        (["1", "docs"], "{SPAN}", "{root}/docs: no number in the place of "),
        (["1"], "{SPAN}/cells", "{root}/1/cells/images: no such folder."),
        ([], "nowhere/{SPAN}", "{root}/nowhere: no such folder."),
    ],
)
def test_ambiguous_spans_are_refused(tmp_path, write_pairs, folders, path, message):
    for folder in folders:
        write_pairs(tmp_path / folder, "1")
    (tmp_path / ".span-3").mkdir()
    (tmp_path / "README.md").touch()
    assert refusal(tmp_path / path).startswith(message.format(root=tmp_path))


@pytest.mark.parametrize(
    "source", [{"path": "a", "newest_spans": 1}, {"path": "{SPAN}/{SPAN}"}, {"newest_spans": 0}]
)
def test_impossible_spans_are_refused(source):
    with pytest.raises(ValueError, match=r"SPAN|newest_spans"):
        find("{SPAN}", source=source)


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
        "import sys; from data.config import DataConfig; from data.sources.pairs import *;"
        f"source = {{'kind': 'folder', 'path': {str(one)!r}}};"
        "data = DataConfig.model_validate({'source': source, 'classes': ['a', 'b']});"
        "print(len(find_pairs(data, name='cells', folder='').pairs));"
        "assert not {'tensorflow', 'tensorflow_datasets'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2"
