"""A config that a cluster cannot run is refused with one line for each reason."""

import importlib.util
import os

import pytest

from data.errors import InputError
from pipeline.config.loading import load_config
from pipeline.kubeflow.requirements import check_config, pipeline_name, pipeline_root
from tests.pipeline.kubeflow.conftest import RUNNABLE

KUBEFLOW = RUNNABLE["kubeflow"]
CLAIM = {"claims": [{"name": "unetfx", "path": "/data"}]}
INTO_THE_CLAIM = os.path.relpath("/data/cells")
NEITHER = "is neither in a bucket nor in a mounted claim."


def data(**changes):
    return {"data": RUNNABLE["data"] | changes}


def local_data(path):
    return data(source={"kind": "folder", "path": path})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kubeflow": None}, "kubeflow: missing. Name the container image"),
        ({"workspace": None}, f"workspace: runs {NEITHER}"),
        ({"workspace": "/runs"}, f"workspace: /runs {NEITHER}"),
        (local_data("cells"), f"data.source.path: cells {NEITHER}"),
        (local_data("/gcs/bucket/cells"), f"data.source.path: /gcs/bucket/cells {NEITHER}"),
        (
            local_data("/database") | {"kubeflow": KUBEFLOW | CLAIM},
            f"data.source.path: /database {NEITHER}",
        ),
        (
            # Seen from the current folder, the path leads into the claim.
            local_data(INTO_THE_CLAIM) | {"kubeflow": KUBEFLOW | CLAIM},
            f"data.source.path: {INTO_THE_CLAIM} {NEITHER}",
        ),
        (data(schema_file="cells.pbtxt"), f"data.schema_file: cells.pbtxt {NEITHER}"),
        ({"serving": {"push_to": "/models"}}, f"serving.push_to: /models {NEITHER}"),
        ({"workspace": "gs://bucket/a$$b"}, "workspace: gs://bucket/a$$b contains $"),
        (
            {"kubeflow": KUBEFLOW | {"pipeline_root": "minio://mlpipeline/artifacts"}},
            "kubeflow.pipeline_root: minio://mlpipeline/artifacts is in another store than the "
            "workspace, gs://bucket/runs.",
        ),
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


def test_a_workspace_and_data_in_a_claim_are_accepted(write_config):
    changes = local_data("/data/cells") | {"workspace": "/data/runs", "kubeflow": KUBEFLOW | CLAIM}
    config = load_config(write_config(**changes))
    assert check_config(config).claims[0].name == "unetfx"
    assert pipeline_root(config) == ""


def test_the_artifacts_are_in_the_workspace_or_at_the_configured_root(write_config):
    config = load_config(write_config())
    assert pipeline_root(config) == "gs://bucket/runs/Blue_marble/artifacts"
    root = {"pipeline_root": "gs://artifacts/unetfx"}
    config = load_config(write_config(kubeflow=KUBEFLOW | root))
    assert pipeline_root(config) == "gs://artifacts/unetfx"


def test_a_missing_kfp_is_reported(write_config, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^kfp is not installed.*unetfx\[kubeflow\]$"):
        check_config(load_config(write_config()))


def test_the_name_is_made_valid_for_kubeflow():
    assert pipeline_name("Blue_marble") == "blue-marble"
    with pytest.raises(InputError, match="no letter or digit"):
        pipeline_name("__")


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
