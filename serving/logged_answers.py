"""Reads the logs of predictions that `serving.request_log`, or a client of TF Serving, wrote."""

import posixpath
from collections.abc import Iterator, Sequence

import pydantic

from data.errors import InputError, listed, one_line
from data.files.finding import find_files, is_folder
from data.files.paths import join
from data.files.reading import read_lines
from data.printable import printable
from serving.request_log import SUFFIX, Answer


def read_answers(paths: Sequence[str], classes: Sequence[str]) -> Iterator[Answer]:
    """Reads the lines of logs, one at a time.

    Args:
      paths: Files, and folders whose `*.jsonl` files are read, local or remote.
      classes: Class names of the model.

    Yields:
      The lines, in the order of the files. The paths of kept images begin with the folder of the
      log. A last line that is incomplete, because its process was
      killed or is still writing, is skipped.

    Raises:
      InputError: A path does not exist, a folder contains no log, a line is not of a log, or a log
        belongs to a model with other classes.
    """
    for path in paths:
        files = find_files(join(path, f"*{SUFFIX}")) if is_folder(path) else [path]
        if not files:
            raise InputError(f"{path}: contains no log (*{SUFFIX}). unetfx serve --log writes one")
        for file in files:
            yield from _read(file, classes)


def _read(file: str, classes: Sequence[str]) -> Iterator[Answer]:
    before: pydantic.ValidationError | None = None
    for number, line in enumerate(read_lines(file), 1):
        if before:
            raise _not_a_log(file, number - 1, before) from before
        try:
            answer = Answer.model_validate_json(line)
        except pydantic.ValidationError as error:
            if number == 1:
                raise _not_a_log(file, number, error) from error
            before = error  # accepted if no line follows
            continue
        if answer.kept is not None:
            answer.kept = join(posixpath.dirname(file), answer.kept)
        if set(answer.classes) != set(classes):
            raise InputError(
                f"{file}, line {number}: has the classes {listed(answer.classes)}, expected "
                f"{listed(classes)}: the log of another model?"
            )
        yield answer


def _not_a_log(file: str, number: int, error: pydantic.ValidationError) -> InputError:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    reason = one_line(first["msg"])
    return InputError(
        printable(
            f"{file}, line {number}: not a log of unetfx ({f'{place}: ' if place else ''}{reason})"
        )
    )
