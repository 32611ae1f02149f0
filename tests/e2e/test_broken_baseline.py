"""The last blessed model is gone or broken: a run says so, and does as the config tells it."""

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
      made: The project.
      names: Of the models as reports call them, the older first.
    """

    made: Any
    names: list[str]

    def settings(self, **changes):
        """Puts values into sections of the config: `settings(gate={"max_drop": 1})`."""
        config = yaml.safe_load(self.made.config.read_text())
        for section, values in changes.items():
            config[section] |= values
        self.made.config.write_text(yaml.safe_dump(config))

    def run(self):
        """Runs the pipeline, and returns what it says."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            assert run_pipeline(self.made.config) == DONE, said.getvalue()
        return said.getvalue()

    def metrics(self):
        """What the newest run measured and decided."""
        newest = all_runs(load_config(self.made.config))[0].report
        return json.loads((Path(newest.uri) / "metrics.json").read_text())


@pytest.fixture(scope="module")
def models(make_project_in, tmp_path_factory):
    """Trains two models that are blessed, and cuts the newer one's weights short."""
    project = make_project_in(tmp_path_factory.mktemp("broken"))
    made = Models(project, [])
    made.settings(gate={"mean_iou": 0, "class_iou": {}, "max_drop": 1}, training={"epochs": 1})
    for seed in (1, 2):
        made.settings(training={"seed": seed})
        made.run()
        model = all_runs(load_config(project.config))[0].artifacts["Model"]
        made.names.append("/".join(model.uri.split("/")[-3:]))
    assert made.metrics()["baseline_model"] == made.names[0]
    (variables,) = project.home.glob(
        f"artifacts/{made.names[1]}/Format-Serving/variables/variables.data*"
    )
    with variables.open("r+b") as file:
        file.truncate(100)
    made.settings(training={"seed": 3})
    return made


def test_a_run_goes_on_with_the_older_model_and_says_so(models):
    older, broken = models.names
    versions = models.made.versions()
    said = models.run()
    remark = f"not compared with the blessed model {broken}: its files are broken"
    assert f"Baseline  {remark}" in said
    assert "last blessed" in said
    found = models.metrics()
    assert found["baseline_model"] == older
    assert [rule["kind"] for rule in found["rules"]] == ["floor", "drop"]
    assert found["rules"][1]["baseline"] == pytest.approx(found["baseline"]["mean_iou"])
    page = max(models.made.home.glob("reports/*/index.html")).read_text()
    assert f"N{remark[1:]}" in page
    assert f"the last blessed model, {older}, on the same images" in page
    assert len(models.made.versions()) == len(versions) + 1


def test_the_config_may_want_the_floors_alone(models):
    models.settings(gate={"on_broken_baseline": "floors"})
    said = models.run()
    assert "Baseline  compared with no earlier model: the floors alone decided" in said
    found = models.metrics()
    assert found["baseline_model"] is None
    assert [rule["kind"] for rule in found["rules"]] == ["floor"]


def test_the_config_may_want_to_stop_until_a_person_withdraws_the_broken_one(models, run_command):
    older, broken = models.names
    models.settings(gate={"on_broken_baseline": "fail"})
    versions = models.made.versions()
    stopped = run_command("unetfx", "run", "--config", models.made.config)
    assert stopped.code == 2, stopped.output
    (line,) = (line for line in stopped.output.splitlines() if line.startswith("unetfx:"))
    assert line.startswith(f"unetfx: {broken}, the last blessed model: its files are broken")
    assert f"unetfx unbless {broken} --why TEXT" in line
    assert models.made.versions() == versions

    pushed = run_command("unetfx", "push", broken, "--config", models.made.config)
    assert pushed.code == 2, pushed.output
    assert "cannot be pushed: its files are broken" in pushed.output
    assert models.made.versions() == versions

    command = ("unetfx", "unbless", broken, "--why", "disk full", "--config", models.made.config)
    withdrawn = run_command(*command)
    assert withdrawn.code == 0, withdrawn.output
    said = models.run()
    assert "not compared with" not in said
    assert models.metrics()["baseline_model"] == older


def test_a_model_whose_files_are_gone_is_said_to_be(models):
    older, _ = models.names
    shutil.rmtree(models.made.home / "artifacts" / older)
    models.settings(gate={"on_broken_baseline": "older", "max_drop": 0.9})
    said = models.run()
    remark = f"Baseline  not compared with the blessed model {older}: its files are gone"
    assert remark in said
    assert "the floors alone decided" in said
