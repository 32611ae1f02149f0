"""Name of the person who runs a command, for the records of decisions."""

import getpass
import os


def user_name() -> str:
    """Returns the user name of the current process, or `user <ID>` if the user has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # In a container, the user ID often has no user name. The type of the exception that
        # `getuser` then raises depends on the Python version.
        return f"user {os.getuid()}"
