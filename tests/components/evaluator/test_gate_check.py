import json

import pytest

from components.evaluator.config import GateConfig
from components.evaluator.gate_check import GateCheck, gate_problems
from data.errors import InputError
from data.examples.batches import Ingested
from data.examples.pair_statistics import PairStatistics
from data.examples.records import Record
from data.examples.split_counts import count_splits
from data.examples.tally import Tally
from data.listing.pair import Pair

CLASSES = ["ocean", "land", "lake"]


def record(key, fractions, *, size=(10, 20), labelled=1.0, source="a", columns=None):
    files = f"{key}.png", f"{key}.mask.png"
    pair = Pair(key, *files, "g", source, 0, "test", columns or {})
    statistics = PairStatistics("", "", *size, (0.0, 0.0, 0.0), 0.0, fractions, labelled, None)
    return Record(pair, statistics, None, ())


WITH_LAKE = record("with", (0.5, 0.25, 0.25), source="a", size=(10, 20))
WITHOUT = record("without", (0.5, 0.5, 0.0), source="b", size=(300, 20), labelled=0.5)


def problems(test, train=(WITH_LAKE,), **gate):
    tally = Tally()
    for split, records in {"train": train, "test": test}.items():
        for each in records:
            tally.add(each._replace(pair=each.pair._replace(split=split)))
    splits = count_splits(Ingested(tally), CLASSES)
    return list(gate_problems(GateConfig(**gate), test, splits, CLASSES))


@pytest.mark.parametrize(
    "gate",
    [
        {"mean_iou": 0.5},
        {"mean_iou": 0.5, "class_iou": {"lake": 0.1}, "min_images": 2},
        {"floors": {"boundary_iou/lake": 0.1}},
        {"mean_iou": 0.5, "slices": {"mask/lake=present": {"iou/lake": 0.1}}},
        {"mean_iou": 0.5, "slices": {"image/size=257-512": {"iou/land": 0.1}}},
        {"mean_iou": 0.5, "slices": {"image/height=10": {"iou/land": 0.1}}},
    ],
)
def test_a_gate_that_can_be_applied(gate):
    assert problems([WITH_LAKE, WITHOUT], **gate) == []


def test_a_class_with_a_floor_that_test_lacks():
    (line,) = problems([WITHOUT], class_iou={"lake": 0.1})
    assert "gate: iou/lake has a floor, but there are no pixels of lake in the 1 image" in line
    assert "train 50, val 0, test 0" in line
    assert "data.splits" in line


def test_a_single_class_in_the_test_split():
    ocean = record("ocean", (1.0, 0.0, 0.0), source="a")
    (line,) = problems([ocean], mean_iou=0.5)
    assert line.startswith("the test split has only pixels of ocean, so a model that knows no")
    assert problems([ocean, WITHOUT], mean_iou=0.5) == []


def test_a_slice_with_a_floor_that_test_lacks():
    (line,) = problems([WITH_LAKE, WITHOUT], mean_iou=0, slices={"image/source=c": {"mean_iou": 0}})
    assert line.startswith(
        "gate.slices.image/source=c: no image of the test split is in this slice"
    )
    assert line.endswith("Values of image/source in the test split: a, b.")


def test_a_class_with_a_floor_that_a_slice_lacks():
    slices = {"mask/lake=absent": {"iou/lake": 0.5, "iou/land": 0.5}}
    (line,) = problems([WITH_LAKE, WITHOUT], mean_iou=0, slices=slices)
    assert line.startswith("gate.slices.mask/lake=absent.iou/lake has a floor")


def test_fewer_images_than_any_rule_needs():
    (line,) = problems([WITH_LAKE], mean_iou=0, min_images=30)
    assert line.startswith("gate.min_images: 30, but the test split has 1 image,")


def test_a_cell_of_a_column_that_test_lacks():
    test = [
        record(str(number), (0.5, 0.5, 0.0), columns={"scanner": cell})
        for number, cell in enumerate(["Zürich, 2", "Zürich, 2", "", "7"])
    ]
    (line,) = problems(test, mean_iou=0, slices={"column/scanner=B": {"mean_iou": 0.5}})
    assert line == (
        "gate.slices.column/scanner=B: no image of the test split is in this slice. "
        "Values of column/scanner in the test split: (empty), 7, Zürich, 2."
    )


def test_all_problems_are_one_error_of_the_component(examples):
    def check(*columns, **gate):
        GateCheck.EXECUTOR_SPEC.executor_class._FUNCTION(
            examples=examples,
            gate=GateConfig(mean_iou=0.5, **gate).model_dump_json(),
            classes=json.dumps(["red", "green", "blue"]),
            columns=json.dumps(columns),
            code="",
        )

    check(class_iou={"blue": 0.1})
    slices = {"image/source=c": {"mean_iou": 0.5}}
    with pytest.raises(InputError, match=r"^gate.min_images: 9, .*\ngate.slices.image/source=c: "):
        check(min_images=9, slices=slices)
    with pytest.raises(InputError, match="no column 'scanner'"):
        check("scanner")
