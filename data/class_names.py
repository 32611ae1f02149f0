"""Names of classes, and their safe form in the names of features and metrics."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from data.printable import printable

_LONGEST = 100
_UNSAFE = re.compile(r"[^\w.-]+")  # `\w` includes the letters and digits of all scripts


def class_key(name: str) -> str:
    """Returns the safe form of a class name, such as `traffic_light` for `traffic light`.

    The names of features and metrics contain this form, such as `mask/fraction/traffic_light` and
    `iou/traffic_light`. It consists of letters, digits and `_ . -`. A name of only these characters
    is its own safe form.

    Args:
      name: Name of a class, or its safe form.
    """
    composed = unicodedata.normalize("NFC", name)
    return _UNSAFE.sub("_", composed).strip("_") if _UNSAFE.search(composed) else composed


def class_index(key: str, classes: Sequence[str]) -> int:
    """Returns the id of a class.

    Args:
      key: Safe form of the name of a class.
      classes: Names of the classes, by class id.

    Raises:
      ValueError: No class has this safe form.
    """
    return [class_key(name) for name in classes].index(class_key(key))


def fault_of_name(name: str) -> str | None:
    """Returns the reason why a text cannot be the name of a class, or None if it can."""
    if printable(name) != name:
        return f"a name may have no control characters, found '{printable(name)}'"
    if name != name.strip():
        return f"a name may not begin or end with a space, found {name!r}. Write {name.strip()!r}"
    if not re.search(r"\w", class_key(name)):
        return f"a name needs a letter or a digit, found {name!r}"
    if len(name) > _LONGEST:
        return f"a name may have at most {_LONGEST} characters, found {len(name)}: {name[:20]}…"
    if class_key(name) == "mean":
        return f"{name!r} is the name of the mean over all classes. Choose another name"
    return None


def equal_keys(classes: Iterable[str]) -> tuple[str, str] | None:
    """Returns two names with the same safe form, or None if all safe forms are different."""
    names: dict[str, str] = {}
    for name in classes:
        other = names.setdefault(class_key(name), name)
        if other != name:
            return other, name
    return None
