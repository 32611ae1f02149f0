"""A last blessed model whose files are missing or broken, for each gate.on_broken_baseline."""

import contextlib
import io
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from pipeline.config.loading import load_config
from pipeline.execution.local_run import run_pipeline
from pipeline.exit_codes import DONE
from pipeline.history.runs import all_runs

pytestmark = pytest.mark.slow


class Models(NamedTuple):
    """A project with two blessed models, of which the newer is broken.

    Attributes:
      project: The project.
      names: Names of the models in reports, the older first.
    """

    project: Any
    names: list[str]

    def change_config(self, **changes):
        """Changes values in sections of the config: `change_config(gate={"max_drop": 1})`."""
        config = yaml.safe_load(self.project.config.read_text())
        for section, values in changes.items():
            config[section] |= values
        self.project.config.write_text(yaml.safe_dump(config))

    def run(self):
        """Runs the pipeline and returns its output."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            assert run_pipeline(self.project.config) == DONE, output.getvalue()
        return output.getvalue()

    def metrics(self):
        """Returns the contents of metrics.json of the newest run."""
        newest = all_runs(load_config(self.project.config))[0].report
        return json.loads((Path(newest.uri) / "metrics.json").read_text())


@pytest.fixture(scope="module")
def models(make_project_in, tmp_path_factory):
    """Trains two blessed models and truncates the weights of the newer one."""
    project = make_project_in(tmp_path_factory.mktemp("broken"))
    models = Models(project, [])
    models.change_config(
        gate={"mean_iou": 0, "class_iou": {}, "max_drop": 1}, training={"epochs": 1}
    )
    for seed in (1, 2):
        models.change_config(training={"seed": seed})
        models.run()
        model = all_runs(load_config(project.config))[0].artifacts["Model"]
        models.names.append("/".join(model.uri.split("/")[-3:]))
    assert models.metrics()["baseline_model"] == models.names[0]
    (variables,) = project.home.glob(
        f"artifacts/{models.names[1]}/Format-Serving/variables/variables.data*"
    )
    with variables.open("r+b") as file:
        file.truncate(100)
    models.change_config(training={"seed": 3})
    return models


def test_a_run_uses_the_older_model_as_baseline_and_reports_it(models):
    older, broken = models.names
    versions = models.project.versions()
    output = models.run()
    remark = f"not compared with the blessed model {broken}: its files are broken"
    assert f"Baseline  {remark}" in output
    assert "last blessed" in output
    metrics = models.metrics()
    assert metrics["baseline_model"] == older
    assert [rule["kind"] for rule in metrics["rules"]] == ["floor", "drop"]
    assert metrics["rules"][1]["baseline"] == pytest.approx(metrics["baseline"]["mean_iou"])
    page = max(models.project.home.glob("reports/*/index.html")).read_text()
    assert f"N{remark[1:]}" in page
    assert f"the last blessed model, {older}, on the same images" in page
    assert len(models.project.versions()) == len(versions) + 1


def test_with_floors_a_run_compares_with_no_model(models):
    models.change_config(gate={"on_broken_baseline": "floors"})
    output = models.run()
    assert "Baseline  compared with no earlier model: the floors alone decided" in output
    metrics = models.metrics()
    assert metrics["baseline_model"] is None
    assert [rule["kind"] for rule in metrics["rules"]] == ["floor"]


def test_with_fail_a_run_stops_until_the_blessing_of_the_broken_model_is_withdrawn(
    models, run_command
):
    older, broken = models.names
    models.change_config(gate={"on_broken_baseline": "fail"})
    versions = models.project.versions()
    stopped = run_command("unetfx", "run", "--config", models.project.config)
    assert stopped.code == 2, stopped.output
    (line,) = (line for line in stopped.output.splitlines() if line.startswith("unetfx:"))
    assert line.startswith(f"unetfx: {broken}, the last blessed model: its files are broken")
    assert f"unetfx unbless {broken} --why TEXT" in line
    assert models.project.versions() == versions

    pushed = run_command("unetfx", "push", broken, "--config", models.project.config)
    assert pushed.code == 2, pushed.output
    assert "cannot be pushed: its files are broken" in pushed.output
    assert models.project.versions() == versions

    command = ("unetfx", "unbless", broken, "--why", "disk full", "--config", models.project.config)
    withdrawn = run_command(*command)
    assert withdrawn.code == 0, withdrawn.output
    output = models.run()
    assert "not compared with" not in output
    assert models.metrics()["baseline_model"] == older


def test_a_run_reports_that_the_files_of_the_baseline_are_gone(models):
    older, _ = models.names
    shutil.rmtree(models.project.home / "artifacts" / older)
    models.change_config(gate={"on_broken_baseline": "older", "max_drop": 0.9})
    output = models.run()
    remark = f"Baseline  not compared with the blessed model {older}: its files are gone"
    assert remark in output
    assert "the floors alone decided" in output
