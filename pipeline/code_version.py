"""Versions of our own code: TFX's cache looks at inputs and parameters, not at code."""

import hashlib
from pathlib import Path

_REPOSITORY = Path(__file__).parent.parent
_SOURCES = (".py", ".html", ".css", ".js")


def code_version(*sources: str) -> str:
    """Hashes source files.

    Args:
      sources: Files and folders, relative to the repository.

    Returns:
      Sixteen hexadecimal digits.
    """
    total = hashlib.sha256()
    for source in (_REPOSITORY / source for source in sources):
        for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if path.suffix not in _SOURCES:
                continue
            total.update(path.relative_to(_REPOSITORY).as_posix().encode())
            total.update(path.read_bytes())
    return total.hexdigest()[:16]
