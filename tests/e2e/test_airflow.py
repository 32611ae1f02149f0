"""The pipeline in a real Airflow: a scheduler on SQLite, and TFX's command line."""

import contextlib
import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from pipeline.exit_codes import BAD_INPUT

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
    "serving": {"blessed": True, "reasons": []},
    "metrics": {"mean_iou": 0.25},
}
# Fails unexpectedly at its first call, finds nothing new at the second, and is not blessed then.
FLAKY = f"""#!/bin/sh
[ "$2 $3" = "--config its.yaml" ] || exit 2
echo "turn in $PWD"
[ -e failed ] || {{ touch failed; exit 1; }}
[ -e idle ] || {{ touch idle; exit 0; }}
mkdir -p reports/newest
echo '{json.dumps(VERDICT)}' >reports/newest/metrics.json
exit 3
"""


class Airflow(NamedTuple):
    """An Airflow with a home of its own, and its environment."""

    home: Path
    environment: dict[str, str]

    def command(self, *arguments, config=""):
        """Runs a command, and returns what it says."""
        done = subprocess.run(
            [BIN / arguments[0], *arguments[1:]],
            env=self.environment | {"UNETFX_CONFIG": str(config)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def rows(self, query):
        with contextlib.closing(
            sqlite3.connect(f"file:{self.home}/airflow.db?mode=ro", uri=True)
        ) as database:
            return database.execute(query).fetchall()

    def when(self, query):
        """Waits until a query of Airflow's database has an answer."""
        while not (rows := self.rows(query)):
            time.sleep(0.5)
        return rows

    def run(self, name):
        """Starts a run by TFX's command, waits for its end, and returns its id and state."""
        self.when(f"select 1 from dag where dag_id = '{name}'")
        before = len(self.rows(f"select 1 from dag_run where dag_id = '{name}'"))
        self.command("tfx", "run", "create", "--engine", "airflow", "--pipeline_name", name)
        return self.when(
            "select run_id, state from dag_run where state in ('success', 'failed') and "
            f"dag_id = '{name}' order by id limit 1 offset {before}"
        )[0]

    def tasks(self, run):
        """Each task's state, and how often it was tried."""
        query = f"select task_id, state, try_number from task_instance where run_id = '{run}'"
        return {task: (state, tries) for task, state, tries in self.rows(query)}

    def log(self, run, task):
        return "".join(
            path.read_text()
            for path in sorted(self.home.glob(f"logs/*/run_id={run}/task_id={task}/*.log"))
        )


@pytest.fixture(scope="module")
def airflow(tmp_path_factory):
    home = tmp_path_factory.mktemp("airflow")
    environment = os.environ | {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",
        "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "2",
    }
    made = Airflow(home, environment)
    made.command("airflow", "db", "migrate")
    with (home / "scheduler.log").open("w") as log:
        scheduler = subprocess.Popen(
            [BIN / "airflow", "scheduler"], env=environment, stdout=log, stderr=log
        )
        yield made
        scheduler.terminate()
        scheduler.wait()


@pytest.fixture(scope="module")
def discs(airflow, tmp_path_factory, make_project_in):
    """A project that Airflow knows."""
    folder = tmp_path_factory.mktemp("project")
    told = folder / "told.json"
    project = make_project_in(
        folder / "discs",
        gate={"mean_iou": 0.01},
        airflow={**NO_DELAY, "on_failure": ["tee", str(told)]},
    )
    create = ("tfx", "pipeline", "create", "--engine", "airflow", "--pipeline_path", RUNNER)
    assert "created successfully" in airflow.command(*create, config=project.config)
    return project, told


def change(config, **changes):
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | changes))


def test_a_run_trains_pushes_and_shows_the_verdict(airflow, discs):
    project, told = discs
    run, state = airflow.run("discs")
    said = airflow.log(run, "run") + airflow.log(run, "verdict")
    assert state == "success", said
    assert airflow.tasks(run) == {"run": ("success", 1), "verdict": ("success", 1)}
    assert len(project.versions()) == 1
    assert "Trainer" in airflow.log(run, "run")
    assert "Blessed. Mean IoU 0." in airflow.log(run, "verdict")
    assert str(project.reports()[0].parent / "index.html") in airflow.log(run, "verdict")
    assert not told.exists()
    listed = airflow.command("tfx", "run", "list", "--engine", "airflow", "--pipeline_name=discs")
    assert run in listed


def test_a_gate_that_refuses_fails_the_verdict_and_not_the_run_and_is_told(airflow, discs):
    project, told = discs
    change(project.config, gate={"mean_iou": 1.0})
    run, state = airflow.run("discs")
    assert state == "failed"
    assert airflow.tasks(run) == {"run": ("success", 1), "verdict": ("failed", 1)}
    assert "Not blessed: mean IoU" in airflow.log(run, "verdict")
    notice = json.loads(told.read_text())
    assert notice["text"].startswith("discs: verdict failed: Not blessed: mean IoU")
    assert notice["airflow_run"] == run
    assert len(project.versions()) == 1


def test_bad_input_is_not_tried_again(airflow, discs):
    project, told = discs
    told.unlink(missing_ok=True)
    change(project.config, gates={})
    run, state = airflow.run("discs")
    assert state == "failed"
    assert airflow.tasks(run) == {"run": ("failed", 1), "verdict": ("upstream_failed", 0)}
    assert "gates: unknown key; did you mean gate?" in airflow.log(run, "run")
    assert "Bad config or data" in json.loads(told.read_text())["text"]


def test_a_schedule_that_airflow_does_not_take_is_one_line(airflow, project):
    made = project(airflow={"schedule": "30 2 * * 99"})
    environment = airflow.environment | {"UNETFX_CONFIG": str(made.config)}
    done = subprocess.run(
        [sys.executable, RUNNER], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == BAD_INPUT
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"unetfx: {made.config}: airflow.schedule: [30 2 * * 99] is not accept")
    assert not (made.home / "airflow.json").exists()


def test_failures_are_tried_again_runs_wait_for_each_other_and_a_verdict_may_be_skipped(
    airflow, tmp_path
):
    program = tmp_path / "program.sh"
    program.write_text(FLAKY)
    program.chmod(0o755)
    deployment = {
        "name": "flaky",
        "config": "its.yaml",
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
    # As for an Airflow that TFX's command does not reach: both files in a folder of DAGs.
    folder = airflow.home / "dags" / "flaky"
    folder.mkdir(parents=True)
    (folder / "airflow.json").write_text(json.dumps(deployment))
    shutil.copy(RUNNER, folder)
    airflow.when("select 1 from dag where dag_id = 'flaky'")
    for name in ("first", "second"):
        airflow.command("airflow", "dags", "trigger", "--run-id", name, "flaky")
    done = "select state, start_date, end_date from dag_run where dag_id = 'flaky' and state in "
    airflow.when(f"{done} ('success', 'failed') limit 1 offset 1")
    (*_, first_ended), (_, second_began, _) = rows = airflow.rows(
        f"{done} ('success', 'failed') order by start_date"
    )
    assert [state for state, *_ in rows] == ["success", "success"]
    assert second_began >= first_ended
    assert airflow.tasks("first") == {"run": ("success", 2), "verdict": ("skipped", 1)}
    assert f"turn in {tmp_path}" in airflow.log("first", "run")
    assert "Nothing new" in airflow.log("first", "verdict")
    assert airflow.tasks("second") == {"run": ("success", 1), "verdict": ("skipped", 1)}
    assert "Not blessed: it is worse. Mean IoU 0.250." in airflow.log("second", "verdict")
