"""Runs jobs in stages, and groups rows by name between the stages (a shuffle through files).

In each stage of a job, several processes run tasks, which write rows. Rows with the same name form
a group. The hash of the name determines the partition of the group, and each partition is one task
of the next stage. Between two stages, the rows are in sorted files. The main process keeps only the
positions of the rows in memory, and a task only the rows of its partition. The same stages can run
on this machine (`run_job`) or as a Beam job (`components/beam_job.py`).
"""

import bisect
import functools
import hashlib
import itertools
import json
import uuid
import zlib
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from typing_extensions import Self

from data.files.paths import join
from data.files.reading import read_range
from data.files.writing import new_file
from data.jobs.processes import ahead

PARTITIONS = 128
"""Number of partitions. Hashing distributes the names about evenly among them."""
_HASH_DIGITS = 16  # number of hexadecimal digits in the hash of a name
_ROWS_A_FILE = 2**15  # number of rows that a `RowWriter` collects before it writes a file

_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode  # faster than `json.loads`


class Segment(NamedTuple):
    """Position of the rows of one partition in a file that `RowWriter` has written.

    Attributes:
      path: Path of the file, local or remote.
      start: Position of the first byte in the file.
      length: Number of bytes.
    """

    path: str
    start: int
    length: int


class Output(NamedTuple):
    """The output of one task.

    Attributes:
      result: Result of the task, which is merged with the results of all other tasks of the job.
      rows: Positions of the rows that the task wrote for the next stage, with partition numbers.
    """

    result: Any
    rows: Sequence[tuple[int, Segment]] = ()


class Result(Protocol):
    """A result that can be merged with other results, in any order."""

    def merged(self, other: Self) -> Self:
        """Returns the combined result, which may be this object, changed in place."""


class Stage(NamedTuple):
    """One stage of a job.

    Attributes:
      run: Function that runs a task. Arguments: the task; the settings of the job. A task of the
        first stage is any value that can be pickled. A task of a later stage is a sequence of
        segments, which together contain all rows of one partition.
      threads: Number of threads that run the tasks in the process that runs the job. Set this for
        tasks that start worker processes themselves. With 0, worker processes run the tasks.
    """

    run: Callable[[Any, Any], Output]
    threads: int = 0


def hash_name(name: str) -> str:
    """Returns the hash by which rows are sorted: 16 hexadecimal digits of the name's SHA-256."""
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_HASH_DIGITS]


def partition_of(name_hash: str) -> int:
    """Returns the partition number for a hash (see `hash_name`). The number grows with the hash."""
    return int(name_hash[:4], 16) * PARTITIONS >> 16


class RowWriter:
    """Writes rows to files. In each file, the rows are sorted by the hashes of their names.

    The files have unique names, because a Beam runner may run a task twice.
    """

    def __init__(self, folder: str) -> None:
        """Initialises the writer.

        Args:
          folder: Folder for the files, local or remote.
        """
        self._folder = folder
        self._lines: list[bytes] = []
        self._rows: list[tuple[int, Segment]] = []

    def add(self, name_hash: str, row: Sequence[Any]) -> None:
        """Adds a row.

        Args:
          name_hash: Hash of the row's name (see `hash_name`).
          row: Values of the row, all of which can be stored as JSON.

        Raises:
          InputError: A file cannot be written.
        """
        self._lines.append(f"{name_hash}{_encode(row)}\n".encode())
        if len(self._lines) == _ROWS_A_FILE:
            self._write()

    def finish(self) -> list[tuple[int, Segment]]:
        """Writes the remaining rows.

        Returns:
          Positions of all rows that were added, each with the number of the partition.

        Raises:
          InputError: A file cannot be written.
        """
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
    """Reads all rows of a partition, grouped by the hashes of their names.

    Args:
      segments: Positions of the rows.

    Yields:
      Each hash, in ascending order, and an iterator of the rows with this hash, sorted by their
      JSON text. The rows must be read before the next group is requested.

    Raises:
      InputError: A file cannot be read.
    """
    parts = (zlib.decompress(read_range(*segment)) for segment in segments)
    lines = sorted(itertools.chain.from_iterable(part.splitlines() for part in parts))
    for name_hash, group in itertools.groupby(lines, lambda line: line[:_HASH_DIGITS]):
        yield name_hash.decode(), (_decode(line.decode(), _HASH_DIGITS)[0] for line in group)


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
      settings: Settings of the job, which are the second argument of each stage's function.
      empty: The result of a job without tasks.
      run_tasks: Function that runs the tasks of a stage: `in_processes` or `in_this_process` from
        `data.jobs.processes`.

    Returns:
      The merged results of all tasks in all stages.

    Raises:
      UnavailableError: A worker process was killed, most likely because the memory was full.
      Exception: Any exception that a task raises.
    """
    merged = empty
    for stage in stages:
        partitions: dict[int, _Segments] = defaultdict(_Segments)
        outputs: Iterable[Output]
        if stage.threads:
            call = functools.partial(_call, stage, settings)
            outputs = ahead(call, tasks, stage.threads)
        else:
            outputs = run_tasks(stage.run, tasks, settings)
        for output in outputs:
            merged = merged.merged(output.result)
            for partition, segment in output.rows:
                partitions[partition].add(segment)
        tasks = map(list, partitions.values())
    return merged


class _Segments:
    """Segments, stored in 24 bytes each. A list would take six times as much memory."""

    def __init__(self) -> None:
        self._paths: list[str] = []
        self._starts, self._lengths = array("Q"), array("Q")

    def add(self, segment: Segment) -> None:
        self._paths.append(segment.path)
        self._starts.append(segment.start)
        self._lengths.append(segment.length)

    def __iter__(self) -> Iterator[Segment]:
        return map(Segment, self._paths, self._starts, self._lengths)


def _call(stage: Stage, settings: Any, task: Any) -> Output:
    return stage.run(task, settings)


def _start_of(partition: int) -> bytes:
    """Returns the first four digits of the smallest hash in a partition.

    For the number after the last partition, returns `g`, which is greater than any hash.
    """
    return f"{partition * (2**16 // PARTITIONS):04x}".encode() if partition < PARTITIONS else b"g"
