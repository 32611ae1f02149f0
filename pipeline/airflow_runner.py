"""Defines the Airflow DAG that runs the pipeline, for `tfx pipeline create --engine airflow`.

Airflow loads a copy of this file in an environment that may contain neither TFX nor this
repository. The DAG therefore needs only Airflow and the standard library. `tfx pipeline create`
writes the DAG's settings to `airflow.json`.
"""

import datetime
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_COMMAND = "retrain"  # subcommand of `unetfx` that the DAG runs
# These exit codes are copied from pipeline/exit_codes.py, because that module cannot be imported
# if Airflow's environment does not contain unetfx.
_DONE = 0
_BAD_INPUT = 2
_NOT_BLESSED = 3
_ON_FAILURE_TIMEOUT = 60  # time limit for the program in `airflow.on_failure`, in seconds
_LONGEST_REASON = 300  # maximum length of the reason for a failure, in characters


def _read_deployment() -> dict[str, Any]:
    """Reads the DAG's settings from airflow.json, next to this file or in the pipeline's folder."""
    folder = Path(__file__).parent
    deployment, tfx_arguments = folder / "airflow.json", folder / "pipeline_args.json"
    if not deployment.exists() and tfx_arguments.exists():
        pipeline_root = Path(json.loads(tfx_arguments.read_text())["pipeline_root"])
        deployment = pipeline_root.parent / deployment.name
    if not deployment.exists():
        raise FileNotFoundError(
            f"{deployment}: no such file. Write it with: tfx pipeline create --engine airflow "
            "--pipeline_path pipeline/airflow_runner.py"
        )
    return dict(json.loads(deployment.read_text()))


def _make_dag(deployment: Mapping[str, Any]) -> Any:
    from airflow import DAG

    settings = deployment["airflow"]
    command = settings["on_failure"]
    with DAG(
        dag_id=deployment["name"],
        description="Image segmentation: trains, evaluates, and pushes the model if it is blessed",
        schedule=settings["schedule"],
        start_date=datetime.datetime.fromisoformat(settings["start_date"]),
        catchup=False,
        max_active_runs=1,
        doc_md=f"Config: `{deployment['config']}`\n\nReports: `{deployment['reports']}/index.html`",
        tags=["unetfx"],
        default_args={"on_failure_callback": _failure_callback(command) if command else None},
    ) as dag:
        run = _run_operator(deployment)(
            task_id="run",
            retries=settings["retries"],
            retry_delay=datetime.timedelta(minutes=settings["retry_delay_minutes"]),
        )
        run >> _verdict_operator(deployment)(task_id="verdict")
    return dag


def _run_operator(deployment: Mapping[str, Any]) -> type[Any]:
    from airflow.exceptions import AirflowException, AirflowFailException
    from airflow.hooks.subprocess import SubprocessHook
    from airflow.models import BaseOperator

    class Run(BaseOperator):
        """Airflow task that runs the pipeline in a subprocess.

        Killing the task terminates the subprocess.
        """

        ui_color = "#cfe8d5"
        _hook: SubprocessHook | None = None

        def execute(self, context: Mapping[str, Any]) -> int:
            """Runs the pipeline.

            Returns:
              Exit code of `unetfx`: 0, or 3 if the gate or ServingCheck refused the model.

            Raises:
              AirflowFailException: The exit code was 2: the config or the data are invalid, a
                server is unavailable, or memory ran out. Airflow does not retry the task.
              AirflowException: The exit code was any other number, which indicates an unexpected
                failure. Airflow retries the task up to `airflow.retries` times.
            """
            self._hook = SubprocessHook()
            command = [deployment["program"], _COMMAND, "--config", deployment["config"]]
            code = self._hook.run_command(command, cwd=deployment["folder"]).exit_code
            if code == _BAD_INPUT:
                raise AirflowFailException("Bad config or data: see the log above.")
            if code not in (_DONE, _NOT_BLESSED):
                raise AirflowException(f"unetfx {_COMMAND} ended with exit code {code}.")
            return code

        def on_kill(self) -> None:
            if self._hook:
                self._hook.send_sigterm()

    return Run


def _verdict_operator(deployment: Mapping[str, Any]) -> type[Any]:
    from airflow.exceptions import AirflowFailException, AirflowSkipException
    from airflow.models import BaseOperator

    class Verdict(BaseOperator):
        """Airflow task that reports the verdict on the model.

        The task fails or is skipped if the model was refused.
        """

        ui_color = "#f3e3b3"

        def execute(self, context: Mapping[str, Any]) -> None:
            """Logs the verdict on the model, and pushes it as the XCom `verdict`.

            Raises:
              AirflowFailException: The model was refused, and `airflow.not_blessed` is `failed`.
              AirflowSkipException: The run evaluated no model, or the model was refused and
                `airflow.not_blessed` is `skipped`.
            """
            run = context["dag_run"]
            report = _newest_report(Path(deployment["reports"]), since=run.start_date.timestamp())
            if report is None:
                raise AirflowSkipException("Nothing new: no model was evaluated in this run.")
            verdict = _read_verdict(report)
            self.log.info(verdict["text"])
            self.log.info("The report: %s", verdict["report"])
            context["ti"].xcom_push("verdict", verdict)
            if verdict["pushable"]:
                return
            if deployment["airflow"]["not_blessed"] == "skipped":
                raise AirflowSkipException(verdict["text"])
            raise AirflowFailException(verdict["text"])

    return Verdict


def _failure_callback(command: Sequence[str]) -> Callable[[Mapping[str, Any]], None]:
    def notify(context: Mapping[str, Any]) -> None:
        ti = context["task_instance"]
        reason = str(context.get("exception") or "killed")[:_LONGEST_REASON]
        notice = {
            "text": f"{ti.dag_id}: {ti.task_id} failed: {reason}",
            "pipeline": ti.dag_id,
            "outcome": "failed",
            "reasons": [reason],
            "task": ti.task_id,
            "airflow_run": ti.run_id,
            "log": ti.log_url,
            "host": socket.gethostname(),
        }
        # This is safe: the command comes from the user's own config and runs without a shell.
        subprocess.run(  # noqa: S603
            command, input=json.dumps(notice), text=True, check=True, timeout=_ON_FAILURE_TIMEOUT
        )

    return notify


def _newest_report(folder: Path, *, since: float) -> Path | None:
    """Returns the folder of the newest report; None if all reports are older than `since`.

    A report is as old as its metrics.json. When a run on unchanged data publishes an existing
    report again, the modification time of this file does not change.

    Args:
      folder: Folder of all published reports.
      since: Earliest modification time of the report's metrics.json, as a Unix timestamp in
        seconds.
    """
    times = {path: path.stat().st_mtime for path in folder.glob("*/metrics.json")}
    newest = max(times, key=times.__getitem__, default=None)
    return newest.parent if newest and times[newest] >= since else None


def _read_verdict(report: Path) -> dict[str, Any]:
    metrics = json.loads((report / "metrics.json").read_text())
    reasons = [*metrics["reasons"], *metrics["serving"]["reasons"]]
    blessed, serves = metrics["blessed"], metrics["serving"]["blessed"]
    verdict = "Blessed" if blessed and serves else "Cannot be served" if blessed else "Not blessed"
    text = "; ".join([*reasons, *metrics["doubts"]])
    iou = metrics["metrics"]["mean_iou"]
    mean_iou = "" if iou is None else f" Mean IoU {iou:.3f}."
    return {
        "text": f"{verdict}{f': {text}' if text else ''}.{mean_iou}",
        "pushable": blessed and serves,
        "reasons": reasons,
        "doubts": metrics["doubts"],
        "mean_iou": iou,
        "report": str(report / "index.html"),
    }


if __name__ == "__main__":
    from pipeline.execution.airflow_registration import main

    sys.exit(main())
else:
    dag = _make_dag(_read_deployment())
