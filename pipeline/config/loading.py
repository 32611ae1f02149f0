"""Reads a config file, and reports each problem in it as a one-line message."""

import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from data.errors import InputError, nearest, one_line
from pipeline.config.config import Config
from pipeline.config.yaml_text import YamlError, parse_yaml

ENVIRONMENT_VARIABLE = "UNETFX_CONFIG"
"""Environment variable with the path of the config file, for commands such as `tfx run` that have
no option for a config file."""
DEFAULT_CONFIG = Path(__file__).parents[1] / "configs" / "blue_marble.yaml"

# Kinds of values, by the beginning of the names of pydantic's errors
_KINDS = {
    "bool": "true or false",
    "dict": "keys with values",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "model": "keys with values",
    "string": "text",
}
_MOST_PROBLEMS = 50  # maximum number of problems in a message
_LONGEST = 1000  # maximum length of a problem in characters; a wrong value may have millions


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
        content = parse_yaml(path.read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(
            f"{path}: no such config file, or not readable. Name one with --config."
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason}). Save it as UTF-8.") from error
    except YamlError as error:
        raise InputError(*(f"{path}: {problem}" for problem in error.problems)) from error
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: expected keys and values (name, data, gate, …), found "
            f"{type(content).__name__}."
        )
    return config_of(content, path)


def config_of(content: Mapping[str, Any], path: Path) -> Config:
    """Validates the content of a config file.

    Args:
      content: The keys and values of the file.
      path: Path of the file, for the message.

    Raises:
      InputError: See `load_config`.
    """
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        problems = error.errors()
        lines = [one_line(_message(content, each), _LONGEST) for each in problems[:_MOST_PROBLEMS]]
        if len(problems) > _MOST_PROBLEMS:
            lines.append(f"… and {len(problems) - _MOST_PROBLEMS} more problems.")
        raise InputError(*(f"{path}: {line}" for line in lines)) from error


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
    value = problem["input"]
    found = str(value) if isinstance(value, date) else repr(value)
    if problem["type"] == "string_type" and isinstance(value, bool | int | float | date | None):
        return (
            f"{key}: should be text, found {found}. Put it in quotes, as in "
            '"no" or "1": without quotes, YAML reads some texts as other values'
        )
    if problem["type"] == "list_type" and isinstance(value, str):
        return f"{key}: should be a list, found {found}. Write [{value}]"
    kind = _KINDS.get(re.sub("_(type|parsing|from_float|attributes_type)$", "", problem["type"]))
    message = f"should be {kind}" if kind else problem["msg"].removeprefix("Input ")
    return f"{key}: {message}, found {found}"


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
