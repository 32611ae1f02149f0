"""Finds files of installed packages without importing the packages, which would run their code."""

from importlib import metadata
from pathlib import Path

from data.errors import InputError


def package_file(package: str, path: str, *, needed_for: str) -> Path:
    """Finds a file of an installed package.

    Args:
      package: Name of the package, as for `pip install`.
      path: Path of the file, relative to `site-packages`.
      needed_for: Name of the feature that needs the file, for the error message.

    Returns:
      The absolute path of the file.

    Raises:
      InputError: The package is not installed.
    """
    try:
        return Path(str(metadata.distribution(package).locate_file(path)))
    except metadata.PackageNotFoundError as error:
        raise InputError(
            f"{needed_for} needs the package {package}. Install it: pip install {package}"
        ) from error
