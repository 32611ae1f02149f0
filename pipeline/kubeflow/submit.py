"""Submits the pipeline to Kubeflow Pipelines, as a single run or a recurring run.

    python -m pipeline.kubeflow.submit --host http://localhost:8080 [--cron "0 0 3 * * *"]

This command compiles and submits the pipeline without uploading it. `tfx pipeline create --engine
kubeflow` uploads the pipeline, and `tfx run create` then runs it, but cannot create recurring runs.
"""

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
import yaml

from pipeline.commands.options import config_option
from pipeline.config.loading import load_config
from pipeline.execution.console import library_noise_to
from pipeline.execution.entry import exit_code_of
from pipeline.exit_codes import DONE
from pipeline.kubeflow.buckets import check_buckets
from pipeline.kubeflow.claims import check_claims
from pipeline.kubeflow.cluster import all_pages, connect, run_arguments, run_name
from pipeline.kubeflow.package import compile_pipeline
from pipeline.kubeflow.requirements import check_config, paths, pipeline_name, pipeline_root

if TYPE_CHECKING:
    from kfp import Client


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
      InputError: The config is invalid, the pipeline cannot be compiled, or a bucket or claim in
        the config does not exist.
      UnavailableError: The cluster cannot be reached or refuses the request.
    """
    config = load_config(config_file)
    kubeflow = check_config(config)
    name = pipeline_name(config.name)
    with (
        tempfile.TemporaryDirectory() as folder,
        library_noise_to(Path(folder, "noise.txt")),
        connect(host, namespace) as client,
    ):
        check_buckets([("kubeflow.pipeline_root", pipeline_root(config)), *paths(config)])
        check_claims((claim.name for claim in kubeflow.claims), host, namespace or "kubeflow")
        package = compile_pipeline(config, Path(folder, f"{name}.yaml"))
        return _submit(client, package, name, cron, namespace)


def _submit(
    client: "Client", package: Path, name: str, cron: str | None, namespace: str | None
) -> str:
    spec = next(yaml.safe_load_all(package.read_text()))
    arguments = run_arguments(client, name, spec, namespace) | {
        "pipeline_package_path": str(package)
    }
    if cron is None:
        run = client.run_pipeline(job_name=run_name(name), **arguments)
        return f"Run {run.run_id} of {name}"
    existing = [
        run.recurring_run_id
        for page in all_pages(client.list_recurring_runs, experiment_id=arguments["experiment_id"])
        for run in page.recurring_runs or []
        if run.display_name == name
    ]
    # A run may take hours, so at most one is active at a time, and start times that were missed in
    # the meantime are skipped.
    created = client.create_recurring_run(
        job_name=name, cron_expression=cron, max_concurrency=1, no_catchup=True, **arguments
    )
    for run_id in existing:
        client.delete_recurring_run(run_id)
    return f"Recurring run {created.recurring_run_id} of {name}, at {cron} (UTC)"


@click.command()
@config_option
@click.option("--host", required=True, help="Address of Kubeflow Pipelines: http://localhost:8080")
@click.option("--cron", help="Schedule in six fields, seconds first; without it: one run, now.")
@click.option("--namespace", help="Namespace of the runs, in an installation for many users.")
def main(config_file: Path, host: str, cron: str | None, namespace: str | None) -> None:
    """Run the pipeline on Kubeflow Pipelines, once or on a schedule; exit code 2 for bad input."""

    def submit_and_print() -> int:
        click.echo(submit(config_file, host, cron=cron, namespace=namespace))
        return DONE

    sys.exit(exit_code_of(submit_and_print))


if __name__ == "__main__":
    main()
