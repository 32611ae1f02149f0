"""Connects to Kubeflow Pipelines, and converts connection errors and refusals to messages."""

import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx

from data.errors import UnavailableError, one_line
from data.http_client import http_client

if TYPE_CHECKING:
    from kfp import Client

_TIMEOUT = 10.0  # time limit for a request, in seconds
_REFUSALS = {
    401: "asks for a login. Log in, or connect through kubectl port-forward (docs/kubeflow.md).",
    403: "denies access. Ask for the right to create runs there, or give a different --namespace.",
}


@contextmanager
def connect(host: str, namespace: str | None = None) -> Iterator["Client"]:
    """Connects to Kubeflow Pipelines.

    Args:
      host: URL of Kubeflow Pipelines.
      namespace: Namespace of the runs in a multi-user installation; None in a single-user
        installation.

    Yields:
      kfp's client for the API of Kubeflow Pipelines.

    Raises:
      UnavailableError: The server cannot be reached, or it refuses a request that the client sends
        within the context.
    """
    _check_server(host)
    from kfp import Client
    from kfp_server_api.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        with warnings.catch_warnings():
            # kfp always warns that the server must be version 2 or later. The warning is
            # suppressed, because `_check_server` has already checked the version.
            warnings.simplefilter("ignore", FutureWarning)
            client = Client(host=host, namespace=namespace or "kubeflow")
        yield client
    except ApiException as error:
        raise UnavailableError(f"{host}: {_refusal(error.status, error.body)}") from error
    except HTTPError as error:
        raise UnavailableError(f"{host}: {_unreachable(error)}") from error


def run_arguments(
    client: "Client", name: str, spec: Mapping[str, Any], namespace: str | None
) -> dict[str, Any]:
    """Returns the arguments with which kfp's client creates any run of a pipeline.

    Creates the experiment that contains the pipeline's runs, unless the experiment already exists.

    Args:
      client: The client that `connect` yields.
      name: Name of the pipeline on Kubeflow, which is also the name of the experiment.
      spec: The `PipelineSpec` message in the package, in JSON form.
      namespace: Namespace of the runs in a multi-user installation; None in a single-user
        installation.

    Returns:
      The experiment ID and the pipeline root, by the names of the client's arguments. The root is
      None for the default of the cluster.
    """
    experiment = client.create_experiment(name, namespace=namespace)
    return {
        "experiment_id": experiment.experiment_id,
        # Kubeflow Pipelines ignores the pipeline root in the package, so each run must name it.
        "pipeline_root": spec.get("defaultPipelineRoot"),
    }


def all_pages(list_page: Callable[..., Any], **arguments: Any) -> Iterator[Any]:
    """Requests a list page by page, since the API returns at most 200 entries in a response.

    Args:
      list_page: Method of kfp's client that requests a page, such as `list_recurring_runs`.
      **arguments: Arguments of the method, which are the same for all pages.

    Yields:
      The responses of the API, one for each page.
    """
    token = ""
    while True:
        page = list_page(page_token=token, page_size=100, **arguments)
        yield page
        token = page.next_page_token
        if not token:
            return


def run_name(name: str) -> str:
    """Returns the name of a run that starts now: the pipeline's name and the local time.

    Args:
      name: Name of the pipeline on Kubeflow.
    """
    return time.strftime(f"{name} %Y-%m-%dT%H-%M-%S")


def _check_server(host: str) -> None:
    """Checks that Kubeflow Pipelines 2 answers at an address.

    Without this check, kfp's client would keep retrying an unreachable server for minutes.
    """
    try:
        with http_client(_TIMEOUT) as client:
            response = client.get(f"{host.rstrip('/')}/apis/v2beta1/healthz")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UnavailableError(f"{host}: {_unreachable(error)}") from error
    if response.is_redirect:
        raise UnavailableError(f"{host}: Kubeflow Pipelines {_REFUSALS[401]}")
    if response.is_error:
        raise UnavailableError(f"{host}: {_refusal(response.status_code, response.text)}")


def _unreachable(error: Exception) -> str:
    return (
        f"Kubeflow Pipelines does not answer ({one_line(error)}). Check the address, and whether "
        "the port is forwarded (docs/kubeflow.md)."
    )


def _refusal(status: int | None, body: str | None) -> str:
    if status in _REFUSALS:
        return f"Kubeflow Pipelines {_REFUSALS[status]}"
    if status == httpx.codes.NOT_FOUND:
        return "a server answers, but it is not Kubeflow Pipelines 2. Check the address."
    try:
        reason = str(json.loads(body or "")["error_message"])
    except (ValueError, KeyError, TypeError):
        reason = body or ""
    return f"the request was refused with status {status}: {one_line(reason)}"
