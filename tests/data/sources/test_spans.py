import pytest

from tests.data.finding import find, refusal


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
        (["span-1", "span-٢"], "span-{SPAN}", "{root}/span-٢: no number in the place of "),
        (["1", f"{2**63}"], "{SPAN}", f"{{root}}/{2**63}: the span number is greater than "),
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
