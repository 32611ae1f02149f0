"""The pipeline in a real Airflow, with its scheduler on SQLite and TFX's command line."""

import contextlib
import importlib.util
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from pipeline.exit_codes import BAD_INPUT
from tests.warm_process import Finished

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("airflow") is None,
        reason="no Airflow (it needs Python 3.12 or older): make airflow",
    ),
]

BIN = Path(sys.executable).parent
RUNNER = Path(__file__).parents[2] / "pipeline" / "airflow_runner.py"
NO_DELAY = {"retries": 1, "retry_delay_minutes": 0.01}
VERDICT = {
    "blessed": False,
    "reasons": ["it is worse"],
    "doubts": ["nobody can tell"],
    "serving": {"blessed": True, "reasons": []},
    "metrics": {"mean_iou": 0.25},
}
# The first call fails unexpectedly, the second finds nothing new, the third trains a model that is
# not blessed.
FLAKY = f"""#!/bin/sh
[ "$2 $3" = "--config flaky.yaml" ] || exit 2
echo "run in $PWD"
[ -e failed ] || {{ touch failed; exit 1; }}
[ -e idle ] || {{ touch idle; exit 0; }}
mkdir -p reports/newest
echo '{json.dumps(VERDICT)}' >reports/newest/metrics.json
exit 3
"""


class Airflow(NamedTuple):
    """An Airflow installation.

    Attributes:
      home: Airflow's home folder, which holds its database.
      environment: Environment variables for its commands.
      run_command: The fixture of this name.
    """

    home: Path
    environment: dict[str, str]
    run_command: Callable[..., Finished]

    def command(self, *arguments, config=""):
        """Runs a command and returns its output."""
        variables = self.environment | {"UNETFX_CONFIG": str(config)}
        finished = self.run_command(*arguments, **variables)
        assert finished.code == 0, finished.output
        return finished.output

    def rows(self, query):
        with contextlib.closing(
            sqlite3.connect(f"file:{self.home}/airflow.db?mode=ro", uri=True)
        ) as database:
            return database.execute(query).fetchall()

    def wait_for(self, query):
        """Waits until a query of Airflow's database returns rows, and returns them."""
        while not (rows := self.rows(query)):
            time.sleep(0.5)
        return rows

    def run(self, name):
        """Starts a run with TFX's command, waits for its end, and returns its id and state."""
        self.wait_for(f"select 1 from dag where dag_id = '{name}'")
        before = len(self.rows(f"select 1 from dag_run where dag_id = '{name}'"))
        self.command("tfx", "run", "create", "--engine", "airflow", "--pipeline_name", name)
        return self.wait_for(
            "select run_id, state from dag_run where state in ('success', 'failed') and "
            f"dag_id = '{name}' order by id limit 1 offset {before}"
        )[0]

    def tasks(self, run):
        """Returns the state and the number of tries of each task."""
        query = f"select task_id, state, try_number from task_instance where run_id = '{run}'"
        return {task: (state, tries) for task, state, tries in self.rows(query)}

    def log(self, run, task):
        return "".join(
            path.read_text()
            for path in sorted(self.home.glob(f"logs/*/run_id={run}/task_id={task}/*.log"))
        )


@pytest.fixture(scope="module")
def airflow(tmp_path_factory, run_command):
    home = tmp_path_factory.mktemp("airflow")
    environment = os.environ | {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",
        "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "2",
    }
    installation = Airflow(home, environment, run_command)
    installation.command("airflow", "db", "migrate")
    with (home / "scheduler.log").open("w") as log:
        scheduler = subprocess.Popen(
            [BIN / "airflow", "scheduler"], env=environment, stdout=log, stderr=log
        )
        yield installation
        scheduler.terminate()
        scheduler.wait()


@pytest.fixture(scope="module")
def discs(airflow, tmp_path_factory, make_project_in):
    """A project that is registered with Airflow, and the file for its failure notices."""
    folder = tmp_path_factory.mktemp("project")
    notice_file = folder / "notice.json"
    project = make_project_in(
        folder / "discs",
        gate={"mean_iou": 0.01},
        airflow={**NO_DELAY, "on_failure": ["tee", str(notice_file)]},
    )
    create = ("tfx", "pipeline", "create", "--engine", "airflow", "--pipeline_path", RUNNER)
    assert "created successfully" in airflow.command(*create, config=project.config)
    return project, notice_file


def change(config, **changes):
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | changes))


def test_a_run_trains_pushes_and_logs_the_verdict(airflow, discs):
    project, notice_file = discs
    run, state = airflow.run("discs")
    log = airflow.log(run, "run") + airflow.log(run, "verdict")
    assert state == "success", log
    assert airflow.tasks(run) == {"run": ("success", 1), "verdict": ("success", 1)}
    assert len(project.versions()) == 1
    assert "Trainer" in airflow.log(run, "run")
    verdict = airflow.log(run, "verdict")
    assert re.search(r"Blessed: cannot tell without an interval, .*\. Mean IoU 0\.", verdict)
    assert str(project.reports()[0].parent / "index.html") in airflow.log(run, "verdict")
    assert not notice_file.exists()
    runs = airflow.command("tfx", "run", "list", "--engine", "airflow", "--pipeline_name=discs")
    assert run in runs


def test_a_model_that_is_not_blessed_fails_the_verdict_task_and_sends_a_notice(airflow, discs):
    project, notice_file = discs
    change(project.config, gate={"mean_iou": 1.0})
    run, state = airflow.run("discs")
    assert state == "failed"
    assert airflow.tasks(run) == {"run": ("success", 1), "verdict": ("failed", 1)}
    assert "Not blessed: mean IoU" in airflow.log(run, "verdict")
    notice = json.loads(notice_file.read_text())
    assert notice["text"].startswith("discs: verdict failed: Not blessed: mean IoU")
    assert notice["airflow_run"] == run
    assert len(project.versions()) == 1


def test_bad_input_fails_the_run_without_a_retry(airflow, discs):
    project, notice_file = discs
    notice_file.unlink(missing_ok=True)
    change(project.config, gates={})
    run, state = airflow.run("discs")
    assert state == "failed"
    assert airflow.tasks(run) == {"run": ("failed", 1), "verdict": ("upstream_failed", 0)}
    assert "gates: unknown key (did you mean 'gate'?)" in airflow.log(run, "run")
    assert "Bad config or data" in json.loads(notice_file.read_text())["text"]


def test_a_schedule_that_airflow_rejects_ends_in_one_line(airflow, project):
    bad_project = project(airflow={"schedule": "30 2 * * 99"})
    environment = airflow.environment | {"UNETFX_CONFIG": str(bad_project.config)}
    process = subprocess.run(
        [sys.executable, RUNNER], env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == BAD_INPUT
    (line,) = process.stderr.splitlines()
    assert line.startswith(
        f"unetfx: {bad_project.config}: airflow.schedule: [30 2 * * 99] is not accept"
    )
    assert not (bad_project.home / "airflow.json").exists()


def test_failures_are_retried_runs_wait_for_each_other_and_verdicts_can_be_skipped(
    airflow, tmp_path
):
    program = tmp_path / "program.sh"
    program.write_text(FLAKY)
    program.chmod(0o755)
    deployment = {
        "name": "flaky",
        "config": "flaky.yaml",
        "folder": str(tmp_path),
        "program": str(program),
        "reports": str(tmp_path / "reports"),
        "airflow": {
            **NO_DELAY,
            "schedule": None,
            "start_date": "2026-01-01",
            "not_blessed": "skipped",
            "on_failure": None,
        },
    }
    # Both files go into the folder of DAGs, as for an Airflow that TFX's command cannot reach.
    folder = airflow.home / "dags" / "flaky"
    folder.mkdir(parents=True)
    (folder / "airflow.json").write_text(json.dumps(deployment))
    shutil.copy(RUNNER, folder)
    airflow.wait_for("select 1 from dag where dag_id = 'flaky'")
    for name in ("first", "second"):
        airflow.command("airflow", "dags", "trigger", "--run-id", name, "flaky")
    ended = "select state, start_date, end_date from dag_run where dag_id = 'flaky' and state in "
    airflow.wait_for(f"{ended} ('success', 'failed') limit 1 offset 1")
    (*_, first_ended), (_, second_began, _) = rows = airflow.rows(
        f"{ended} ('success', 'failed') order by start_date"
    )
    assert [state for state, *_ in rows] == ["success", "success"]
    assert second_began >= first_ended
    assert airflow.tasks("first") == {"run": ("success", 2), "verdict": ("skipped", 1)}
    assert f"run in {tmp_path}" in airflow.log("first", "run")
    assert "Nothing new" in airflow.log("first", "verdict")
    assert airflow.tasks("second") == {"run": ("success", 1), "verdict": ("skipped", 1)}
    assert "Not blessed: it is worse; nobody can tell. Mean IoU 0.250." in airflow.log(
        "second", "verdict"
    )
