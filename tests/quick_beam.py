"""Makes Beam inspect each function and class, and parse its options, once in a process.

Beam inspects the methods of every DoFn several times in each job, looks through all imported
modules for every function that it pickles and every value that it caches, and parses its options
for every transform. The tests run some hundred small jobs, which would spend most of their time on
that.
"""

import types
from collections.abc import Callable
from typing import Any

from apache_beam.internal.cloudpickle import cloudpickle
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.worker import statecache
from apache_beam.transforms import core, userstate

_inspect, _view_as = core.get_function_args_defaults, PipelineOptions.view_as
_specs_of, _find_submodules = userstate.get_dofn_specs, cloudpickle._find_imported_submodules
_inspected: dict[tuple[Any, bool], tuple[list[str], list[Any]]] = {}
_views: dict[tuple[int, type], Any] = {}
_specs: dict[tuple[type, Any], tuple[set[Any], set[Any]]] = {}
_submodules: dict[tuple[types.CodeType, tuple[str, ...]], list[types.ModuleType]] = {}


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


def _specs_once(dofn: core.DoFn) -> tuple[set[Any], set[Any]]:
    """Returns the states and timers in the arguments of the methods of a DoFn."""
    # DoFns made of functions have the same class, and the function as an attribute.
    key = (type(dofn), vars(dofn).get("process"))
    if key not in _specs:
        _specs[key] = _specs_of(dofn)
    states, timers = _specs[key]
    return {*states}, {*timers}


def _submodules_once(code: types.CodeType, dependencies: Any) -> list[types.ModuleType]:
    """Returns the submodules that the code of a function uses through the given modules."""
    modules = [each for each in dependencies if isinstance(each, types.ModuleType)]
    key = (code, tuple(module.__name__ for module in modules))
    if key not in _submodules:
        _submodules[key] = _find_submodules(code, modules)
    return [*_submodules[key]]


core.get_function_args_defaults = _inspect_once
PipelineOptions.view_as = _view_once
userstate.get_dofn_specs = _specs_once
cloudpickle._find_imported_submodules = _submodules_once
# The cache of a job keeps all values of a small job, whatever their size.
statecache.get_deep_size = lambda *_: 1
