"""Writes docs/config.md and docs/config.schema.json from the pydantic models of the config file.

The description of a key is its entry under `Attributes:` in the docstring of its pydantic model.
After changing a model or its docstring, run `python -m pipeline.config.documentation`.
"""

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import docstring_parser
import yaml
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from pipeline.config.config import Config

DOCS = Path(__file__).parents[2] / "docs"
PAGE, SCHEMA = DOCS / "config.md", DOCS / "config.schema.json"

_INTRODUCTION = """\
# The config file

<!-- Made from the docstrings of the config's models by `python -m pipeline.config.documentation`.
     Edit those, and run it. -->

One YAML file describes a pipeline. This page lists every key of it. An unknown key, a key that is
given twice, a wrong type and an impossible value are each refused with a line that says what was
expected. The [examples](../pipeline/configs) are complete files.

**In an editor:** [config.schema.json](config.schema.json) is a JSON Schema of the same keys. With
it, editors that use the YAML language server (VS Code with the YAML extension, Neovim, Emacs, …)
complete keys, show their meaning and mark mistakes. Name it in the first line of a config file, by
its path from that file's folder:

```yaml
# yaml-language-server: $schema=docs/config.schema.json
```

## The whole file
"""
_TYPES = {
    "integer": ("whole number", "whole numbers"),
    "number": ("number", "numbers"),
    "string": ("text", "texts"),
    "boolean": ("`true` or `false`", "`true` or `false`"),
    "null": ("`null`", "`null`"),
}
"""English name of each JSON Schema type, in the singular and the plural."""
_LIMITS = {
    "minimum": "≥",
    "exclusiveMinimum": ">",
    "maximum": "≤",
    "exclusiveMaximum": "<",
}
_ONE_LINE = 10**6  # YAML line width, greater than any default value, so that no default is wrapped
_STYLE = docstring_parser.DocstringStyle.GOOGLE


def main() -> None:
    """Writes docs/config.md and docs/config.schema.json."""
    schema = config_schema()
    SCHEMA.write_text(schema_text(schema))
    PAGE.write_text(page_text(schema))
    print(f"Wrote {PAGE} and {SCHEMA}.")


def config_schema() -> JsonSchemaValue:
    """Returns the JSON Schema of a config file, with key descriptions taken from docstrings.

    Raises:
      ValueError: The docstring of a pydantic model does not describe all of its fields.
    """
    schema = Config.model_json_schema(schema_generator=_DescribedSchema)
    undescribed = [
        f"{model['title']}.{name}"
        for model in (schema, *schema["$defs"].values())
        for name, key in model["properties"].items()
        # A key with only one allowed value, such as `kind: folder`, needs no description.
        if not key.get("description") and "const" not in key
    ]
    if undescribed:
        raise ValueError(
            f"{', '.join(undescribed)}: add a line under Attributes: in the docstring of the model."
        )
    text = json.dumps({"$schema": GenerateJsonSchema.schema_dialect, **schema})
    # pydantic includes the type parameters in the name of a generic model, such as `Range[int]`. A
    # number replaces them here, to keep the name short.
    generic = [name for name, model in schema["$defs"].items() if name != model["title"]]
    for number, name in enumerate(generic, 1):
        text = text.replace(name, f"{schema['$defs'][name]['title']}{number}")
    return dict(json.loads(text))


def schema_text(schema: JsonSchemaValue) -> str:
    """Returns the content of docs/config.schema.json.

    Args:
      schema: JSON Schema of a config file, as returned by `config_schema`.
    """
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def page_text(schema: JsonSchemaValue) -> str:
    """Returns the content of docs/config.md: a table of keys for each section.

    Args:
      schema: JSON Schema of a config file, as returned by `config_schema`.
    """
    page = _Page(schema["$defs"])
    return "\n".join([_INTRODUCTION, *page.table("", schema), *page.inner_sections("", schema)])


class _DescribedSchema(GenerateJsonSchema):
    """Generates a JSON Schema whose descriptions come from Google-style docstrings."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        model: type[BaseModel] = schema["cls"]
        json_schema = super().model_schema(schema)
        docstring = docstring_parser.parse(inspect.getdoc(model) or "", _STYLE)
        json_schema["title"] = model.__name__.partition("[")[0]
        json_schema["description"] = _joined_lines(docstring.description or "")
        meanings = _meanings(model)
        for name, key in json_schema["properties"].items():
            if name in meanings:
                key["description"] = meanings[name]
        return json_schema

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """Returns the field descriptions in the docstrings of a pydantic model and its base classes."""
    return {
        attribute.arg_name: _joined_lines(attribute.description or "")
        for base in reversed(model.__mro__)
        if issubclass(base, BaseModel)
        for attribute in docstring_parser.parse(base.__doc__ or "", _STYLE).params
    }


def _joined_lines(text: str) -> str:
    """Joins the lines of each paragraph into a single line."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


class _Page:
    """Formats a JSON Schema as Markdown.

    Attributes:
      models: JSON Schema of each pydantic model, by the name that `$ref` references use.
    """

    def __init__(self, models: Mapping[str, JsonSchemaValue]) -> None:
        self.models = models

    def inner_sections(self, path: str, model: JsonSchemaValue) -> Iterator[str]:
        """Yields Markdown sections for the models that are nested in a pydantic model.

        Args:
          path: Dotted path of the outer model in a config file; empty for the whole file.
          model: JSON Schema of the outer model.
        """
        for name, key in model["properties"].items():
            inner_path = f"{path}.{name}" if path else name
            for choice, inner in self._models_of(key):
                level = "###" if path else "##"
                yield f"{level} {_heading(inner_path, choice)}\n\n{inner['description']}\n"
                yield from self.table(inner_path, inner)
                yield from self.inner_sections(inner_path, inner)

    def table(self, path: str, model: JsonSchemaValue) -> Iterator[str]:
        """Yields a Markdown table of the keys of a pydantic model, line by line.

        Args:
          path: Dotted path of the model in a config file; empty for the whole file.
          model: JSON Schema of the model.
        """
        yield "| key | type | default | meaning |\n|---|---|---|---|"
        # The key that selects the type of the section, such as `kind`, comes first, because the
        # other keys depend on it.
        keys = sorted(model["properties"].items(), key=lambda pair: "const" not in pair[1])
        for name, key in keys:
            cells = [
                f"`{name}`",
                _either(self._types(key, f"{path}.{name}" if path else name)),
                "**required**" if name in model.get("required", ()) else _default(key),
                key.get("description", "Selects the keys of this section."),
            ]
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        yield ""

    def _models_of(self, key: JsonSchemaValue) -> Iterator[tuple[str, JsonSchemaValue]]:
        """Yields each pydantic model that a key accepts, as a selector and a JSON Schema.

        The selector is the key and value that choose the model, such as `kind: folder`. It is empty
        if there is nothing to choose from. If the key contains a list or a mapping, the models of
        its items or values are yielded.
        """
        discriminator = key.get("discriminator", {}).get("propertyName")
        if "$ref" in key:
            yield "", self._resolved(key)
        for inner in (key.get("items"), key.get("additionalProperties")):
            if isinstance(inner, dict):
                yield from self._models_of(inner)
        for alternative in _alternatives(key):
            for choice, model in self._models_of(alternative):
                if discriminator:
                    choice = f"{discriminator}: {model['properties'][discriminator]['const']}"
                yield choice, model

    def _resolved(self, key: JsonSchemaValue) -> JsonSchemaValue:
        return self.models[key["$ref"].rpartition("/")[2]]

    def _types(self, key: JsonSchemaValue, path: str, several: bool = False) -> list[str]:
        """Describes the types of values that a key accepts, such as `whole number ≥ 1`.

        Args:
          key: JSON Schema of the key.
          path: Dotted path of the key in a config file.
          several: Whether to describe the types in the plural, such as `whole numbers ≥ 1`.
        """
        if "$ref" in key or "discriminator" in key:
            choices = [choice for choice, _ in self._models_of(key)]
            return [f"[{choice or path}](#{_anchor(_heading(path, choice))})" for choice in choices]
        if alternatives := _alternatives(key):
            return [text for each in alternatives for text in self._types(each, path, several)]
        if "const" in key or "enum" in key:
            return [f"`{value}`" for value in key.get("enum", [key.get("const")])]
        plural = "s" if several else ""
        if key["type"] == "object":
            values = _either(self._types(key["additionalProperties"], path, several=True))
            names = key.get("propertyNames")
            return [
                f"mapping{plural} from {_either(self._types(names, path))} to {values}"
                if names
                else f"mapping{plural} to {values}"
            ]
        if key["type"] == "array":
            items = key.get("items") or key["prefixItems"][0]
            least, most = key.get("minItems", 0), key.get("maxItems")
            count = f"{least} " if least == most else f"at least {least} " if least > 1 else ""
            empty = "non-empty " if least == 1 else ""
            values = _either(self._types(items, path, several=True))
            return [f"{empty}list{plural} of {count}{values}"]
        return [_scalar(key, several)]


def _alternatives(key: JsonSchemaValue) -> Sequence[JsonSchemaValue]:
    alternatives: Sequence[JsonSchemaValue] = key.get("anyOf") or key.get("oneOf") or ()
    return alternatives


def _scalar(key: JsonSchemaValue, several: bool) -> str:
    """Describes the type of a single value, such as a number or a string, with its limits."""
    name = "date" if key.get("format") == "date" else _TYPES[key["type"]][several]
    if "pattern" in key:
        return f"{name} matching `{key['pattern']}`"
    if "minimum" in key and "maximum" in key:
        return f"{name} from {key['minimum']} to {key['maximum']}"
    limits = [f"{sign} {key[limit]}" for limit, sign in _LIMITS.items() if limit in key]
    return " ".join([name, " and ".join(limits)]).strip()


def _default(key: JsonSchemaValue) -> str:
    """Returns the default value of a key in Markdown, as it would be written in a config file."""
    value = key["default"]
    if "$ref" in key:
        return "its defaults"
    if key.get("format") == "date":
        return f"`{value}`"
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=_ONE_LINE)
    return f"`{text.removesuffix('...' + chr(10)).strip()}`"


def _either(choices: Sequence[str]) -> str:
    *first, last = dict.fromkeys(choices)
    return f"{', '.join(first)} or {last}" if first else last


def _heading(path: str, choice: str) -> str:
    return f"{path} with {choice}" if choice else path


def _anchor(heading: str) -> str:
    """Returns the anchor that GitHub generates for a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


if __name__ == "__main__":
    main()
