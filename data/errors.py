"""The one error that a user sees without a stack trace."""


class InputError(Exception):
    """Something the user gave is wrong: a file, a folder, a config value.

    The message says what is wrong, where, and what to do, in one line for each finding. Commands
    print it and exit with code 2.
    """
