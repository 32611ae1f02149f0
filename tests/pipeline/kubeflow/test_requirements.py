"""A config that a cluster cannot run is refused with one line for each reason."""

import importlib.util

import pytest

from data.errors import InputError
from pipeline.config.loading import load_config
from pipeline.kubeflow.requirements import check_config, pipeline_name
from tests.pipeline.kubeflow.conftest import RUNNABLE


def local_data(path):
    return {"data": RUNNABLE["data"] | {"source": {"kind": "folder", "path": path}}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kubeflow": None}, "kubeflow: missing. Name the container image"),
        ({"workspace": None}, "workspace: runs is not in a bucket."),
        ({"workspace": "s3://bucket/runs"}, "workspace: s3://bucket/runs is not in a bucket."),
        (local_data("cells"), "data.source.path: cells is a folder on this machine."),
        (
            {"serving": {"infra_validator": {"platform": "kubernetes"}}},
            "serving.infra_validator: TFX's InfraValidator does not run",
        ),
    ],
)
def test_a_config_that_no_cluster_can_run_is_refused_in_one_line(write_config, changes, message):
    with pytest.raises(InputError) as caught:
        check_config(load_config(write_config(**changes)))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_folder_mounted_in_the_containers_is_accepted(write_config):
    config = load_config(write_config(**local_data("/gcs/bucket/cells")))
    assert check_config(config).image == "registry.example/unetfx:1"


def test_a_missing_kfp_is_reported(write_config, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^kfp is not installed.*unetfx\[kubeflow\]$"):
        check_config(load_config(write_config()))


def test_the_name_is_made_valid_for_kubeflow(write_config):
    assert pipeline_name(load_config(write_config())) == "blue-marble"
    with pytest.raises(InputError, match="no letter or digit"):
        pipeline_name(load_config(write_config(name="__")))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({}, "kubeflow.image: missing"),
        ({"image": "a b"}, "kubeflow.image: String should match"),
        ({"image": "a", "gpu": 1}, "kubeflow.gpu: unknown key"),
        (
            {"image": "a", "trainer": {"cpu_request": 4, "cpu_limit": 2}},
            "kubeflow.trainer: cpu_request: 4 is above cpu_limit: 2",
        ),
    ],
)
def test_the_section_is_checked(write_config, section, message):
    with pytest.raises(InputError) as caught:
        load_config(write_config(kubeflow=section))
    assert message in str(caught.value)


def test_folders_are_on_the_bucket(write_config):
    config = load_config(write_config(name="discs"))
    assert config.root == "gs://bucket/runs/discs"
    assert config.serving_folder == "gs://bucket/runs/discs/serving/discs"
    assert config.schema_file == "gs://bucket/runs/discs/schema.pbtxt"
