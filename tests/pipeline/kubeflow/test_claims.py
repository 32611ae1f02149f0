"""The claims of the config, looked up in a server that answers as the API of Kubernetes."""

import pytest
import yaml

from data.errors import InputError
from pipeline.config.kubeflow import Claim
from pipeline.kubeflow.claims import check_claims
from tests import kubeflow_api

CLAIMS = [Claim(name="unetfx", path="/data"), Claim(name="cells", path="/cells")]
REQUEST = "GET /api/v1/namespaces/kubeflow/persistentvolumeclaims"
LOCAL = "http://localhost:8080"


def claims_named(*names):
    return 200, {"items": [{"metadata": {"name": name}} for name in names]}


@pytest.fixture
def kubernetes(tmp_path, monkeypatch):
    """The server, which is the cluster of the current kubectl context."""
    with kubeflow_api.running() as server:
        context = {"cluster": "kind", "user": "me"}
        config = {
            "clusters": [{"name": "kind", "cluster": {"server": server.host}}],
            "users": [{"name": "me", "user": {}}],
            "contexts": [{"name": "kind", "context": context}],
            "current-context": "kind",
        }
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        # The package reads the variable when it is imported.
        location = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
        monkeypatch.setattr(location, str(tmp_path / "config"))
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


def test_without_kubectl_nothing_is_refused(monkeypatch, tmp_path):
    location = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
    monkeypatch.setattr(location, str(tmp_path / "none"))
    check_claims(CLAIMS, LOCAL, "kubeflow")


def test_another_cluster_than_that_of_kubectl_is_not_asked(kubernetes):
    check_claims(CLAIMS, "https://kubeflow.example", "kubeflow")
    assert not kubernetes.requests
