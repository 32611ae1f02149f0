"""Registers the pipeline with Airflow, for `tfx pipeline create --engine airflow`."""

import datetime
import importlib.util
import json
import logging
import sys
from pathlib import Path
from typing import Any

from data.errors import InputError
from data.files.paths import is_remote
from data.files.writing import write_text
from pipeline.config.airflow import AirflowConfig
from pipeline.config.config import Config
from pipeline.config.loading import config_path, load_config
from pipeline.execution.console import library_noise_to
from pipeline.execution.entry import exit_code_of
from pipeline.exit_codes import DONE

DEPLOYMENT_FILE = "airflow.json"
"""Name of the file with the DAG's settings, which is in the pipeline's folder."""


def register(config_file: Path) -> Path:
    """Writes airflow.json for the DAG, and registers the pipeline with TFX's command line.

    If Airflow is not installed in this environment, only the file is written. The DAG will run the
    pipeline in the current folder, so relative paths in the config are resolved against this
    folder.

    Args:
      config_file: Path of the config file.

    Returns:
      Path of airflow.json.

    Raises:
      InputError: The config is invalid, has no `airflow:` section, has a workspace in a bucket, or
        contains a schedule that Airflow does not accept.
    """
    config = load_config(config_file)
    if config.airflow is None:
        raise InputError(
            f"{config_file}: airflow: missing. For a run every night write airflow: "
            "{schedule: 30 2 * * *}; for runs that you start write airflow: {}"
        )
    if is_remote(config.workspace):
        raise InputError(
            f"workspace: {config.workspace} is in a bucket, but the Airflow task that reports the "
            "verdict needs local reports. Give a local folder."
        )
    if importlib.util.find_spec("airflow"):
        with library_noise_to(config.home / "logs" / "airflow.txt"):
            _register_with_tfx(config, config.airflow, config_file)
    deployment = config.home / DEPLOYMENT_FILE
    content = json.dumps(_describe(config, config.airflow, config_file), indent=2)
    write_text(str(deployment), content)
    return deployment


def _describe(config: Config, airflow: AirflowConfig, config_file: Path) -> dict[str, Any]:
    return {
        "name": config.name,
        "config": str(config_file.absolute()),
        "folder": str(Path.cwd()),
        "program": str(Path(sys.executable).parent / "unetfx"),
        "reports": config.reports_folder,
        "airflow": airflow.model_dump(mode="json"),
    }


def _register_with_tfx(config: Config, airflow: AirflowConfig, config_file: Path) -> None:
    """Runs TFX's Airflow runner, through which TFX's command line learns the pipeline's name.

    The runner gets a pipeline without components, so Airflow checks only its schedule. The DAG that
    Airflow later runs is defined in airflow_runner.py.
    """
    from airflow.exceptions import AirflowException
    from tfx import v1 as tfx
    from tfx.orchestration.airflow.airflow_dag_runner import AirflowDagRunner, AirflowPipelineConfig

    empty = tfx.dsl.Pipeline(
        pipeline_name=config.name, pipeline_root=config.artifacts_folder, components=[]
    )
    start = datetime.datetime.combine(airflow.start_date, datetime.time())
    dag_config = AirflowPipelineConfig({"schedule": airflow.schedule, "start_date": start})
    try:
        AirflowDagRunner(dag_config).run(empty).validate()
    except AirflowException as error:
        raise InputError(f"{config_file}: airflow.schedule: {error}") from error


def main() -> int:
    """Registers the pipeline for the config file in `UNETFX_CONFIG`, and returns the exit code."""
    logging.disable(logging.INFO)  # Airflow would print every library's INFO messages
    return exit_code_of(_register)


def _register() -> int:
    deployment = register(config_path())
    print(
        f"Wrote {deployment}. An Airflow in another environment needs a copy of it in its DAG "
        "folder, beside a copy of pipeline/airflow_runner.py."
    )
    return DONE
