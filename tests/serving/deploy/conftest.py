"""Tests of the files in serving/deploy: unchanged, and as a copy for a model with a different name.

No test depends on the model's name, so these tests also check files that a user has adapted.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[3]
DEPLOY = REPOSITORY / "serving/deploy"
NAME = re.search(r'name: "([^"]+)"', (DEPLOY / "config/models.config").read_text())[1]


@pytest.fixture(params=[NAME, "cells_2"])
def name(request):
    return request.param


@pytest.fixture
def deploy(name, tmp_path):
    if name == NAME:
        return DEPLOY
    shutil.copytree(DEPLOY, tmp_path / "serving/deploy")
    docs = (REPOSITORY / "docs/deployment.md").read_text()
    [command] = re.findall(r"^grep .*sed .*$", docs, re.MULTILINE)
    names = {"blue_marble": NAME, "cells": name}
    command = re.sub("|".join(names), lambda found: names[found[0]], command)
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    return tmp_path / "serving/deploy"


@pytest.fixture
def compose(deploy):
    """The service in compose.yaml, with the default values of the variables."""
    text = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", (deploy / "compose.yaml").read_text())
    [service] = yaml.safe_load(text)["services"].values()
    return service


@pytest.fixture
def compose_flags(compose):
    return parsed(compose["command"])


@pytest.fixture(params=["cpu", "gpu"])
def variant(request):
    return request.param


@pytest.fixture
def manifests_of(deploy):
    """Reads the objects for `cpu` or `gpu` by kind; Services as a list."""

    def read(variant):
        kinds = {"Service": []}
        for file in [*deploy.glob(f"{variant}/*.yaml"), *deploy.glob("kubernetes/*.yaml")]:
            if file.name == "kustomization.yaml":
                continue
            for found in yaml.safe_load_all(file.read_text()):
                if found["kind"] == "Service":
                    kinds["Service"].append(found)
                else:
                    assert found["kind"] not in kinds
                    kinds[found["kind"]] = found
        return kinds

    return read


@pytest.fixture
def manifests(manifests_of, variant):
    return manifests_of(variant)


@pytest.fixture
def pod(manifests):
    return manifests["Deployment"]["spec"]["template"]


@pytest.fixture
def serving(pod):
    [container] = pod["spec"]["containers"]
    return container


@pytest.fixture
def flags(serving):
    return parsed(serving["args"])


def parsed(arguments):
    return dict(argument.removeprefix("--").split("=", 1) for argument in arguments)
