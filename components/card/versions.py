"""Versions of the software that makes a model."""

import platform
from importlib import metadata

_LIBRARIES = ("tensorflow", "keras", "tfx", "apache-beam", "tensorflow-model-analysis", "numpy")


def software_versions() -> dict[str, str]:
    """Returns the versions of unetfx, Python and the main libraries, by name."""
    libraries = {library: metadata.version(library) for library in _LIBRARIES}
    return {
        "unetfx": metadata.version("unetfx"),
        "Python": platform.python_version(),
        **libraries,
    }
