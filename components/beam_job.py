"""Runs the jobs of `data.shuffle` on Beam."""

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
from data.files import join, new_file, read_bytes, remove_file
from data.processes import most_running, result_of, start
from data.shuffle import Output, Result, Stage

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
      make_pipeline: Makes a Beam pipeline, which runs at the end of a `with` block.
      folder: Folder for the result, which all workers reach.
      stages: The stages of the job.
      tasks: Tasks of the first stage.
      settings: The second argument of each stage.
      empty: The result of no task at all.
      count: Function of the result that increments Beam counters.

    Returns:
      The merged results of all tasks of all stages.

    Raises:
      InputError: A task raised it.
    """
    path = join(folder, f"result-{uuid.uuid4().hex}")
    with make_pipeline() as pipeline:
        result = pipeline | beam.Create(tasks) | RunStages(stages, settings, empty)
        _ = result | "WriteResult" >> beam.Map(_write, path, count)
    # The workers of this job have written the file.
    merged = pickle.loads(read_bytes(path))  # noqa: S301
    remove_file(path)
    if isinstance(merged, InputError):
        raise merged
    return merged


class RunStages(beam.PTransform):
    """Runs the stages of a job; the rows between two stages are grouped by their partitions.

    Beam sees the places of the rows instead of the rows, since the Beam runner of this machine
    keeps all elements of a GroupByKey in memory. An InputError of a task becomes the result.
    """

    def __init__(self, stages: Sequence[Stage], settings: Any, empty: Result) -> None:
        """Initialises the transform.

        Args:
          stages: The stages.
          settings: The second argument of each stage.
          empty: The result of no task at all.
        """
        super().__init__()
        self._stages = stages
        self._settings = settings
        self._empty = empty

    def expand(self, tasks: beam.PCollection) -> beam.PCollection:
        """Maps the tasks of the first stage to the merged result of all tasks of all stages."""
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
    """Runs the tasks of a stage, several at the same time, in processes or in threads."""

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
    try:
        output = result_of(call)
    except InputError as error:
        output = Output(error)
    yield beam.pvalue.TaggedOutput(_RESULTS, output.result)
    for partition, segment in output.rows:
        yield beam.pvalue.TaggedOutput(_ROWS, (partition, tuple(segment)))


class _Merge(beam.CombineFn):
    """Merges results; an InputError replaces them."""

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
