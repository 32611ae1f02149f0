import functools
import tempfile
from collections import defaultdict

import pytest

from data import checks
from data.checks import refuse_errors
from data.config import DataConfig
from data.errors import InputError, PairError
from data.examples.pair_statistics import PairStatistics
from data.examples.records import Record
from data.examples.repeats import Repeats, find_repeats, repeat_rows
from data.examples.tally import Tally
from data.faults import Examples
from data.jobs.shuffle import RowWriter
from data.listing.census import Census
from data.listing.pair import Pair

SPLIT_OF = ("train", "train", "train", "train", "val", "test")


def config(**changes):
    plain = {"source": {"kind": "folder", "path": "x"}, "classes": ["ground", "disc"]}
    return DataConfig.model_validate(plain | changes)


def record(key, split="train", *, group=None, values=(0, 1), problem=None, **facts):
    pair = Pair(key, f"{key}.png", f"{key}_mask.png", group or key, "discs", 0, split)
    if problem:
        return Record(pair, None, problem, values)
    known = {
        "sha256": "",
        "content": key,
        "height": 4,
        "width": 3,
        "means": (1.0, 2.0, 3.0),
        "std": 1.0,
        "fractions": (0.5, 0.5),
        "labelled": 1.0,
        "max_sample": None,
    }
    return Record(pair, PairStatistics(**known | facts), None, values)


def healthy(**facts):
    """Records of sixty faultless pairs in the three splits."""
    return [record(f"{i:02d}", SPLIT_OF[i % 6], **facts) for i in range(60)]


def check(records, problems=(), unused=(), **changes):
    """Checks records that are counted in two parts, as by two processes, and then merged."""
    census, parts = Census(), [Tally(), Tally()]
    for problem in problems:
        census.problems.add(problem)
    for key in unused:
        census.unused.add(key, keys=(key,))
    for number, each in enumerate(records):
        parts[number % 2].add(each)
    repeats = repeats_in([each for each in records if each.statistics])
    return checks.check(census, parts[0].merged(parts[1]), repeats, config(**changes))


def repeats_in(records):
    with tempfile.TemporaryDirectory() as folder:
        writer = RowWriter(folder)
        for each in records:
            for name_hash, row in repeat_rows(each):
                writer.add(name_hash, row)
        partitions = defaultdict(list)
        for partition, segment in writer.finish():
            partitions[partition].append(segment)
        return functools.reduce(Repeats.merged, map(find_repeats, partitions.values()), Repeats())


def found_kinds(records, problems=(), unused=(), **changes):
    return {f.kind: f for f in check(records, problems, unused, **changes)}


def test_healthy_data_have_no_findings():
    assert found_kinds(healthy()) == {}


def test_one_image_in_two_splits_is_an_error_that_names_both():
    records = [*healthy(), record("copy", "test", content="00")]
    finding = found_kinds(records)["duplicate_across_splits"]
    assert finding.severity == "error"
    assert finding.where == ("00 (train) = copy (test)",)
    assert finding.keys == ("00", "copy")


def test_one_image_twice_in_a_split_is_a_warning():
    finding = found_kinds([*healthy(), record("copy", "train", content="00")])["duplicate"]
    assert (finding.severity, finding.where) == ("warning", ("00 = copy",))


def test_a_group_in_two_splits_is_an_error():
    records = [*healthy(), record("a", "train", group="p"), record("b", "val", group="p")]
    finding = found_kinds(records)["group_across_splits"]
    assert finding.severity == "error"
    assert finding.where == ("p (train, val)",)


def test_an_empty_split_is_an_error_and_a_small_one_a_warning():
    some = [r for r in healthy() if r.pair.split != "val"]
    assert found_kinds(some)["empty_split"].severity == "error"
    assert "'val'" in found_kinds(some)["empty_split"].text
    small = found_kinds([*some, *(record(f"v{i}", "val") for i in range(4))])
    assert "'val' has only 4 of 54 pairs" in small["small_split"].text
    assert "small_split" not in found_kinds([*some, *(record(f"v{i}", "val") for i in range(5))])


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ({"split_folders": True}, "Add folders of val beside those of train in x, or"),
        ({"split_lists": {"train": "a.txt"}}, "Add the list data.source.split_lists.val"),
    ],
)
def test_a_ready_made_split_that_is_missing_is_named(source, place):
    records = [each for each in healthy() if each.pair.split != "val"]
    source = {"kind": "folder", "path": "x"} | source
    text = found_kinds(records, source=source)["empty_split"].text
    assert place in text
    assert "hash" not in text
    assert text.endswith("write, under data: take_val_from_train: 0.1")


def test_a_part_that_was_too_small_should_be_larger():
    records = [each for each in healthy() if each.pair.split != "val"]
    source = {"kind": "folder", "path": "x", "split_folders": True}
    findings = found_kinds(records, source=source, take_val_from_train=0.15)
    assert findings["empty_split"].text.endswith("take_val_from_train: 0.3")


def test_a_table_without_a_split_may_have_them_or_not():
    records = [each for each in healthy() if each.pair.split != "val"]
    source = {"kind": "manifest", "path": "x.csv", "split": "part"}
    text = found_kinds(records, source=source)["empty_split"].text
    assert "Unless the source defines the splits, a hash of the group assigns" in text
    assert "Add rows with val in the column part of the table, or take a part of train" in text


def test_files_that_are_left_out_are_a_note():
    census, tally = Census(), Tally()
    census.ignored["left out."] = Examples()
    for name in "dcba":
        census.ignored["left out."].add(name, name)
    for each in healthy():
        tally.add(each)
    (finding,) = checks.check(census, tally, Repeats(), config())
    assert finding.severity == "note"
    assert finding.line() == "a, b, c and 1 more: left out."


def test_names_that_differ_by_a_common_part_get_a_pattern():
    problems = [
        PairError("unpaired", f"{folder}/{number}{end}.png", f"no {other} of that name.")
        for number in range(3)
        for folder, end, other in (("images", "", "mask"), ("masks", "_gt", "image"))
    ]
    findings = [each for each in check(healthy(), problems) if each.kind == "unpaired"]
    assert len(findings) == 2
    assert all(each.text.endswith('mask_pattern: "*_gt"') for each in findings)


def test_a_class_that_never_occurs_is_named():
    records = healthy(fractions=(0.5, 0.5, 0.0))
    finding = found_kinds(records, classes=["ground", "disc", "rim"])["class_never"]
    assert "the class rim occurs in no mask" in finding.text


def test_masks_of_a_single_class_are_an_error():
    finding = found_kinds(healthy(fractions=(0.0, 1.0)))["one_class"]
    assert finding.severity == "error"
    assert "only the class disc occurs in the masks" in finding.text


def test_inverted_masks_are_a_warning_with_the_shares_of_the_classes():
    records = [*healthy(), record("tiff", fractions=(0.75, 0.25), inverted=True)]
    finding = found_kinds(records)["inverted_mask"]
    assert finding.severity == "warning"
    assert finding.line().startswith("tiff_mask.png: a TIFF mask in which 0 is white")
    assert "This gives ground 75%, disc 25%." in finding.text


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (("train",), "in train only"),
        (("test",), "in test only"),
        (("val", "test"), "in val and test only"),
        (("train", "test"), None),
        (("train", "val"), None),
    ],
)
def test_a_class_that_cannot_be_both_learnt_and_measured_is_named(splits, message):
    records = [
        record(r.pair.key, r.pair.split, fractions=(0.5, 0.5 * (r.pair.split in splits)))
        for r in healthy()
    ]
    finding = found_kinds(records).get("class_in_one_split")
    assert (message in finding.text) if message else (finding is None)


def test_masks_of_background_alone_are_a_note():
    records = [*healthy(), record("empty", fractions=(1.0, 0.0))]
    finding = found_kinds(records)["empty_mask"]
    assert finding.severity == "note"
    assert "1 of 61 masks contain only the class ground" in finding.text
    assert finding.keys == ("empty",)


def test_a_line_is_suggested_for_masks_of_0_and_255_with_255_ignored():
    records = [record(r.pair.key, r.pair.split, values=(0, 255)) for r in healthy()]
    finding = found_kinds(records)["looks_binary"]
    assert finding.severity == "error"
    assert "mask_values: {0: ground, 255: disc}" in finding.text
    assert "looks_binary" not in found_kinds(
        records, mask_values={0: "ground", 255: "disc"}, ignore_value=None
    )


@pytest.mark.parametrize(("greatest", "line"), [(4095, 4095), (1000, 1023), (8191, 8191)])
def test_a_line_is_suggested_for_16_bit_images_that_use_a_fraction_of_their_range(greatest, line):
    records = [*healthy(max_sample=200), record("brightest", max_sample=greatest)]
    finding = found_kinds(records)["narrow_range"]
    assert f"never exceed {greatest}" in finding.text
    assert f"intensity_range: [0, {line}]" in finding.text
    assert "narrow_range" not in found_kinds(records, intensity_range=[0, 4095])


def test_16_bit_images_of_full_range_and_8_bit_images_are_left_alone():
    assert found_kinds(healthy(max_sample=9000)) == {}


def bad(key, kind, reason, **options):
    problem = PairError(kind, f"{key}.png", reason)
    return record(key, problem=problem, values=options.get("values", ()))


def test_files_with_the_same_fault_share_a_finding():
    records = [*healthy(), *(bad(key, "unreadable", "cut off.") for key in "abcde")]
    finding = found_kinds(records)["unreadable"]
    assert finding.line() == "a.png, b.png, c.png and 2 more: cut off."
    assert finding.keys == tuple("abcde")


def test_files_without_a_partner_are_bad_pairs_too():
    problem = PairError("unpaired", "x.png", "no mask. Add it.")
    finding = found_kinds(healthy(), [problem])["unpaired"]
    assert (finding.severity, finding.line()) == ("error", "x.png: no mask. Add it.")


def test_one_line_is_suggested_for_the_values_of_all_masks():
    # Each mask on its own would lead to another suggestion.
    records = [
        *healthy(fractions=(0.4, 0.2, 0.2, 0.2)),
        bad("c", "value_without_class", "three", values=("#ff0000", "#ffffff")),
        bad("a", "value_without_class", "one", values=(0, 1, 5)),
        bad("b", "value_without_class", "two", values=(0, 9)),
    ]
    numbers, colours = check(records, classes=["ground", "disc", "ring", "rim"])
    assert numbers.keys == ("a", "b")
    assert numbers.text.startswith("no class for the pixel values 5, 9. ")
    assert "mask_values: {0: ground, 1: disc, 5: ring, 9: rim}" in numbers.text
    assert colours.keys == ("c",)
    assert "#ff0000" in colours.text


def test_the_suggested_line_keeps_the_good_masks_valid():
    # Alone, the mask with 7 looks like one of two classes whose ids have a gap.
    records = [*healthy(), bad("a", "value_without_class", "one", values=(0, 7))]
    text = found_kinds(records)["value_without_class"].text
    assert text.startswith("no class for the pixel value 7. ")
    assert "mask_values: {0: ground, 1: disc} and: ignore_value: 7" in text


def test_skipping_lists_bad_pairs_and_goes_on():
    records = [*healthy(), bad("a", "unreadable", "cut off.")]
    kinds = found_kinds(records, on_bad_pair="skip")
    assert kinds["unreadable"].severity == "skipped"
    assert all(finding.severity != "error" for finding in kinds.values())


@pytest.mark.parametrize(("number", "stops"), [(3, False), (4, True)])
def test_skipping_stops_past_the_share_that_is_allowed(number, stops):
    # 3 of 63 are 4.8 %, 4 of 64 are 6.3 %; files without a partner count.
    records = [*healthy(), *(bad(str(i), "unreadable", "cut off.") for i in range(number - 1))]
    problem = PairError("unpaired", "x.png", "no mask. Add it.")
    kinds = found_kinds(records, [problem], on_bad_pair="skip", max_bad_fraction=0.05)
    assert ("too_many_bad" in kinds) == stops
    if stops:
        assert kinds["too_many_bad"].severity == "error"
        assert "4 of 64" in kinds["too_many_bad"].text


def test_splits_that_bad_pairs_would_empty_are_no_further_errors():
    reason = "cut off."
    records = [bad(r.pair.key, "unreadable", reason) for r in healthy()]
    records = [new._replace(pair=old.pair) for new, old in zip(records, healthy(), strict=True)]
    assert set(found_kinds(records)) == {"unreadable"}
    lonely = [PairError("unpaired", "x.png", "no mask. Add it.")]
    assert set(found_kinds([], lonely)) == {"unpaired"}
    skipping = found_kinds(records, on_bad_pair="skip", max_bad_fraction=1.0)
    assert set(skipping) == {"unreadable", "empty_split"}


def test_pairs_in_no_list_are_noted():
    finding = found_kinds(healthy(), unused=["p", "q"])["unused"]
    assert finding.severity == "note"
    assert "2 pairs are in no split list" in finding.text


def test_errors_come_first_and_stop():
    records = [*healthy(), record("copy", "test", content="00"), bad("a", "unreadable", "cut.")]
    findings = check(records, unused=["u"])
    order = ["error", "error", "note"]
    assert [finding.severity for finding in findings] == order
    with pytest.raises(InputError) as caught:
        refuse_errors(findings)
    assert len(str(caught.value).splitlines()) == 2
    refuse_errors(check(healthy()))


def test_a_record_survives_its_listing():
    for one in (record("a"), bad("b", "unreadable", "cut off.", values=(0, "#ff0000"))):
        row = one.as_row(["ground", "disc"])
        again = Record.of_row(row)
        assert again.pair == one.pair
        assert again.statistics == one.statistics
        assert again.values == one.values
        assert str(again.problem) == str(one.problem)
