"""Checks that the claims of a package exist in the cluster."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from data.errors import InputError

_TIMEOUT = 10.0  # time limit of a request in seconds


def check_claims(names: Iterable[str], host: str, namespace: str) -> None:
    """Checks that claims exist, if `kubectl` reaches the same cluster.

    A run with a missing claim would wait without an error. The API of Kubeflow Pipelines does not
    list claims, but the API of Kubernetes does. This function asks Kubernetes if the host is a port
    of this machine, because `kubectl port-forward` forwards it from the cluster of the current
    context. If Kubernetes does not answer, or the user may not read claims, nothing is refused.

    Args:
      names: Names of the claims.
      host: URL of Kubeflow Pipelines.
      namespace: Namespace of the runs.

    Raises:
      InputError: The namespace has no such claim.
    """
    names = set(names)
    if not names or urlsplit(host).hostname not in ("localhost", "127.0.0.1", "::1"):
        return
    # kfp requires the package kubernetes.
    from kubernetes import client, config
    from urllib3.exceptions import HTTPError

    try:
        config.load_kube_config()
        existing = {
            each.metadata.name
            for each in client.CoreV1Api()
            .list_namespaced_persistent_volume_claim(namespace, _request_timeout=_TIMEOUT)
            .items
        }
    except (config.ConfigException, client.ApiException, HTTPError):
        return
    if missing := names - existing:
        raise InputError(
            f"kubeflow.claims: there is no PersistentVolumeClaim {', '.join(sorted(missing))} in "
            f"the namespace {namespace} of the current kubectl context. Create it, or correct the "
            "name."
        )
