"""Reads a config file, and says in one line what is wrong with it."""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from data.errors import InputError
from pipeline.config.config import Config

ENVIRONMENT_VARIABLE = "UNETFX_CONFIG"
"""Names the config file where no command line can: under `tfx run`."""
DEFAULT_CONFIG = Path(__file__).parents[1] / "configs" / "blue_marble.yaml"


def config_path() -> Path:
    """Returns the config file that the environment names, or the Blue Marble one."""
    return Path(os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT_CONFIG)


def load_config(path: Path) -> Config:
    """Reads and checks a config file.

    Args:
      path: Of a YAML file.

    Returns:
      The config; relative paths in it start at the current folder.

    Raises:
      InputError: No such file, not YAML, an unknown key, a wrong type, or an impossible value: a
        line for each, naming the file, the key and what was expected.
    """
    try:
        raw = yaml.load(path.read_text(), _Loader)  # noqa: S506, it is a SafeLoader
    except OSError as error:
        raise InputError(
            f"{path}: no such config file, or not readable. Name one with --config."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())
        raise InputError(f"{path}: not YAML: {problem}") from error
    if not isinstance(raw, dict):
        raise InputError(
            f"{path}: expected keys and values (name, data, gate, …), found {type(raw).__name__}."
        )
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        lines = [f"{path}: {_in_words(raw, problem)}" for problem in error.errors()]
        raise InputError("\n".join(lines)) from error


class _Loader(yaml.SafeLoader):
    """YAML 1.1 takes 1e-4 for a string; everybody else takes it for a number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _in_words(raw: Mapping[str, Any], problem: Mapping[str, Any]) -> str:
    keys = _file_keys(raw, problem["loc"])
    key = ".".join(keys)
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(problem["loc"][-1]), _known_keys(Config), 1)
        return f"{key}: unknown key{f'; did you mean {near[0]}?' if near else ''}"
    if problem["type"] == "missing":
        return f"{'.'.join((*keys, str(problem['loc'][-1])))}: missing"
    if problem["type"] == "union_tag_not_found":
        return f"{key}.{_discriminator(problem)}: missing"
    if problem["type"] == "union_tag_invalid":
        expected, found = problem["ctx"]["expected_tags"], problem["ctx"]["tag"]
        name = _discriminator(problem)
        return f"{key}.{name}: should be one of {expected}, found {found!r}"
    if problem["type"] == "value_error":
        text = str(problem["ctx"]["error"])
        return text if text.startswith(key) else f"{key}: {text}" if key else text
    message = problem["msg"].removeprefix("Input ")
    return f"{key}: {message}, found {problem['input']!r}"


def _discriminator(problem: Mapping[str, Any]) -> str:
    """The key that tells which of several types a part of the config is: `kind`, as a rule."""
    return str(problem["ctx"]["discriminator"]).strip("'")


def _file_keys(raw: Any, location: tuple[int | str, ...]) -> tuple[str, ...]:
    """The file's own keys on the way to a problem: pydantic mixes in the names of types."""
    keys = []
    for part in location:
        found = isinstance(raw, Mapping) and part in raw
        if found or (isinstance(raw, list) and isinstance(part, int)):
            raw = raw[part]
            keys.append(str(part))
    return tuple(keys)


def _known_keys(model: type[BaseModel]) -> set[str]:
    keys = set(model.model_fields)
    for field in model.model_fields.values():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                keys |= _known_keys(kind)
    return keys
