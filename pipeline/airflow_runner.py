"""The pipeline as an Airflow DAG, for `tfx pipeline create --engine airflow`.

Airflow reads a copy of this file, in an environment that may have neither TFX nor this repository:
it imports Airflow and the standard library only. What it has to know of the pipeline, `create` has
written to `airflow.json`.
"""

import datetime
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_COMMAND = "retrain"  # of `unetfx`
_DONE, _BAD_INPUT, _NOT_BLESSED = 0, 2, 3  # exit codes of `unetfx`
_TIME_TO_TELL = 60  # seconds
_LONGEST_REASON = 300  # characters


def _read_deployment() -> dict[str, Any]:
    """Finds what `create` has written: beside this file, or where TFX says the pipeline lies."""
    here = Path(__file__).parent
    beside, told = here / "airflow.json", here / "pipeline_args.json"
    if not beside.exists() and told.exists():
        beside = Path(json.loads(told.read_text())["pipeline_root"]).parent / beside.name
    if not beside.exists():
        raise FileNotFoundError(
            f"{beside}: no such file. It comes from: tfx pipeline create --engine airflow "
            "--pipeline_path pipeline/airflow_runner.py"
        )
    return dict(json.loads(beside.read_text()))


def _make_dag(deployment: Mapping[str, Any]) -> Any:
    from airflow import DAG

    settings = deployment["airflow"]
    tell = _teller(settings["on_failure"]) if settings["on_failure"] else None
    with DAG(
        dag_id=deployment["name"],
        description="Image segmentation: trains, evaluates, and pushes what is good enough",
        schedule=settings["schedule"],
        start_date=datetime.datetime.fromisoformat(settings["start_date"]),
        catchup=False,
        max_active_runs=1,
        doc_md=f"Config: `{deployment['config']}`\n\nReports: `{deployment['reports']}/index.html`",
        tags=["unetfx"],
        default_args={"on_failure_callback": tell},
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
        """Runs `unetfx` in the pipeline's own environment, and ends it when Airflow says so."""

        ui_color = "#cfe8d5"
        _hook: SubprocessHook | None = None

        def execute(self, context: Mapping[str, Any]) -> int:
            """Returns the exit code, of those that a second try would not change for the better."""
            self._hook = SubprocessHook()
            command = [deployment["program"], _COMMAND, "--config", deployment["config"]]
            code = self._hook.run_command(command, cwd=deployment["folder"]).exit_code
            if code == _BAD_INPUT:
                raise AirflowFailException("Bad config or data: the lines above say what to mend.")
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
        """Shows what the gate and ServingCheck decided in this run, with their reasons."""

        ui_color = "#f3e3b3"

        def execute(self, context: Mapping[str, Any]) -> None:
            """Logs the verdict and hands it on; fails or is skipped where the config says so."""
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


def _teller(command: Sequence[str]) -> Callable[[Mapping[str, Any]], None]:
    def tell(context: Mapping[str, Any]) -> None:
        ti = context["task_instance"]
        why = str(context.get("exception") or "killed")[:_LONGEST_REASON]
        notice = {
            "text": f"{ti.dag_id}: {ti.task_id} failed: {why}",
            "pipeline": ti.dag_id,
            "outcome": "failed",
            "reasons": [why],
            "task": ti.task_id,
            "airflow_run": ti.run_id,
            "log": ti.log_url,
            "host": socket.gethostname(),
        }
        # The command is the config's own.
        subprocess.run(  # noqa: S603
            command, input=json.dumps(notice), text=True, check=True, timeout=_TIME_TO_TELL
        )

    return tell


def _newest_report(folder: Path, *, since: float) -> Path | None:
    """The newest report whose model was evaluated since then; None if there is none.

    A run that found nothing new puts an older report there again, with the older time.
    """
    written = {path: path.stat().st_mtime for path in folder.glob("*/metrics.json")}
    newest = max(written, key=written.__getitem__, default=None)
    return newest.parent if newest and written[newest] >= since else None


def _read_verdict(report: Path) -> dict[str, Any]:
    metrics = json.loads((report / "metrics.json").read_text())
    reasons = [*metrics["reasons"], *metrics["serving"]["reasons"]]
    blessed, serves = metrics["blessed"], metrics["serving"]["blessed"]
    word = "Blessed" if blessed and serves else "Does not serve" if blessed else "Not blessed"
    iou = metrics["metrics"]["mean_iou"]
    measured = "" if iou is None else f" Mean IoU {iou:.3f}."
    return {
        "text": f"{': '.join([word, *filter(None, ['; '.join(reasons)])])}.{measured}",
        "pushable": blessed and serves,
        "reasons": reasons,
        "mean_iou": iou,
        "report": str(report / "index.html"),
    }


if __name__ == "__main__":
    from pipeline.execution.airflow_registration import main

    sys.exit(main())
else:
    dag = _make_dag(_read_deployment())
