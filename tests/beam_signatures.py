"""Makes Beam inspect each function once in a process.

Beam inspects the methods of every DoFn several times in each job. The tests run some hundred small
jobs of the same DoFns, which would spend a third of their time in `inspect.signature`.
"""

from collections.abc import Callable
from typing import Any

from apache_beam.transforms import core

_inspect = core.get_function_args_defaults
_known: dict[tuple[Any, bool], tuple[list[str], list[Any]]] = {}


def _inspect_once(function: Callable[..., Any]) -> tuple[list[str], list[Any]]:
    """Returns the names of a function's arguments, and the default values of the last ones."""
    # Each DoFn object has new bound methods, but all of them have the same function.
    key = (getattr(function, "__func__", function), hasattr(function, "__self__"))
    if key not in _known:
        _known[key] = _inspect(function)
    names, defaults = _known[key]
    return [*names], [*defaults]


core.get_function_args_defaults = _inspect_once
