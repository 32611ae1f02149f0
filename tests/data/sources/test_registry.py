from typing import Annotated, Literal, get_args

from pydantic import Field

from data.config import DataConfig
from data.config.sources import AnySource, Source
from data.errors import PairError
from data.listing.listing import find_columns
from data.listing.pairs import find_pairs
from data.sources.raw_pairs import RawPair
from data.sources.registry import SOURCES, SourceFunctions

KINDS = get_args(get_args(AnySource)[0])


class ListSource(Source):
    """A source whose pairs are listed in the config."""

    kind: Literal["list"]
    pairs: dict[str, list[str]]


class Config(DataConfig):
    """The `data` section, which also accepts the new kind of source."""

    source: Annotated[AnySource | ListSource, Field(discriminator="kind")]


def find(source, group, part):
    for key, files in source.pairs.items():
        yield RawPair(key, *files) if len(files) == 2 else PairError("unpaired", key, "no mask.")


def test_a_registered_source_is_found(monkeypatch):
    monkeypatch.setitem(SOURCES, "list", SourceFunctions(find))
    pairs = {"b": ["b.png", "b_mask.png"], "a/1": ["a/1.png", "a/1_mask.png"], "c": ["c.png"]}
    source = {"kind": "list", "pairs": pairs}
    data = Config.model_validate({"source": source, "classes": ["x", "y"]})
    found = find_pairs(data, name="mine", folder="")
    assert [(pair.key, pair.image, pair.mask) for pair in found.pairs] == [
        ("a/1", "a/1.png", "a/1_mask.png"),
        ("b", "b.png", "b_mask.png"),
    ]
    assert {(pair.source, pair.span) for pair in found.pairs} == {("mine", 0)}
    assert [str(problem) for problem in found.problems] == ["c: no mask."]
    assert find_columns(data) == []


def test_two_pairs_with_one_key_are_no_pairs():
    pairs = [RawPair("a", "1/a.png", "m.png"), RawPair("a", "2/a.png", "n.png")]
    other = RawPair("a.png", "a.png.png", "o.png")  # the hash of a key ignores suffixes
    found = SourceFunctions(find).pair([*pairs, other])
    assert found.pairs == [other]
    assert [(problem.kind, problem.file) for problem in found.problems] == [
        ("same_name", "1/a.png"),
        ("same_name", "2/a.png"),
    ]


def test_every_kind_of_source_is_registered():
    kinds = [get_args(source.model_fields["kind"].annotation) for source in KINDS]
    assert kinds == [(name,) for name in SOURCES]


def test_every_source_documents_its_keys():
    for source in KINDS:
        for key in source.model_fields.keys() - {"kind"}:
            assert f"\n      {key}: " in source.__doc__, f"{source.__name__}.{key}"
