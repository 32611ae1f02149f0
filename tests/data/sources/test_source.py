from typing import Annotated, Literal, get_args

import pytest
from pydantic import Field

from data.config import AnySource, DataConfig
from data.sources.pairs import find_columns, find_pairs
from data.sources.source import RawFound, RawPair, Source


class ListSource(Source):
    """Pairs that are listed in the config."""

    kind: Literal["list"]
    pairs: dict[str, list[str]]

    def find(self, *, group, own_folder):
        return RawFound([RawPair(key, *files) for key, files in self.pairs.items()], [], [])


class Config(DataConfig):
    """The config after the new kind of source has joined the union."""

    source: Annotated[AnySource | ListSource, Field(discriminator="kind")]


def test_a_new_source_needs_one_class_in_the_union():
    pairs = {"b": ["b.png", "b_mask.png"], "a/1": ["a/1.png", "a/1_mask.png"]}
    source = {"kind": "list", "pairs": pairs}
    data = Config.model_validate({"source": source, "classes": ["x", "y"]})
    found = find_pairs(data, name="mine", folder="")
    assert [(pair.key, pair.image, pair.mask) for pair in found.pairs] == [
        ("a/1", "a/1.png", "a/1_mask.png"),
        ("b", "b.png", "b_mask.png"),
    ]
    assert {(pair.source, pair.span) for pair in found.pairs} == {("mine", 0)}
    assert find_columns(data) == []


def test_a_source_without_find_is_refused():
    class Unfinished(Source):
        kind: Literal["unfinished"]

    with pytest.raises(TypeError, match="abstract method"):
        Unfinished(kind="unfinished")


def test_every_source_documents_all_its_keys():
    for source in get_args(AnySource):
        for key in source.model_fields.keys() - {"kind"}:
            assert f"\n      {key}: " in source.__doc__, f"{source.__name__}.{key}"
