"""Delays the loading of modules that a library imports but most programs do not use."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Sequence


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
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec
