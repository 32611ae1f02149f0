"""Hands the pipeline to Kubeflow Pipelines: one run, or a recurring one.

    python -m pipeline.kubeflow.submit --host http://localhost:8080 [--cron "0 0 3 * * *"]

TFX 1.21's `tfx … --engine kubeflow` cannot be loaded: it imports a runner that was removed.
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

from data.errors import UnavailableError, UnetfxError
from pipeline.commands.cli import config_option
from pipeline.config.loading import load_config
from pipeline.execution.console import library_noise_to, print_failure
from pipeline.exit_codes import BAD_INPUT
from pipeline.kubeflow_runner import check, compile_pipeline, pipeline_name

if TYPE_CHECKING:
    from kfp import Client

_PATIENCE = 10.0  # seconds
_REFUSED = {
    401: "asks who you are. Log in, or go through kubectl port-forward (docs/kubeflow.md).",
    403: "does not let you. Ask for the rights to create runs there, or name another --namespace.",
}
_LONGEST_REASON = 300  # characters


def submit(config_file: Path, host: str, *, cron: str | None, namespace: str | None) -> str:
    """Compiles the pipeline, and has Kubeflow Pipelines run it.

    Args:
      config_file: The config file.
      host: Address of Kubeflow Pipelines.
      cron: When to run it, as six fields from seconds to the day of the week, in UTC; a recurring
        run of that pipeline that is there already is replaced. None for one run, now.
      namespace: Where runs go in an installation of many users.

    Returns:
      What was made, for a person.

    Raises:
      InputError: The config cannot be compiled.
      UnavailableError: The cluster cannot be reached, or refuses.
    """
    config = load_config(config_file)
    check(config)
    name = pipeline_name(config)
    _ask(host)
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
    told: dict[str, Any] = {"experiment_id": experiment, "pipeline_package_path": str(package)}
    if cron is None:
        run = client.run_pipeline(job_name=time.strftime(f"{name} %Y-%m-%dT%H-%M-%S"), **told)
        return f"Run {run.run_id} of {name}"
    found = client.list_recurring_runs(experiment_id=experiment, page_size=100).recurring_runs
    # A run of hours must not be overtaken by the next one, and missed ones are not made up for.
    made = client.create_recurring_run(
        job_name=name, cron_expression=cron, max_concurrency=1, no_catchup=True, **told
    )
    for old in found or []:
        if old.display_name == name:
            client.delete_recurring_run(old.recurring_run_id)
    return f"Recurring run {made.recurring_run_id} of {name}, at {cron} (UTC)"


def _client(host: str, namespace: str | None) -> "Client":
    from kfp import Client

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # that old servers are not spoken to
        return Client(host=host, namespace=namespace or "kubeflow")


def _ask(host: str) -> None:
    """Knocks first: kfp's client would try for minutes."""
    try:
        answer = httpx.get(f"{host.rstrip('/')}/apis/v2beta1/healthz", timeout=_PATIENCE)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UnavailableError(f"{host}: {_unreachable(error)}") from error
    if answer.is_redirect:
        raise UnavailableError(f"{host}: {_REFUSED[401]}")
    if answer.is_error:
        raise UnavailableError(f"{host}: {_refusal(answer.status_code, answer.text)}")


def _unreachable(error: Exception) -> str:
    return (
        f"no Kubeflow Pipelines there ({' '.join(str(error).split())[:_LONGEST_REASON]}). Is the "
        "address right, and the port forwarded (docs/kubeflow.md)?"
    )


def _refusal(status: int | None, body: str | None) -> str:
    if status in _REFUSED:
        return f"Kubeflow Pipelines {_REFUSED[status]}"
    if status == httpx.codes.NOT_FOUND:
        return "there is a server, but not Kubeflow Pipelines 2. Is the address right?"
    try:
        reason = str(json.loads(body or "")["error_message"])
    except (ValueError, KeyError, TypeError):
        reason = body or ""
    return f"refused, with {status}: {' '.join(reason.split())[:_LONGEST_REASON]}"


@click.command()
@config_option
@click.option("--host", required=True, help="Address of Kubeflow Pipelines: http://localhost:8080")
@click.option("--cron", help="When to run, from seconds to day of the week; without it: once, now.")
@click.option("--namespace", help="Where runs go in an installation of many users.")
def main(config_file: Path, host: str, cron: str | None, namespace: str | None) -> None:
    """Run the pipeline on Kubeflow Pipelines, once or by a schedule: exit code 2 bad input."""
    try:
        click.echo(submit(config_file, host, cron=cron, namespace=namespace))
    except UnetfxError as error:
        print_failure(str(error))
        sys.exit(BAD_INPUT)


if __name__ == "__main__":
    main()
