"""Submits the pipeline to Kubeflow Pipelines, as a single run or a recurring run.

    python -m pipeline.kubeflow.submit --host http://localhost:8080 [--cron "0 0 3 * * *"]

`tfx run create --engine kubeflow` cannot be used instead, because it imports a runner module that
TFX 1.21 no longer contains.
"""

import json
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import httpx

from data.errors import UnavailableError, UnetfxError, one_line
from pipeline.commands.cli import config_option
from pipeline.config.loading import load_config
from pipeline.execution.console import library_noise_to, print_failure
from pipeline.exit_codes import BAD_INPUT
from pipeline.kubeflow.package import compile_pipeline
from pipeline.kubeflow.requirements import check_config, pipeline_name

if TYPE_CHECKING:
    from kfp import Client

_TIMEOUT = 10.0  # time limit for a request, in seconds
_REFUSALS = {
    401: "asks for a login. Log in, or connect through kubectl port-forward (docs/kubeflow.md).",
    403: "denies access. Ask for the right to create runs there, or give a different --namespace.",
}


def submit(config_file: Path, host: str, *, cron: str | None, namespace: str | None) -> str:
    """Compiles the pipeline and submits it to Kubeflow Pipelines.

    Args:
      config_file: Path of the config file.
      host: URL of Kubeflow Pipelines.
      cron: Schedule for a recurring run, in UTC: a cron expression with six fields, from seconds
        to the day of the week. The new recurring run replaces the pipeline's earlier ones. None
        for a single run that starts at once.
      namespace: Namespace of the runs in a multi-user installation; None in a single-user
        installation.

    Returns:
      A message for the user with the ID of the created run, the name of the pipeline and, for a
      recurring run, the schedule.

    Raises:
      InputError: The config is invalid, or the pipeline cannot be compiled.
      UnavailableError: The cluster cannot be reached or refuses the request.
    """
    config = load_config(config_file)
    check_config(config)
    name = pipeline_name(config)
    _check_server(host)
    with tempfile.TemporaryDirectory() as folder, library_noise_to(Path(folder, "noise.txt")):
        package = compile_pipeline(config, Path(folder, f"{name}.yaml"))
        from kfp_server_api.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return _submit(_client(host, namespace), package, name, cron, namespace)
        except ApiException as error:
            raise UnavailableError(f"{host}: {_refusal(error.status, error.body)}") from error
        except HTTPError as error:
            raise UnavailableError(f"{host}: {_unreachable(error)}") from error


def _submit(
    client: "Client", package: Path, name: str, cron: str | None, namespace: str | None
) -> str:
    experiment = client.create_experiment(name, namespace=namespace).experiment_id
    arguments: dict[str, Any] = {
        "experiment_id": experiment,
        "pipeline_package_path": str(package),
    }
    if cron is None:
        run = client.run_pipeline(job_name=time.strftime(f"{name} %Y-%m-%dT%H-%M-%S"), **arguments)
        return f"Run {run.run_id} of {name}"
    existing = client.list_recurring_runs(experiment_id=experiment, page_size=100).recurring_runs
    # A run may take hours, so at most one is active at a time, and start times that were missed in
    # the meantime are skipped.
    created = client.create_recurring_run(
        job_name=name, cron_expression=cron, max_concurrency=1, no_catchup=True, **arguments
    )
    for run in existing or []:
        if run.display_name == name:
            client.delete_recurring_run(run.recurring_run_id)
    return f"Recurring run {created.recurring_run_id} of {name}, at {cron} (UTC)"


def _client(host: str, namespace: str | None) -> "Client":
    from kfp import Client

    with warnings.catch_warnings():
        # kfp always warns that the server must be version 2 or later. The warning is suppressed,
        # because `_check_server` has already checked the version.
        warnings.simplefilter("ignore", FutureWarning)
        return Client(host=host, namespace=namespace or "kubeflow")


def _check_server(host: str) -> None:
    """Checks that Kubeflow Pipelines 2 answers at an address.

    Without this check, kfp's client would keep retrying an unreachable server for minutes.
    """
    try:
        response = httpx.get(f"{host.rstrip('/')}/apis/v2beta1/healthz", timeout=_TIMEOUT)
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


@click.command()
@config_option
@click.option("--host", required=True, help="Address of Kubeflow Pipelines: http://localhost:8080")
@click.option("--cron", help="Schedule in six fields, seconds first; without it: one run, now.")
@click.option("--namespace", help="Namespace of the runs, in an installation for many users.")
def main(config_file: Path, host: str, cron: str | None, namespace: str | None) -> None:
    """Run the pipeline on Kubeflow Pipelines, once or on a schedule; exit code 2 for bad input."""
    try:
        click.echo(submit(config_file, host, cron=cron, namespace=namespace))
    except UnetfxError as error:
        print_failure(str(error))
        sys.exit(BAD_INPUT)


if __name__ == "__main__":
    main()
