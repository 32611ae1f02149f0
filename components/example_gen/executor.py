"""The executor of ExampleGen: Beam jobs that read pairs of files and write TFRecord files."""

import functools
import json
from typing import Any

import apache_beam as beam
from tfx import types
from tfx.components.example_gen import driver, utils
from tfx.components.util import examples_utils
from tfx.types import artifact_utils, standard_component_specs

from components.beam_job import run_beam_job
from components.engine import EngineExecutor
from components.example_gen.artifact import (
    FINDINGS_FILE,
    MOST_PAIRS_IN_A_FILE,
    PAIRS_FILE,
    SUMMARY_FILE,
    Summary,
    merge_records,
)
from components.example_gen.listing_job import listing_job
from components.example_gen.settings import ExampleGenSettings
from data.checks import check, refuse_errors
from data.config import SPLITS, DataConfig
from data.examples.batches import (
    STAGES,
    BatchSettings,
    Ingested,
    plan_batches,
    records_file,
)
from data.examples.shards import write_shard
from data.examples.split_counts import count_splits
from data.files.paths import join
from data.files.removing import remove_folder
from data.files.writing import write_text
from data.jobs.processes import start_processes
from data.listing.listing import Listing, list_pairs

PAIRS_READ, PAIRS_BAD, FILES_WITHOUT_PAIR = "pairs_read", "pairs_bad", "files_without_pair"
"""Names of the Beam counters and of the artifact properties that hold the same counts."""


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
        scratch = join(artifact.uri, "unfinished")
        make_pipeline = self._make_beam_pipeline
        arguments = self._beam_pipeline_args
        listing = list_pairs(
            settings.data,
            join(scratch, "listing"),
            listing_job(settings.data.source, arguments, scratch, make_pipeline),
            name=settings.name,
            own_folder=settings.folder,
        )
        driver.update_output_artifact(
            {
                utils.FINGERPRINT_PROPERTY_NAME: exec_properties.get(
                    utils.FINGERPRINT_PROPERTY_NAME
                ),
                utils.SPAN_PROPERTY_NAME: listing.census.newest_span,
                utils.VERSION_PROPERTY_NAME: None,
            },
            artifact.mlmd_artifact,
        )
        count = functools.partial(_count, files_without_pair=listing.census.problems.count)
        run_job = functools.partial(run_beam_job, make_pipeline, scratch, count=count)
        ingested = _ingest(listing, settings.data, artifact, scratch, run_job)
        remove_folder(scratch)
        _summarise(ingested, listing, settings.data, artifact)


def _ingest(
    listing: Listing, data: DataConfig, artifact: types.Artifact, scratch: str, run_job: Any
) -> Ingested:
    """Writes the examples and the records of all pairs."""
    whole = listing.census.pairs.total() <= MOST_PAIRS_IN_A_FILE
    settings = BatchSettings(
        data,
        listing,
        scratch,
        folders={split: artifact_utils.get_split_uri([artifact], split) for split in SPLITS},
        records=scratch if whole else artifact.uri,
    )
    batches = plan_batches(listing.census.pairs)
    ingested: Ingested = run_job(STAGES, batches, settings, Ingested())
    if whole:
        files = [records_file(batch, settings) for batch in batches]
        merge_records(files, join(artifact.uri, PAIRS_FILE))
    return ingested


def _summarise(
    ingested: Ingested, listing: Listing, data: DataConfig, artifact: types.Artifact
) -> None:
    """Writes the counts and the findings; raises InputError if a finding is an error."""
    for name, number in _counts(ingested, listing.census.problems.count).items():
        artifact.set_int_custom_property(name, number)
    summary = Summary(
        splits=count_splits(ingested, data.classes), spans=sorted(ingested.tally.spans)
    )
    write_text(join(artifact.uri, SUMMARY_FILE), summary.model_dump_json(indent=1))
    findings = check(listing.census, ingested.tally, ingested.repeats, data)
    text = json.dumps([finding._asdict() for finding in findings], indent=1)
    write_text(join(artifact.uri, FINDINGS_FILE), text)
    refuse_errors(findings)


def _counts(ingested: Ingested, files_without_pair: int) -> dict[str, int]:
    return {
        PAIRS_READ: ingested.tally.good.total(),
        PAIRS_BAD: ingested.tally.bad.total(),
        FILES_WITHOUT_PAIR: files_without_pair,
    }


def _count(ingested: Ingested, files_without_pair: int) -> None:
    """Increments the Beam counters in the namespace `unetfx`."""
    for name, number in _counts(ingested, files_without_pair).items():
        beam.metrics.Metrics.counter("unetfx", name).inc(number)
