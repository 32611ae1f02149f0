"""Hashes source code, so that a change to the code invalidates TFX's cache.

TFX's cache compares only the inputs and parameters of a component. The hash is therefore passed to
components as a parameter.
"""

import hashlib
from functools import cache
from pathlib import Path

import grimp

_REPOSITORY = Path(__file__).parents[1]
_PACKAGES = ("data", "serving", "components", "pipeline")


def code_version(module: str) -> str:
    """Hashes the source code of a module and of all modules it imports, directly or indirectly.

    Only modules of this project are included. Imports inside functions count, but imports under
    `if TYPE_CHECKING:` do not.

    Args:
      module: Dotted name of the module, such as `components.trainer.run`.

    Returns:
      The first 16 hexadecimal digits of a SHA-256 hash.
    """
    graph = _import_graph()
    total = hashlib.sha256()
    for name in sorted({module} | graph.find_upstream_modules(module)):
        total.update(name.encode())
        total.update(_source(name).read_bytes())
    return total.hexdigest()[:16]


@cache
def _import_graph() -> grimp.ImportGraph:
    return grimp.build_graph(*_PACKAGES, exclude_type_checking_imports=True, cache_dir=None)


def _source(module: str) -> Path:
    path = _REPOSITORY.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
