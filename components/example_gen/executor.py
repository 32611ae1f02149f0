"""The executor of ExampleGen, a Beam job that reads pairs of files and writes TFRecord files."""

import hashlib
import json
import os
from typing import Any

import apache_beam as beam
from tfx import types
from tfx.components.example_gen import driver, utils
from tfx.components.util import examples_utils
from tfx.types import artifact_utils, standard_component_specs

from components.engine import EngineExecutor
from components.example_gen.artifact import FINDINGS_FILE, PAIRS_FILE
from components.example_gen.batches import (
    FILES_WITHOUT_PAIR,
    PAIRS_BAD,
    PAIRS_READ,
    WriteShards,
    read_rows,
    write_batches,
)
from components.example_gen.settings import ExampleGenSettings
from data.checks import check, refuse_errors
from data.config import SPLITS
from data.examples.records import Record
from data.examples.shards import Shard, write_shard
from data.files import new_file, remove_folder, write_text
from data.processes import start_processes
from data.sources.pairs import Found, Pair, newest_span

_PAIRS_A_SHARD = 64


class Executor(EngineExecutor):
    """Reads pairs and writes tf.Examples in an order that depends only on the keys of the pairs."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Reads all pairs and writes the splits.

        Args:
          input_dict: Empty, because ExampleGen has no input artifacts.
          output_dict: Maps output keys to lists of artifacts:
            - examples: Artifact for the examples of each split, the records and the findings.
          exec_properties: The execution properties:
            - custom_config: The settings, packed by `ExampleGenSettings.as_proto`.
            - output_data_format: TFX's `PayloadFormat` of the records, which is tf.Example.
            - input_fingerprint: Fingerprint of the data, computed by the driver or, on Kubeflow, by
              the step LookOutside.

        Raises:
          InputError: The source as a whole cannot be used, or the checks find an error in the data.
            If this error is raised, TFX deletes the output.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        settings = ExampleGenSettings.of(exec_properties)
        artifact = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.EXAMPLES_KEY]
        )
        artifact.split_names = artifact_utils.encode_split_names(list(SPLITS))
        examples_utils.set_payload_format(
            artifact, exec_properties[standard_component_specs.OUTPUT_DATA_FORMAT_KEY]
        )
        start_processes(write_shard)
        contents = settings.find_pairs()
        driver.update_output_artifact(
            {
                utils.FINGERPRINT_PROPERTY_NAME: exec_properties.get(
                    utils.FINGERPRINT_PROPERTY_NAME
                ),
                utils.SPAN_PROPERTY_NAME: newest_span(contents),
                utils.VERSION_PROPERTY_NAME: None,
            },
            artifact.mlmd_artifact,
        )
        scratch = os.path.join(artifact.uri, "unfinished")
        batches = write_batches(_shards(contents.pairs, artifact), scratch)
        with self._make_beam_pipeline() as pipeline:
            write = WriteShards(settings.data, files_without_pair=len(contents.problems))
            _ = pipeline | "Batches" >> beam.Create(batches) | "WriteShards" >> write
        rows = [row for batch in batches for row in read_rows(batch)]
        remove_folder(scratch)
        _list_and_check(rows, artifact, contents, settings)


def _shards(pairs: list[Pair], artifact: types.Artifact) -> list[Shard]:
    """Sorts the pairs of each split by a hash of their keys, and distributes them over shards."""
    shards: list[Shard] = []
    for split in SPLITS:
        folder = artifact_utils.get_split_uri([artifact], split)
        members = sorted(
            (pair for pair in pairs if pair.split == split),
            key=lambda pair: hashlib.sha256(pair.key.encode()).digest(),
        )
        count = -(-len(members) // _PAIRS_A_SHARD)
        shards += [
            Shard(
                os.path.join(folder, f"data_tfrecord-{number:05d}-of-{count:05d}.gz"),
                members[number::count],
            )
            for number in range(count)
        ]
    return shards


def _list_and_check(
    rows: list[bytes], artifact: types.Artifact, contents: Found, settings: ExampleGenSettings
) -> None:
    """Writes the records, findings and counts; raises InputError if a finding is an error."""
    records = [Record.of_row(json.loads(row)) for row in rows]
    by_key = sorted(zip(records, rows, strict=True), key=lambda item: item[0].pair.key)
    with new_file(os.path.join(artifact.uri, PAIRS_FILE)) as file:
        file.writelines(row for _, row in by_key)
    bad = sum(record.problem is not None for record in records)
    artifact.set_int_custom_property(PAIRS_READ, len(records) - bad)
    artifact.set_int_custom_property(PAIRS_BAD, bad)
    artifact.set_int_custom_property(FILES_WITHOUT_PAIR, len(contents.problems))
    findings = check([record for record, _ in by_key], contents, settings.data)
    text = json.dumps([finding._asdict() for finding in findings], indent=1)
    write_text(os.path.join(artifact.uri, FINDINGS_FILE), text)
    refuse_errors(findings)
