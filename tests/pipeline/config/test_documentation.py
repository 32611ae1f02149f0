import re

import jsonschema
import pytest
import yaml
from pydantic import Field

from data.config import Strict
from pipeline.config import documentation
from pipeline.config.config import Config
from pipeline.config.documentation import PAGE, SCHEMA, config_schema, page_text, schema_text
from pipeline.config.loading import DEFAULT_CONFIG
from tests.pipeline.conftest import GOOD, changed

REMEDY = "Run python -m pipeline.config.documentation"


@pytest.fixture(scope="module")
def schema():
    return config_schema()


def test_the_files_are_up_to_date(schema):
    assert SCHEMA.read_text() == schema_text(schema), REMEDY
    assert PAGE.read_text() == page_text(schema), REMEDY


def test_every_key_is_on_the_page(schema):
    page = page_text(schema)
    for model in (schema, *schema["$defs"].values()):
        for name in model["properties"]:
            assert f"| `{name}` |" in page


def test_every_link_leads_to_a_section(schema):
    page = page_text(schema)
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    anchors = [re.sub(r"[^a-z0-9_ -]", "", text.lower()).replace(" ", "-") for text in headings]
    assert len(set(anchors)) == len(anchors)
    links = re.findall(r"\]\(#([^)]*)\)", page)
    assert links
    assert set(links) <= set(anchors)


def test_every_row_has_four_cells(schema):
    rows = [line for line in page_text(schema).splitlines() if line.startswith("|")]
    assert {len(re.split(r"(?<!\\)\|", row)) for row in rows} == {6}


class Inner(Strict):
    """An inner section.

    Attributes:
      size: Number of
        things.
    """

    size: int = Field(3, ge=1)


class Outer(Strict):
    """A file.

    More about it.

    Attributes:
      inner: The inner section.
      name: Name | title.
      shares: Class name to share.
    """

    inner: Inner = Inner()
    name: str
    shares: dict[str, float] = Field({})


def test_a_small_page(monkeypatch):
    monkeypatch.setattr(documentation, "Config", Outer)
    assert page_text(config_schema()).partition("## The whole file\n\n")[2] == (
        """\
| key | type | default | meaning |
|---|---|---|---|
| `inner` | [inner](#inner) | its defaults | The inner section. |
| `name` | text | **required** | Name \\| title. |
| `shares` | mapping to numbers | `{}` | Class name to share. |

## inner

An inner section.

| key | type | default | meaning |
|---|---|---|---|
| `size` | whole number ≥ 1 | `3` | Number of things. |
"""
    )


def test_a_key_without_a_meaning_is_refused(monkeypatch):
    class Bare(Outer):
        colour: str

    monkeypatch.setattr(documentation, "Config", Bare)
    with pytest.raises(ValueError, match=r"^Bare\.colour: add a line under Attributes: "):
        config_schema()


def configs():
    yield from (path.read_text() for path in sorted(DEFAULT_CONFIG.parent.glob("*.yaml")))
    yield changed(training={"loss": "dice", "class_weights": "balanced"}, model__freeze=["block1"])
    yield changed(beam={"profile": "flink", "master": "flink:8081", "options": {"parallelism": 4}})
    yield changed(tuner={"search": {"width": [0.5, 1], "dropout": {"min": 0, "max": 0.3}}})
    yield changed(tuner={"search": {"loss": ["dice", {"focal": 1}]}})
    yield changed(data__mask_values={"#ff8000": "disc"}, data__ignore_value=None)
    yield changed(data__intensity_range=[0, 4095], airflow={"schedule": "@daily"})


@pytest.mark.parametrize("text", configs(), ids=lambda text: "config")
def test_an_editor_accepts_good_configs(load, schema, text):
    load(text)
    assert jsonschema.validators.validator_for(schema)(schema).is_valid(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        changed(model__encodr="vgg16"),
        changed(training__epochs="four"),
        changed(gate__mean_iou=60.0),
        changed(data__source__kind="ftp"),
        changed(training={"loss": "jaccard"}),
        changed(tuner={"search": {"width": [3]}}),
        GOOD.replace("name: discs", ""),
    ],
    ids=lambda text: "config",
)
def test_an_editor_marks_mistakes(schema, text):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), schema)


def test_an_example_names_the_schema_for_editors():
    for path in DEFAULT_CONFIG.parent.glob("*.yaml"):
        first, _, _ = path.read_text().partition("\n")
        name = first.removeprefix("# yaml-language-server: $schema=")
        assert (path.parent / name).resolve() == SCHEMA


def test_the_schema_has_the_title_of_the_model(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == Config.__name__
