"""Groups rows by name: a shuffle through files, in which several processes write and read rows.

A job is a sequence of stages. In each stage, processes work on tasks and write rows. Rows with the
same name are one group, and all groups of a partition are one task of the next stage. Rows wait in
files in between, sorted: only the places of the rows are in memory, whatever their number, and the
same stages run on this machine (`run_job`) or as a Beam job (`components/beam_job.py`).
"""

import bisect
import functools
import hashlib
import itertools
import json
import uuid
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from typing_extensions import Self

from data.files import join, new_file, read_range
from data.processes import ahead

PARTITIONS = 128
"""Number of partitions; each has the same number of names, apart from chance."""
_ORDER_DIGITS = 16  # hexadecimal digits of a hash, which sort the rows and select the partition
_ROWS_A_FILE = 2**15  # maximum number of rows that a process collects before it writes them

_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode  # faster than `json.loads`, and also gives the end


class Segment(NamedTuple):
    """The rows of one partition in one file.

    Attributes:
      path: Path of the file.
      start: Position of the first byte.
      length: Number of bytes.
    """

    path: str
    start: int
    length: int


class Output(NamedTuple):
    """The output of one task.

    Attributes:
      result: Result of the task, which is merged with those of all other tasks of the job.
      rows: For the next stage, the partition and the place of the rows that the task wrote.
    """

    result: Any
    rows: Sequence[tuple[int, Segment]] = ()


class Result(Protocol):
    """A result that can be merged with others, in any order."""

    def merged(self, other: Self) -> Self:
        """Returns the result of the tasks of both."""


class Stage(NamedTuple):
    """One stage of a job.

    Attributes:
      run: Function of a task and the settings of the job. A task of the first stage is any value
        that can be pickled; a task of a later stage is a sequence of segments, all rows of one
        partition.
      threads: Number of tasks that run at the same time in the process of the job, for tasks that
        start processes themselves; 0 to run tasks in processes of their own.
    """

    run: Callable[[Any, Any], Output]
    threads: int = 0


def order_of(name: str) -> str:
    """Returns the hash of a name that sorts the rows: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_ORDER_DIGITS]


def partition_of(order: str) -> int:
    """Returns the partition of a hash from `order_of`; partitions follow each other in order."""
    return int(order[:4], 16) * PARTITIONS >> 16


class RowWriter:
    """Writes rows into files, sorted by the hash of their names.

    The files have unique names, since a Beam runner may run a task twice.
    """

    def __init__(self, folder: str) -> None:
        """Initialises the writer.

        Args:
          folder: Folder for the files, local or remote.
        """
        self._folder = folder
        self._lines: list[bytes] = []
        self._rows: list[tuple[int, Segment]] = []

    def add(self, order: str, row: Sequence[Any]) -> None:
        """Adds a row.

        Args:
          order: Hash of the row's name (see `order_of`).
          row: Values that JSON can hold.
        """
        self._lines.append(f"{order}{_encode(row)}\n".encode())
        if len(self._lines) == _ROWS_A_FILE:
            self._write()

    def finish(self) -> list[tuple[int, Segment]]:
        """Writes the remaining rows, and returns the partition and the place of all rows."""
        if self._lines:
            self._write()
        return self._rows

    def _write(self) -> None:
        lines = sorted(self._lines)
        self._lines.clear()
        path = join(self._folder, uuid.uuid4().hex)
        with new_file(path) as file:
            place = first = 0
            for partition in range(PARTITIONS):
                end = bisect.bisect_left(lines, _start_of(partition + 1), first)
                if end > first:
                    content = zlib.compress(b"".join(lines[first:end]), 1)
                    file.write(content)
                    self._rows.append((partition, Segment(path, place, len(content))))
                    place += len(content)
                first = end


def read_groups(segments: Iterable[Segment]) -> Iterator[tuple[str, Iterator[Any]]]:
    """Reads all rows of a partition, grouped by the hash of their names.

    Args:
      segments: The places of the rows.

    Yields:
      The hash, in order, and the rows with this hash, sorted by their text. The rows can be read
      only once, before the next group.
    """
    parts = (zlib.decompress(read_range(*segment)) for segment in segments)
    lines = sorted(itertools.chain.from_iterable(part.splitlines() for part in parts))
    for order, group in itertools.groupby(lines, lambda line: line[:_ORDER_DIGITS]):
        yield order.decode(), (_decode(line.decode(), _ORDER_DIGITS)[0] for line in group)


MergedResult = TypeVar("MergedResult", bound=Result)


def run_job(
    stages: Sequence[Stage],
    tasks: Iterable[Any],
    settings: Any,
    empty: MergedResult,
    *,
    run_tasks: Callable[..., Iterable[Output]],
) -> MergedResult:
    """Runs a job on this machine.

    Args:
      stages: The stages of the job.
      tasks: Tasks of the first stage.
      settings: The second argument of each stage.
      empty: The result of no task at all.
      run_tasks: Runs the tasks of a stage: `in_processes` or `in_this_process` of
        `data.processes`.

    Returns:
      The merged results of all tasks of all stages.
    """
    merged = empty
    for stage in stages:
        partitions: dict[int, list[Segment]] = defaultdict(list)
        outputs: Iterable[Output]
        if stage.threads:
            call = functools.partial(_call, stage, settings)
            outputs = ahead(call, tasks, stage.threads)
        else:
            outputs = run_tasks(stage.run, tasks, settings)
        for output in outputs:
            merged = merged.merged(output.result)
            for partition, segment in output.rows:
                partitions[partition].append(segment)
        tasks = list(partitions.values())
    return merged


def _call(stage: Stage, settings: Any, task: Any) -> Output:
    return stage.run(task, settings)


def _start_of(partition: int) -> bytes:
    """Returns the smallest hash of a partition, as the rows have it."""
    return f"{partition * (2**16 // PARTITIONS):04x}".encode() if partition < PARTITIONS else b"g"
