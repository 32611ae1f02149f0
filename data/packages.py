"""Files that other packages carry. They are read, never imported: importing runs their code."""

from importlib import metadata
from pathlib import Path

from data.errors import InputError


def package_file(package: str, path: str, *, needed_for: str) -> Path:
    """Finds a file of an installed package.

    Args:
      package: The package's name in the index.
      path: The file's path below the folder that packages are installed in.
      needed_for: What needs it, for the message.

    Returns:
      The file's path.

    Raises:
      InputError: The package is not installed.
    """
    try:
        return Path(str(metadata.distribution(package).locate_file(path)))
    except metadata.PackageNotFoundError as error:
        raise InputError(
            f"{needed_for} needs the package {package}. Install it: pip install {package}"
        ) from error
