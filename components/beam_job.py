"""Runs a job in stages (see `data.jobs.shuffle`) as a Beam pipeline."""

import copy
import os
import pickle
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows

from data.errors import InputError
from data.files.paths import join
from data.files.reading import read_bytes
from data.files.removing import remove_file
from data.files.writing import new_file
from data.jobs.processes import most_running, result_of, start
from data.jobs.shuffle import Output, Result, Stage

_RESULTS, _ROWS = "results", "rows"  # tags of the outputs of a stage


def run_beam_job(
    make_pipeline: Callable[[], Any],
    folder: str,
    stages: Sequence[Stage],
    tasks: Iterable[Any],
    settings: Any,
    empty: Any,
    count: Callable[[Any], None] | None = None,
) -> Any:
    """Runs a job on Beam.

    Args:
      make_pipeline: Creates a Beam pipeline, which runs when its `with` block ends.
      folder: Folder for the file with the result. All Beam workers must have access to the folder.
      stages: The stages of the job.
      tasks: Tasks of the first stage.
      settings: Settings of the job, which are the second argument of each stage's function.
      empty: The result of a job without tasks.
      count: Function that increments Beam counters by the numbers in the result; None for no
        counters.

    Returns:
      The merged results of all tasks in all stages.

    Raises:
      InputError: A task raised an InputError, or the result cannot be written or read.
      Exception: Any other exception that a task raises, as the Beam runner reports it.
    """
    path = join(folder, f"result-{uuid.uuid4().hex}")
    with make_pipeline() as pipeline:
        result = pipeline | beam.Create(tasks) | RunStages(stages, settings, empty)
        _ = result | "WriteResult" >> beam.Map(_write, path, count)
    # Unpickling is safe because the file was written by this job.
    merged = pickle.loads(read_bytes(path))  # noqa: S301
    remove_file(path)
    if isinstance(merged, InputError):
        raise merged
    return merged


class RunStages(beam.PTransform):
    """Runs the stages of a job. Between two stages, the rows are grouped by partition.

    Beam's local runner keeps all elements of a GroupByKey in memory. Beam therefore groups only the
    positions of the rows (see `Segment`), while the rows stay in files. If a task raises an
    InputError, the error becomes the result of the job.
    """

    def __init__(self, stages: Sequence[Stage], settings: Any, empty: Result) -> None:
        """Initialises the transform.

        Args:
          stages: The stages.
          settings: Settings of the job, which are the second argument of each stage's function.
          empty: The result of a job without tasks.
        """
        super().__init__()
        self._stages = stages
        self._settings = settings
        self._empty = empty

    def expand(self, tasks: beam.PCollection) -> beam.PCollection:
        """Returns the merged results of all tasks in all stages, as a single element.

        Args:
          tasks: Tasks of the first stage.
        """
        results = []
        for stage in self._stages:
            name = "".join(word.title() for word in stage.run.__name__.split("_"))
            work = beam.ParDo(_RunStage(stage, self._settings))
            outputs = (
                tasks
                | f"Spread{name}" >> beam.Reshuffle()
                | name >> work.with_outputs(_RESULTS, _ROWS)
            )
            results.append(outputs[_RESULTS])
            groups = outputs[_ROWS] | f"GroupAfter{name}" >> beam.GroupByKey()
            tasks = groups | f"RowsOf{name}" >> beam.MapTuple(lambda _, segments: list(segments))
        merge = beam.CombineGlobally(_Merge(self._empty))
        return results | "FlattenResults" >> beam.Flatten() | "MergeResults" >> merge


class _RunStage(beam.DoFn):
    """Runs the tasks of a stage in parallel, in worker processes or in threads."""

    def __init__(self, stage: Stage, settings: Any) -> None:
        self._stage = stage
        self._settings = settings

    def setup(self) -> None:
        self._threads = ThreadPoolExecutor(max(self._stage.threads, 1))

    def start_bundle(self) -> None:
        self._running: deque[Future[Output]] = deque()

    def process(self, task: Any) -> Iterator[Any]:
        begin = self._threads.submit if self._stage.threads else start
        self._running.append(begin(self._stage.run, task, self._settings))
        if len(self._running) > (self._stage.threads or most_running()):
            yield from _outputs(self._running.popleft())

    def finish_bundle(self) -> Iterator[Any]:
        for call in self._running:
            for output in _outputs(call):
                value = GlobalWindows.windowed_value_at_end_of_window(output.value)
                yield beam.pvalue.TaggedOutput(output.tag, value)

    def teardown(self) -> None:
        self._threads.shutdown(cancel_futures=True)


def _outputs(call: Future[Output]) -> Iterator[Any]:
    """Yields the result of a task, or its InputError, and the positions of the rows it wrote."""
    try:
        output = result_of(call)
    except InputError as error:
        output = Output(error)
    yield beam.pvalue.TaggedOutput(_RESULTS, output.result)
    for partition, segment in output.rows:
        yield beam.pvalue.TaggedOutput(_ROWS, (partition, tuple(segment)))


class _Merge(beam.CombineFn):
    """Merges results. The first InputError in alphabetical order replaces the merged result."""

    def __init__(self, empty: Result) -> None:
        self._empty = empty

    def create_accumulator(self) -> Any:
        return copy.deepcopy(self._empty)

    def add_input(self, accumulator: Any, result: Any) -> Any:
        errors = [each for each in (accumulator, result) if isinstance(each, InputError)]
        return min(errors, key=str) if errors else accumulator.merged(result)

    def merge_accumulators(self, accumulators: Iterable[Any]) -> Any:
        merged = self.create_accumulator()
        for accumulator in accumulators:
            merged = self.add_input(merged, accumulator)
        return merged

    def extract_output(self, accumulator: Any) -> Any:
        return accumulator


def _write(result: Any, path: str, count: Callable[[Any], None] | None) -> None:
    if count and not isinstance(result, InputError):
        count(result)
    with new_file(path, join(os.path.dirname(path), "unfinished")) as file:
        file.write(pickle.dumps(result))
