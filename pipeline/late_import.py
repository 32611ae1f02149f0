"""Delays the loading of modules that a library imports but most programs do not use."""

import importlib.abc
import importlib.machinery
import sys
import threading
import types
from collections.abc import Sequence
from typing import Any

_LOADING = threading.RLock()


def load_late(name: str) -> None:
    """Makes later imports of a module return at once; its first use then loads it.

    Args:
      name: Full name of a module that has not been imported yet.
    """
    sys.meta_path.insert(0, _LateFinder(name))


class _LateFinder(importlib.abc.MetaPathFinder):
    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(
        self, name: str, path: Sequence[str] | None, _: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec and spec.loader:
            spec.loader = _LateLoader(spec.loader)
        return spec


class _LateLoader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _LateModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        vars(module)["_late_loader"] = self._loader


class _LateModule(types.ModuleType):
    """A module that loads when one of its names is used.

    Unlike the modules of `importlib.util.LazyLoader`, it does not load for `vars(module)`: Beam
    looks at the globals of all modules when it measures what it caches. Special names such as
    `__warningregistry__`, which other libraries look for in all modules, do not load it either.
    """

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            with _LOADING:  # other threads wait until the module is complete
                if loader := vars(self).pop("_late_loader", None):
                    loader.exec_module(self)
            if name in vars(self):
                return vars(self)[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
