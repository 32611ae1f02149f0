"""The compiled package; tests/e2e/test_kubeflow.py runs the package."""

import json

import pytest
import yaml

from data.errors import InputError
from pipeline.config.loading import load_config
from pipeline.kubeflow.package import compile_pipeline
from tests.pipeline.kubeflow.conftest import RUNNABLE

GROUP = "(a|{{b)$$(HOME)"


@pytest.fixture
def compiled(write_config, tmp_path):
    """A function that compiles the pipeline with a changed config, and returns the package."""

    def compile_to(name, **changes):
        config = load_config(write_config(**changes))
        return compile_pipeline(config, tmp_path / name).read_text()

    return compile_to


def with_kubeflow(**keys):
    return {"kubeflow": RUNNABLE["kubeflow"] | keys}


def test_the_same_config_gives_the_same_package(compiled):
    # A new package is compiled for each submission. A difference between two packages would change
    # the cache keys of steps.
    assert compiled("a.yaml") == compiled("b.yaml")


def test_parameters_have_no_placeholders_of_kubernetes_argo_or_kubeflow(compiled):
    spec = yaml.safe_load(compiled("a.yaml", data=RUNNABLE["data"] | {"group": GROUP}))
    constants = [
        parameter["runtimeValue"]["constant"]
        for task in spec["root"]["dag"]["tasks"].values()
        for parameter in task["inputs"]["parameters"].values()
        if "runtimeValue" in parameter
    ]
    assert not [text for text in constants if "$" in str(text) or "{{" in str(text)]
    look_outside = spec["root"]["dag"]["tasks"]["LookOutside"]["inputs"]["parameters"]["settings"]
    assert json.loads(look_outside["runtimeValue"]["constant"])["data"]["group"] == GROUP


def test_a_package_for_vertex_ai_has_its_root(compiled):
    job = json.loads(compiled("a.json", **with_kubeflow(pipeline_root="gs://artifacts/unetfx")))
    assert job["runtimeConfig"]["gcsOutputDirectory"] == "gs://artifacts/unetfx"


def test_vertex_ai_has_no_claims(compiled, tmp_path):
    claims = [{"name": "cells", "path": "/cells"}]
    with pytest.raises(InputError, match=r"^kubeflow\.claims: Vertex AI has no PersistentVolume"):
        compiled("a.json", **with_kubeflow(claims=claims))
    assert not list(tmp_path.glob("*.json"))
