"""Makes Beam inspect each function, and parse its options, once in a process.

Beam inspects the methods of every DoFn several times in each job, and parses its options for every
transform. The tests run some hundred small jobs, which would spend much of their time on that.
"""

from collections.abc import Callable
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import core

_inspect, _view_as = core.get_function_args_defaults, PipelineOptions.view_as
_inspected: dict[tuple[Any, bool], tuple[list[str], list[Any]]] = {}
_views: dict[tuple[int, type], Any] = {}


def _inspect_once(function: Callable[..., Any]) -> tuple[list[str], list[Any]]:
    """Returns the names of a function's arguments, and the default values of the last ones."""
    # Each DoFn object has new bound methods, but all of them have the same function.
    key = (getattr(function, "__func__", function), hasattr(function, "__self__"))
    if key not in _inspected:
        _inspected[key] = _inspect(function)
    names, defaults = _inspected[key]
    return [*names], [*defaults]


def _view_once(options: PipelineOptions, view: type) -> Any:
    """Returns the options as an object of another class, which shares the values of the options."""
    # The view keeps the dict of the values alive, so no other dict gets the same ID.
    key = (id(options._all_options), view)
    if key not in _views:
        _views[key] = _view_as(options, view)
    return _views[key]


core.get_function_args_defaults = _inspect_once
PipelineOptions.view_as = _view_once
