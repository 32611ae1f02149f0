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

    The source may define the splits. Otherwise a hash of the pair's group selects the split: no
    pair changes its split when data are added.

    Component `outputs` contains:
      - `examples`: Channel of type `standard_artifacts.Examples`. Besides the splits the artifact
        contains `pairs.jsonl`, a line for each pair, and `findings.json`, the findings of the
        checks. Its properties count good pairs, bad pairs, and files without a pair.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(self, settings: ExampleGenSettings) -> None:
        """Creates the component.

        Args:
          settings: The `data:` part of the config, and the pipeline's names and folders.
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
    """Gives the driver the number of the newest span and a fingerprint of all file contents.

    TFX's own processor compares modification times: a copy of the same files would start a new
    training. It also reads only one span. Here all spans of the config form one data set, so that a
    model learns from all spans, and duplicates in different spans are found.
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
    """Fingerprints the pairs before TFX queries its cache: unchanged data are a cache hit."""

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
