"""The options that each profile gives to Beam, as Beam parses them."""

import os

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import (
    DebugOptions,
    DirectOptions,
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    SparkRunnerOptions,
    StandardOptions,
    WorkerOptions,
)
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.runners.portability.prism_runner import PrismJobServer
from apache_beam.runners.portability.stager import SUBMISSION_ENV_DEPENDENCIES_FILE, Stager
from apache_beam.runners.runner import create_runner
from pydantic import TypeAdapter, ValidationError

from pipeline.config.beam import BeamConfig, LocalBeam

DATAFLOW = {
    "profile": "dataflow",
    "project": "my-project",
    "region": "europe-west4",
    "temp_location": "gs://bucket/temp",
    "image": "europe-docker.pkg.dev/my-project/unetfx/unetfx:1",
}
POOL = {"profile": "portable", "job_server": "flink:8099", "worker_pool": "localhost:50000"}


def options(**beam):
    return PipelineOptions(TypeAdapter(BeamConfig).validate_python(beam).arguments())


def test_the_default_is_this_process():
    found = PipelineOptions(LocalBeam().arguments())
    assert found.view_as(StandardOptions).runner == "FnApiRunner"
    assert found.view_as(DirectOptions).direct_running_mode == "in_memory"
    assert found.view_as(DirectOptions).direct_num_workers == 1


def test_a_local_job_runs_in_this_process_and_downloads_no_other_runner(monkeypatch, tmp_path):
    monkeypatch.setattr(PrismJobServer, "BIN_CACHE", str(tmp_path / "downloads"))
    file = tmp_path / "process"
    with beam.Pipeline(argv=LocalBeam().arguments()) as pipeline:
        _ = pipeline | beam.Create([1]) | beam.Map(lambda _: file.write_text(str(os.getpid())))
    assert file.read_text() == str(os.getpid())
    assert not (tmp_path / "downloads").exists()


def test_flink():
    found = options(profile="flink", master="flink:8081", options={"flink_version": "1.20"})
    assert found.view_as(StandardOptions).runner == "FlinkRunner"
    assert found.view_as(FlinkRunnerOptions).flink_master == "flink:8081"
    assert found.view_as(FlinkRunnerOptions).flink_version == "1.20"
    assert found.view_as(PortableOptions).environment_type == "LOOPBACK"


def test_spark_with_an_image():
    found = options(profile="spark", master="spark://spark:7077", image="unetfx:1")
    assert found.view_as(StandardOptions).runner == "SparkRunner"
    assert found.view_as(SparkRunnerOptions).spark_master_url == "spark://spark:7077"
    assert found.view_as(PortableOptions).environment_type == "DOCKER"
    assert found.view_as(PortableOptions).environment_config == "unetfx:1"
    assert found.view_as(WorkerOptions).sdk_container_image == "unetfx:1"


def test_a_job_server_with_a_worker_pool():
    found = options(**POOL)
    assert found.view_as(StandardOptions).runner == "PortableRunner"
    assert found.view_as(PortableOptions).job_endpoint == "flink:8099"
    assert found.view_as(PortableOptions).environment_type == "EXTERNAL"
    assert found.view_as(PortableOptions).environment_config == "localhost:50000"


def test_beam_sends_no_list_of_packages_to_workers_that_have_the_code(tmp_path):
    resources = Stager.create_job_resources(options(**POOL), str(tmp_path))
    assert SUBMISSION_ENV_DEPENDENCIES_FILE not in [name for _, name, _ in resources]


def test_dataflow_has_all_that_beam_demands():
    found = options(**DATAFLOW)
    runner = create_runner(found.view_as(StandardOptions).runner)
    # Not the whole validation, which would also ask Google Cloud for the bucket.
    validator = PipelineOptionsValidator(found, runner)
    assert validator.is_service_runner()
    google = found.view_as(GoogleCloudOptions)
    assert validator.validate_cloud_options(google) == []
    assert validator.validate_gcs_path(google, "temp_location") == []
    assert found.view_as(GoogleCloudOptions).project == "my-project"
    assert found.view_as(GoogleCloudOptions).region == "europe-west4"
    assert found.view_as(GoogleCloudOptions).temp_location == "gs://bucket/temp"
    assert found.view_as(WorkerOptions).sdk_container_image == DATAFLOW["image"]


def test_options_win_over_the_profile_and_may_be_flags_and_lists():
    found = options(
        profile="local",
        options={
            "direct_running_mode": "multi_processing",
            "direct_num_workers": 2,
            "experiments": ["one", "two"],
            "streaming": True,
            "save_main_session": False,
        },
    )
    assert found.view_as(DirectOptions).direct_running_mode == "multi_processing"
    assert found.view_as(DirectOptions).direct_num_workers == 2
    assert found.view_as(DebugOptions).experiments == ["one", "two"]
    assert found.view_as(StandardOptions).streaming


@pytest.mark.parametrize(
    ("beam", "expected"),
    {
        "no port": ({"profile": "flink", "master": "flink"}, "should be host:port, found 'flink'"),
        "no scheme": (
            {"profile": "spark", "master": "spark:7077"},
            "should be spark://host:port, found 'spark:7077'",
        ),
        "two environments": (POOL | {"image": "x"}, "give either worker_pool or image"),
        "dashes": (
            {"profile": "local", "options": {"--a": 1}},
            "should have underscores, no dashes",
        ),
    }.values(),
)
def test_impossible_values_are_refused(beam, expected):
    with pytest.raises(ValidationError, match=expected):
        options(**beam)
