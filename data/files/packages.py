"""Finds files in installed packages. Packages are not imported, since that would run their code."""

from importlib import metadata
from pathlib import Path

from data.errors import InputError


def package_file(package: str, path: str, *, needed_for: str) -> Path:
    """Finds a file in an installed package.

    Args:
      package: Name of the package, as used with `pip install`.
      path: Path of the file, relative to `site-packages`.
      needed_for: Name of the feature that needs the file, for the error message.

    Returns:
      The absolute path of the file, which need not exist.

    Raises:
      InputError: The package is not installed.
    """
    try:
        return Path(str(metadata.distribution(package).locate_file(path)))
    except metadata.PackageNotFoundError as error:
        raise InputError(
            f"{needed_for} needs the package {package}. Install it: pip install {package}"
        ) from error
