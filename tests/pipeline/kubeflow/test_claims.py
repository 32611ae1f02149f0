"""Looks up claims on a server that responds like the API of Kubernetes."""

import pytest

from data.errors import InputError
from pipeline.kubeflow.claims import check_claims
from tests import kubeflow_api

CLAIMS = ["unetfx", "cells"]
REQUEST = "GET /api/v1/namespaces/kubeflow/persistentvolumeclaims"
LOCAL = "http://localhost:8080"


def claims_named(*names):
    return 200, {"items": [{"metadata": {"name": name}} for name in names]}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home folder without a configuration file for kubectl."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def kubernetes(home):
    """The server, to which the current context of kubectl points."""
    with kubeflow_api.running() as server:
        kubeflow_api.write_kubectl_config(home, server.host)
        yield server


def test_existing_claims_are_accepted(kubernetes):
    kubernetes.answers[REQUEST] = claims_named("unetfx", "cells", "other")
    check_claims(CLAIMS, LOCAL, "kubeflow")
    assert REQUEST in kubernetes.requests


def test_a_missing_claim_is_refused_in_one_line(kubernetes):
    kubernetes.answers[REQUEST] = claims_named("cells")
    with pytest.raises(InputError) as caught:
        check_claims(CLAIMS, LOCAL, "kubeflow")
    assert str(caught.value) == (
        "kubeflow.claims: there is no PersistentVolumeClaim unetfx in the namespace kubeflow of "
        "the current kubectl context. Create it, or correct the name."
    )


def test_a_user_who_may_not_read_claims_is_not_refused(kubernetes):
    kubernetes.answers[REQUEST] = 403, {}
    check_claims(CLAIMS, LOCAL, "kubeflow")


def test_without_kubectl_nothing_is_refused():
    check_claims(CLAIMS, LOCAL, "kubeflow")


def test_another_cluster_than_that_of_kubectl_is_not_asked(kubernetes):
    check_claims(CLAIMS, "https://kubeflow.example", "kubeflow")
    assert not kubernetes.requests
