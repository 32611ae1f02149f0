"""The ExampleGen component for image/mask pairs, and its driver."""

from typing import Any

from tfx import v1 as tfx
from tfx.components.example_gen import driver, input_processor
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2

from components.engine import beam_arguments
from components.example_gen.executor import Executor
from components.example_gen.settings import ExampleGenSettings


class PairsExampleGen(FileBasedExampleGen):
    """Reads pairs of image and mask files into the splits `train`, `val` and `test`.

    The source may define the splits. Otherwise, a hash of the pair's group selects the split, so
    that no pair moves to another split when data are added.

    The component has one output:
      - `examples`: Channel of type `standard_artifacts.Examples`. In addition to the splits, the
        artifact contains `pairs.jsonl`, with a line for each pair; `findings.json`, with the
        findings of the data checks; and `summary.json`, with the counts of each split. If there
        are more than 100,000 pairs, the lines are in files `pairs-<split>-….jsonl` instead.
        Properties of the artifact hold the numbers of usable pairs, of unusable pairs, and of files
        that belong to no pair.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(self, settings: ExampleGenSettings) -> None:
        """Creates the component.

        Args:
          settings: Settings of ExampleGen, which include the config's `data` section.
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
    """Provides the driver with the number of the newest span and a fingerprint of all files.

    TFX's own processor includes modification times in the fingerprint, so copying the files would
    cause the model to be trained again. TFX's processor also reads only one span. This processor
    uses only the content of the files and treats all spans as one data set, so that a model learns
    from all spans and duplicates in different spans are found.
    """

    def __init__(self, settings: ExampleGenSettings) -> None:
        super().__init__(splits=[])
        self._census = settings.update_listing(beam_arguments() or []).census

    def resolve_span_and_version(self) -> tuple[int, None]:
        return self.get_latest_span(), None

    def get_latest_span(self) -> int:
        return self._census.newest_span

    def get_pattern_for_span_version(self, pattern: str, span: int, version: int | None) -> str:
        return pattern

    def get_input_fingerprint(self, span: int, version: int | None) -> str:
        return self._census.fingerprint


class _Driver(driver.Driver):
    """Adds the data fingerprint to the cache key, so that unchanged data are not read again."""

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
