"""The engine `kubeflow` of the command `tfx`, for Kubeflow Pipelines 2.

TFX 1.21 contains a handler for this engine, but that handler imports a runner and a patcher that
TFX has removed, and uses the interface of kfp 1. This module replaces the handler (see
`tfx_command`), and has the same sub-commands and options.
"""

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import click
from tfx.tools.cli import labels
from tfx.tools.cli.handler import base_handler

from data.errors import InputError
from data.printable import printable
from pipeline.kubeflow.buckets import check_buckets
from pipeline.kubeflow.claims import check_claims
from pipeline.kubeflow.cluster import all_pages, connect, run_arguments, run_name
from pipeline.kubeflow.requirements import pipeline_name

if TYPE_CHECKING:
    from kfp import Client

_INSTALLATION = "kubeflow"  # default of --namespace, which stands for a single-user installation


class KubeflowHandler(base_handler.BaseHandler):
    """Uploads, runs, lists and deletes pipelines on Kubeflow Pipelines 2.

    A method that sends a request raises a `UnetfxError` if the request is refused, the server
    cannot be reached, or the pipeline or run does not exist.
    """

    def create_pipeline(self, update: bool = False) -> None:
        """Compiles a pipeline and uploads it.

        Args:
          update: Whether to upload a new version of an existing pipeline; otherwise, the pipeline
            must not exist yet.
        """
        with self._client() as client:
            package, name = self._compile()
            existing = client.get_pipeline_id(name)
            if update:
                version = f"{name} {datetime.now(timezone.utc):%Y-%m-%dT%H-%M-%S}"
                client.upload_pipeline_version(
                    package, version, pipeline_id=existing or _refuse_unknown(name)
                )
            elif existing:
                raise InputError(f"pipeline {name} already exists. Use `tfx pipeline update`.")
            else:
                client.upload_pipeline(package, name, namespace=self._namespace)
        click.echo(f'Pipeline "{name}" {"updated" if update else "created"} successfully.')

    def update_pipeline(self) -> None:
        """Compiles a pipeline and uploads it as a new version of an existing pipeline."""
        self.create_pipeline(update=True)

    def compile_pipeline(self) -> None:
        """Compiles a pipeline into a package, without a connection to a cluster."""
        package, _ = self._compile()
        click.echo(f"Pipeline compiled successfully.\nPipeline package path: {package}")

    def list_pipelines(self) -> None:
        """Prints the names and IDs of all pipelines."""
        with self._client() as client:
            rows = [
                [pipeline.display_name, pipeline.pipeline_id]
                for page in all_pages(client.list_pipelines, namespace=self._namespace)
                for pipeline in page.pipelines or []
            ]
            self._print(["pipeline_name", "id"], rows)

    def delete_pipeline(self) -> None:
        """Deletes a pipeline and its versions, but keeps its runs."""
        with self._client() as client:
            pipeline = self._pipeline_id(client)
            versions = [
                version.pipeline_version_id
                for page in all_pages(client.list_pipeline_versions, pipeline_id=pipeline)
                for version in page.pipeline_versions or []
            ]
            for version in versions:
                client.delete_pipeline_version(pipeline, version)
            client.delete_pipeline(pipeline)
        click.echo(f"Pipeline {self._name} deleted successfully.")

    def create_run(self) -> None:
        """Runs the newest version of a pipeline."""
        with self._client() as client:
            pipeline = self._pipeline_id(client)
            versions = client.list_pipeline_versions(
                pipeline, page_size=1, sort_by="created_at desc"
            ).pipeline_versions
            if not versions:
                raise InputError(
                    f"pipeline {self._name} has no version. Upload one: `tfx pipeline update`."
                )
            version = versions[0]
            # For a package with claims, which has two YAML documents, the server returns both
            # documents: `pipeline_spec` and `platform_spec`.
            spec = version.pipeline_spec.get("pipeline_spec", version.pipeline_spec)
            check_buckets([("pipeline root", spec.get("defaultPipelineRoot", ""))])
            check_claims(
                _claims(version.pipeline_spec.get("platform_spec") or {}),
                self.flags_dict[labels.ENDPOINT],
                self._namespace or _INSTALLATION,
            )
            run = client.run_pipeline(
                job_name=run_name(self._name),
                pipeline_id=pipeline,
                version_id=version.pipeline_version_id,
                params=self.flags_dict[labels.RUNTIME_PARAMETER],
                **run_arguments(client, self._name, spec, self._namespace),
            )
            click.echo(f"Run created for pipeline: {self._name}")
            self._print_runs([run])

    def list_runs(self) -> None:
        """Prints up to 100 runs of a pipeline, newest first."""
        with self._client() as client:
            self._pipeline_id(client)
            experiment = client.create_experiment(self._name, namespace=self._namespace)
            runs = client.list_runs(
                experiment_id=experiment.experiment_id, page_size=100, sort_by="created_at desc"
            ).runs
            self._print_runs(runs or [])

    def get_run(self) -> None:
        """Prints the state of a run."""
        with self._client() as client:
            self._print_runs([client.get_run(self.flags_dict[labels.RUN_ID])])

    def terminate_run(self) -> None:
        """Stops a run."""
        with self._client() as client:
            client.terminate_run(self.flags_dict[labels.RUN_ID])
        click.echo("Run terminated.")

    def delete_run(self) -> None:
        """Deletes a run."""
        with self._client() as client:
            client.delete_run(self.flags_dict[labels.RUN_ID])
        click.echo("Run deleted.")

    def get_schema(self) -> None:
        """Ends with an error message that gives the path of the schema file.

        TFX's own command searches the folders of a local run, which do not exist for this engine.
        """
        sys.exit("The schema of the data is <workspace>/<name>/schema.pbtxt.")

    @property
    def _name(self) -> str:
        return pipeline_name(self.flags_dict[labels.PIPELINE_NAME])

    @property
    def _namespace(self) -> str | None:
        namespace = self.flags_dict[labels.NAMESPACE]
        return None if namespace == _INSTALLATION else namespace

    def _client(self) -> AbstractContextManager["Client"]:
        host = self.flags_dict[labels.ENDPOINT]
        if not host:
            raise InputError(
                "--endpoint: missing. Name the address of Kubeflow Pipelines: http://localhost:8080"
            )
        return connect(host, self._namespace)

    def _compile(self) -> tuple[str, str]:
        """Runs the Python file of the pipeline, which compiles the package.

        Returns:
          Path of the package, and name of the pipeline on Kubeflow.
        """
        # This import comes late, because it loads TFX's compiler and kfp, which take seconds to
        # load and which most sub-commands do not need.
        from tfx.tools.cli.handler import kubeflow_v2_dag_runner_patcher as v2

        patcher = v2.KubeflowV2DagRunnerPatcher(call_real_run=True)
        context = self.execute_dsl(patcher)
        return context[patcher.OUTPUT_FILE_PATH], context[patcher.PIPELINE_NAME]

    def _pipeline_id(self, client: "Client") -> str:
        return client.get_pipeline_id(self._name) or _refuse_unknown(self._name)

    def _print_runs(self, runs: list[Any]) -> None:
        rows = [
            [run.display_name, run.run_id, run.state or "", str(run.created_at or "")]
            for run in runs
        ]
        self._print(["run_name", "run_id", "status", "created_at"], rows)

    def _print(self, header: list[str], rows: list[list[str]]) -> None:
        cells = [[printable(cell) for cell in row] for row in rows]  # others may have named runs
        click.echo(self._format_table(header, cells))


def _claims(platform_spec: Mapping[str, Any]) -> set[str]:
    """Returns the names of the PersistentVolumeClaims that a package's steps mount."""
    kubernetes = platform_spec.get("platforms", {}).get("kubernetes", {})
    executors = kubernetes.get("deploymentSpec", {}).get("executors", {})
    return {
        mount["constant"] for config in executors.values() for mount in config.get("pvcMount", [])
    }


def _refuse_unknown(name: str) -> str:
    raise InputError(f"pipeline {name} does not exist. Upload it: `tfx pipeline create`.")
