"""The ExampleGen component for image/mask pairs, and its driver."""

from typing import Any

from tfx import v1 as tfx
from tfx.components.example_gen import driver, input_processor
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2

from components.example_gen.executor import Executor
from components.example_gen.settings import ExampleGenSettings
from data.sources.pairs import fingerprint, newest_span


class PairsExampleGen(FileBasedExampleGen):
    """Reads pairs of image and mask files into the splits `train`, `val` and `test`.

    A pair's split is the source's own, or decided by a hash of its group, so that a pair never
    moves when the data grow.

    Component `outputs` contains:
      - `examples`: Channel of type `standard_artifacts.Examples`. Beside the splits it holds
        `pairs.jsonl`, a line for each pair, and `findings.json`, what the checks have to say. Its
        properties count the pairs that were read, those left out, and files that make no pair.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(self, settings: ExampleGenSettings) -> None:
        """Wires the component.

        Args:
          settings: What to read, and how.
        """
        custom_config = example_gen_pb2.CustomConfig()
        custom_config.custom_config.Pack(settings.as_proto())
        splits = [
            tfx.proto.SplitConfig.Split(name=name, hash_buckets=share)
            for name, share in settings.data.splits.model_dump().items()
        ]
        super().__init__(
            input_base=settings.data.source.kind,
            output_config=tfx.proto.Output(split_config=tfx.proto.SplitConfig(splits=splits)),
            custom_config=custom_config,
        )


class _PairsProcessor(input_processor.InputProcessor):
    """Tells the driver what the input is: the newest span, and a fingerprint of all contents.

    TFX's own processor goes by modification times; a fresh copy of the same files would then train
    anew. It also reads one span alone; here the spans that the config names make one data set, so
    that copies among them are found, and a model learns from all.
    """

    def __init__(self, settings: ExampleGenSettings) -> None:
        super().__init__(splits=[])
        self._found = settings.find_pairs()

    def resolve_span_and_version(self) -> tuple[int, None]:
        return self.get_latest_span(), None

    def get_latest_span(self) -> int:
        return newest_span(self._found)

    def get_pattern_for_span_version(self, pattern: str, span: int, version: int | None) -> str:
        return pattern

    def get_input_fingerprint(self, span: int, version: int | None) -> str:
        return fingerprint(self._found)


class _Driver(driver.Driver):
    """Finds the pairs first, and lets the cache answer where their contents are unchanged."""

    def resolve_exec_properties(
        self, exec_properties: dict[str, Any], pipeline_info: object, component_info: object
    ) -> dict[str, Any]:
        self._settings = ExampleGenSettings.of(exec_properties)
        return super().resolve_exec_properties(exec_properties, pipeline_info, component_info)

    def get_input_processor(
        self, splits: object, range_config: object, input_base_uri: object
    ) -> _PairsProcessor:
        return _PairsProcessor(self._settings)


PairsExampleGen.DRIVER_CLASS = _Driver
