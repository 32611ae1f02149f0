"""Reads a config file, and reports each problem in it as a one-line message."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from data.errors import InputError, nearest, one_line
from pipeline.config.config import Config

ENVIRONMENT_VARIABLE = "UNETFX_CONFIG"
"""Environment variable with the path of the config file, for commands such as `tfx run` that have
no option for a config file."""
DEFAULT_CONFIG = Path(__file__).parents[1] / "configs" / "blue_marble.yaml"

_MERGE_KEY = "tag:yaml.org,2002:merge"  # YAML tag of the merge key `<<`


def config_path() -> Path:
    """Returns the path in `UNETFX_CONFIG`, or else the path of the Blue Marble example."""
    return Path(os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT_CONFIG)


def load_config(path: Path) -> Config:
    """Reads and validates a config file.

    Args:
      path: Path of a YAML file.

    Returns:
      The config. Relative paths in the config are resolved against the current folder.

    Raises:
      InputError: The file is missing, is not YAML, or contains an unknown key, a repeated key, a
        value of the wrong type or an invalid value. The message has one line for each problem, with
        the file, the key and what was expected.
    """
    try:
        content, repeated = _parse(path.read_text())
    except OSError as error:
        raise InputError(
            f"{path}: no such config file, or not readable. Name one with --config."
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not YAML: {one_line(error)}") from error
    except (LookupError, AttributeError, TypeError) as error:
        raise InputError(
            f"{path}: a value does not fit the tag before it (such as !!bool). Remove the tag."
        ) from error
    if repeated:
        raise InputError("\n".join(f"{path}: {problem}" for problem in repeated))
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: expected keys and values (name, data, gate, …), found "
            f"{type(content).__name__}."
        )
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        lines = [f"{path}: {_message(content, problem)}" for problem in error.errors()]
        raise InputError("\n".join(lines)) from error


class _Loader(yaml.SafeLoader):
    """YAML loader that reads `1e-4` as a number, as in YAML 1.2; PyYAML reads it as a string."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _parse(text: str) -> tuple[object, list[str]]:
    """Parses YAML text, and returns its content and a message for each repeated key."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None, []
        repeated = list(_repeated_keys(loader, root, (), set()))
        return loader.construct_document(root), repeated
    finally:
        loader.dispose()


def _repeated_keys(
    loader: _Loader, node: yaml.Node, path: tuple[str, ...], visited: set[yaml.Node]
) -> Iterator[str]:
    """Yields a message for each key that occurs more than once in the same mapping.

    PyYAML would silently use the last value of a repeated key. A key may override one that is
    merged with `<<`; this does not count as a repetition.

    Args:
      loader: Loader that converts keys to Python values, so that `a` equals `"a"`, and `10` equals
        `0xa`.
      node: The YAML node to check, together with all nodes nested in it.
      path: Keys that lead from the root of the document to the node.
      visited: Nodes that have already been checked, which are skipped. The same node can be reached
        more than once, through aliases (`*name`).
    """
    if node in visited:
        return
    visited.add(node)
    inner: list[tuple[tuple[str, ...], yaml.Node]] = []
    if isinstance(node, yaml.SequenceNode):
        inner = [((*path, str(index)), item) for index, item in enumerate(node.value)]
    elif isinstance(node, yaml.MappingNode):
        lines: dict[object, list[int]] = {}
        for key_node, value in node.value:
            # Keys that are lists or mappings are ignored here, because PyYAML rejects them later.
            if isinstance(key_node, yaml.ScalarNode):
                merges = key_node.tag == _MERGE_KEY
                key = key_node.value if merges else loader.construct_object(key_node)
                lines.setdefault(key, []).append(key_node.start_mark.line + 1)
                inner.append((path if merges else (*path, str(key)), value))
        for key, numbers in lines.items():
            if len(numbers) > 1:
                name = ".".join((*path, str(key)))
                times = "twice" if len(numbers) == 2 else f"{len(numbers)} times"
                yield f"{name}: the key is given {times}, in {_lines(numbers)}. Keep one."
    for inner_path, inner_node in inner:
        yield from _repeated_keys(loader, inner_node, inner_path, visited)


def _lines(numbers: list[int]) -> str:
    """Formats line numbers for a message, as in `line 3` or `lines 3, 5 and 8`."""
    *first, last = map(str, dict.fromkeys(numbers))
    return f"lines {', '.join(first)} and {last}" if first else f"line {last}"


def _message(content: Mapping[str, Any], problem: Mapping[str, Any]) -> str:
    """Formats a pydantic validation error as a one-line message that begins with the key."""
    keys = _keys_in_file(content, problem["loc"])
    key = ".".join(keys)
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key{nearest(str(problem['loc'][-1]), _known_keys(Config))}"
    if problem["type"] == "missing":
        return f"{'.'.join((*keys, str(problem['loc'][-1])))}: missing"
    if problem["type"] == "union_tag_not_found":
        return f"{key}.{_discriminator(problem)}: missing"
    if problem["type"] == "union_tag_invalid":
        expected, found = problem["ctx"]["expected_tags"], problem["ctx"]["tag"]
        return f"{key}.{_discriminator(problem)}: should be one of {expected}, found {found!r}"
    if problem["type"] == "value_error":
        text = str(problem["ctx"]["error"])
        return text if text.startswith(key) else f"{key}: {text}" if key else text
    message = problem["msg"].removeprefix("Input ")
    return f"{key}: {message}, found {problem['input']!r}"


def _discriminator(problem: Mapping[str, Any]) -> str:
    """Returns the name of the key that selects the pydantic model for a section, such as `kind`."""
    return str(problem["ctx"]["discriminator"]).strip("'")


def _keys_in_file(content: Any, location: tuple[int | str, ...]) -> tuple[str, ...]:
    """Returns the keys that lead to a problem, without the type names that pydantic inserts."""
    keys = []
    for part in location:
        is_key = isinstance(content, Mapping) and part in content
        if is_key or (isinstance(content, list) and isinstance(part, int)):
            content = content[part]
            keys.append(str(part))
    return tuple(keys)


def _known_keys(model: type[BaseModel]) -> set[str]:
    """Returns the keys of a pydantic model and of all its nested models."""
    keys = set(model.model_fields)
    for field in model.model_fields.values():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                keys |= _known_keys(kind)
    return keys
