"""Config of the pixel values in mask files, and of the tables from which they may be read."""

import posixpath
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from data.class_names import class_key
from data.config.class_tables import VOC_BORDER, ClassOfValue, read_class_table, voc_values
from data.errors import InputError, MissingFileError, nearest
from data.files.file_systems import unknown_scheme
from data.files.path_advice import missing_path_advice
from data.files.paths import join

OTHER = "other"
"""Key of `mask_values` for all pixel values that have no key of their own."""


def _is_mask_value(value: object) -> object:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)  # JSON turns numeric keys into strings
    is_number = type(value) is int and 0 <= value <= 65535
    is_colour = isinstance(value, str) and re.fullmatch("#[0-9a-fA-F]{6}", value)
    if not is_number and not is_colour:
        raise ValueError(
            f"should be a number from 0 to 65535 or a colour like '#ff8000', found {value!r}"
        )
    return value


def _is_mask_value_or_other(value: object) -> object:
    return value if value == OTHER else _is_mask_value(value)


def _maps_values_to_classes(values: object) -> object:
    if (
        isinstance(values, dict)
        and values
        and all(type(value) is int for value in values.values())
        and all(isinstance(key, str) and not key.isdecimal() for key in values)
    ):
        name, value = next(iter(values.items()))
        raise ValueError(f"should be the class of each value, as in {{{value}: {name}}}")
    return values


_FROM_TABLE = r"^from\s+(\S.*)$"

MaskValue = Annotated[int | str, BeforeValidator(_is_mask_value)]
"""A pixel value in a mask file: a number from 0 to 65535, or an HTML colour (`#ff8000`)."""
MaskValueOrOther = Annotated[int | str, BeforeValidator(_is_mask_value_or_other)]
"""A pixel value in a mask file, or `other`."""
MaskValues = Annotated[
    dict[MaskValueOrOther, str],
    BeforeValidator(
        _maps_values_to_classes,
        json_schema_input_type=dict[MaskValueOrOther, str]
        | Annotated[str, Field(pattern=_FROM_TABLE)],
    ),
]
"""Class of each pixel value. The config file may name a table instead (`from labelmap.txt`)."""


def classes_from_table(content: dict[str, Any]) -> dict[str, Any]:
    """Reads the table that `mask_values` names.

    Args:
      content: The `data` section of the config. Its `mask_values` is `from FILE` or `from voc`.

    Returns:
      `mask_values` with a class for each pixel value; `classes`, unless the config gives them;
      and `ignore_value` for the colours of Pascal VOC.

    Raises:
      ValueError: The text is not as expected, the table cannot be read, or it does not name a class
        of the config.
    """
    match = re.match(_FROM_TABLE, content["mask_values"])
    if match is None:
        raise ValueError(
            "mask_values: should be a class for each pixel value, or a table such as "
            f"from labelmap.txt, found {content['mask_values']!r}"
        )
    if match[1] == "voc":
        ignored = {"ignore_value": content.get("ignore_value", VOC_BORDER)}
        return _of_classes(voc_values(), content.get("classes"), "voc") | ignored
    table = match[1]
    if fault := unknown_scheme(table):
        raise ValueError(f"mask_values: {table}: {fault}")
    try:
        values = read_class_table(join(_folder_of(content.get("source")), table))
    except MissingFileError as error:
        advice = missing_path_advice(table, "the folder of the source")
        raise ValueError(f"mask_values: {f'{table}: {advice}' if advice else error}") from error
    except InputError as error:
        raise ValueError(f"mask_values: {error}") from error
    return _of_classes(values, content.get("classes"), table)


def _folder_of(source: Any) -> str:
    """Returns the folder to which the path of a table is relative."""
    content = source if isinstance(source, dict) else getattr(source, "__dict__", {})
    path, span, _ = str(content.get("path") or ".").partition("{SPAN")
    is_file = bool(span) or content.get("kind") == "manifest"
    return (posixpath.dirname(path) or ".") if is_file else path


def _of_classes(values: ClassOfValue, classes: Any, table: str) -> dict[str, Any]:
    """Returns the classes, and the values of the table that belong to them."""
    names = list(dict.fromkeys(values.values()))
    if classes is None:
        return {"classes": names, "mask_values": values}
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        return {"mask_values": {}}  # the type is reported later
    keys = {class_key(name) for name in names}
    if missing := [name for name in classes if class_key(name) not in keys]:
        raise ValueError(
            f"classes: {table} does not name {missing[0]!r}{nearest(missing[0], names)}. It names "
            f"{', '.join(names)}"
        )
    of_key = {class_key(name): name for name in classes}
    used = {value: of_key.get(class_key(name)) for value, name in values.items()}
    return {"mask_values": {value: name for value, name in used.items() if name is not None}}
