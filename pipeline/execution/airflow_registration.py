"""Registers the pipeline with Airflow, for `tfx pipeline create --engine airflow`."""

import datetime
import importlib.util
import json
import logging
import sys
from pathlib import Path
from typing import Any

from data.errors import InputError, UnetfxError
from pipeline.config.airflow import AirflowConfig
from pipeline.config.config import Config
from pipeline.config.loading import config_path, load_config
from pipeline.execution.console import library_noise_to, print_failure
from pipeline.exit_codes import BAD_INPUT, DONE

DEPLOYMENT_FILE = "airflow.json"
"""What the DAG has to know, in the pipeline's folder."""


def register(config_file: Path) -> Path:
    """Writes what the DAG has to know, and lets TFX's command line know of the pipeline.

    Args:
      config_file: The config file.

    Returns:
      The file that the DAG reads. Relative paths in the config go on meaning what they mean in the
      current folder.

    Raises:
      InputError: The config is wrong, or has no `airflow:` section, or a schedule that Airflow does
        not take.
    """
    config = load_config(config_file)
    if config.airflow is None:
        raise InputError(
            f"{config_file}: airflow: missing; Airflow has to know when to run. Write, for every "
            "night: airflow: {schedule: 30 2 * * *}; for runs that you start: airflow: {}"
        )
    if importlib.util.find_spec("airflow"):
        with library_noise_to(config.home / "logs" / "airflow.txt"):
            _tell_tfx(config, config.airflow, config_file)
    written = config.home / DEPLOYMENT_FILE
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(json.dumps(_describe(config, config.airflow, config_file), indent=2))
    return written


def _describe(config: Config, airflow: AirflowConfig, config_file: Path) -> dict[str, Any]:
    return {
        "name": config.name,
        "config": str(config_file.absolute()),
        "folder": str(Path.cwd()),
        "program": str(Path(sys.executable).parent / "unetfx"),
        "reports": str(config.reports_folder),
        "airflow": airflow.model_dump(mode="json"),
    }


def _tell_tfx(config: Config, airflow: AirflowConfig, config_file: Path) -> None:
    """Runs TFX's runner, where its command line listens for the pipeline's name.

    A pipeline without steps is enough for that: the DAG is the one of airflow_runner.py, and what
    becomes of this one is only that Airflow has looked at its schedule.
    """
    from airflow.exceptions import AirflowException
    from tfx import v1 as tfx
    from tfx.orchestration.airflow.airflow_dag_runner import AirflowDagRunner, AirflowPipelineConfig

    empty = tfx.dsl.Pipeline(
        pipeline_name=config.name, pipeline_root=str(config.artifacts_folder), components=[]
    )
    start = datetime.datetime.combine(airflow.start_date, datetime.time())
    planned = AirflowPipelineConfig({"schedule": airflow.schedule, "start_date": start})
    try:
        AirflowDagRunner(planned).run(empty).validate()
    except AirflowException as error:
        raise InputError(f"{config_file}: airflow.schedule: {error}") from error


def main() -> int:
    """Registers the pipeline that the environment's config describes; returns the exit code."""
    logging.disable(logging.INFO)  # Airflow lets every library talk on the standard output
    try:
        written = register(config_path())
    except UnetfxError as error:
        print_failure(str(error))
        return BAD_INPUT
    print(
        f"Wrote {written}. An Airflow of another environment needs it in its DAG folder, beside "
        "a copy of pipeline/airflow_runner.py."
    )
    return DONE
