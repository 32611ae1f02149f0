import pytest

from components.evaluator.slice_names import (
    column_of,
    parse_slice,
    refuse_unknown_columns,
    sliceable,
)
from data.errors import InputError


def test_every_source_has_features_to_slice_by():
    assert sliceable(["ocean", "lake"]) == [
        *("image/source", "image/group", "image/span", "image/height", "image/width"),
        *("image/size", "mask/ocean", "mask/lake"),
    ]


def test_the_value_of_a_slice_may_contain_an_equals_sign():
    assert parse_slice("column/scanner=a=b") == ("column/scanner", "a=b")


def test_only_columns_stand_for_columns():
    assert column_of("column/scanner") == "scanner"
    assert column_of("image/source") is None


def test_unknown_columns_are_refused_with_the_nearest_name():
    refuse_unknown_columns(["scanner"], ["scanner", "country"])
    with pytest.raises(InputError) as caught:
        refuse_unknown_columns(["skanner", "scanner", "x"], ["scanner", "country"])
    first, second = str(caught.value).splitlines()
    assert first == (
        "column/skanner, a slice of evaluation.slices or gate.slices: the manifest has no column "
        "'skanner' (did you mean 'scanner'?). Found the columns ['country', 'scanner']."
    )
    assert second.startswith("column/x, ")
