"""Checks that PersistentVolumeClaims exist in the cluster."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from data.errors import InputError

_TIMEOUT = 10.0  # time limit for a request, in seconds


def check_claims(names: Iterable[str], host: str, namespace: str) -> None:
    """Checks that PersistentVolumeClaims exist, if the host is a forwarded port on this machine.

    A run with a missing claim would wait without an error message. The API of Kubeflow Pipelines
    does not list claims, so this function uses the API of Kubernetes, with the current context of
    `kubectl`. A host on this machine is probably a port that `kubectl port-forward` forwards from
    the cluster of that context. For any other host, nothing is checked, because the context may
    belong to a different cluster. The check is also skipped if Kubernetes cannot be reached or does
    not allow the user to list claims.

    Args:
      names: Names of the claims.
      host: URL of Kubeflow Pipelines.
      namespace: Namespace of the runs.

    Raises:
      InputError: A claim does not exist in the namespace.
    """
    names = set(names)
    if not names or urlsplit(host).hostname not in ("localhost", "127.0.0.1", "::1"):
        return
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
