"""A hyperparameter search and warm starts, through the whole pipeline."""

import contextlib
import io
import re
from typing import Any, NamedTuple

import pytest
import yaml

from data.errors import InputError
from pipeline.execution.local_run import run_pipeline
from pipeline.exit_codes import DONE
from serving.model.description import model_weights

pytestmark = pytest.mark.slow
RATES = [1e-7, 3e-3]
TUNER = {"trials": 2, "epochs": 2, "search": {"learning_rate": RATES, "width": [0.1]}}
TRIAL = r"  trial (\d)/2   learning_rate (\S+)   width 0\.1   val mean IoU (\S+)   \d+ s"
TRIAL += r"(?:   predicts .*)?"
RUN = r"(\d{4}-\S+) +(\S+) +(\d\.\d+|–)(?: +\S+–\S+)? +(\S+) +(\S+) *"
REMARK = r"(\d{4}-\S+) +([a-z].*?) *"


def change_training(project, **changes):
    config = yaml.safe_load(project.config.read_text())
    config["training"] |= changes
    project.config.write_text(yaml.safe_dump(config))


def rows(pattern, output):
    """Returns the groups of each line that matches a pattern."""
    lines = (re.fullmatch(pattern, line) for line in output.splitlines())
    return [line.groups() for line in lines if line]


def latent_channels(project):
    """Returns the number of channels of the latent in the newest pushed model."""
    version = project.home / "serving" / "discs" / project.versions()[-1]
    return model_weights(str(version))["latent_conv1/kernel"].shape[-1]


def first_loss(output):
    return float(re.search(r"epoch 1/\d   loss (\S+)", output)[1])


class Searched(NamedTuple):
    """A project with a search and warm starts, after some runs.

    Attributes:
      project: The project.
      listings: Output of `unetfx runs` before the first run and after the last one.
      outputs: Output of each run.
      versions: Pushed versions after each run.
      channels: Channels of the latent in the newest pushed model after each run.
    """

    project: Any
    listings: tuple[str, str]
    outputs: list[str]
    versions: list[list[str]]
    channels: list[int]

    @property
    def scores(self):
        """Scores of the trials of the first run, by learning rate."""
        return {float(rate): float(score) for _, rate, score in rows(TRIAL, self.outputs[FIRST])}


FIRST, UNCHANGED, OTHER_EPOCHS, OTHER_EPOCHS_AGAIN, FIRST_AGAIN = range(5)


@pytest.fixture(scope="module")
def searched(make_project_in, run_command, tmp_path_factory):
    """Runs five times, with different numbers of epochs, and a sixth time on a damaged file."""
    model = {"weights": "hed-bsds500", "width": 0.05}
    project = make_project_in(tmp_path_factory.mktemp("searched"), tuner=TUNER, model=model)
    change_training(project, warm_start=True)

    def list_runs():
        code, output = run_command("unetfx", "runs", "--config", project.config)
        assert code == 0, output
        return output

    before, outputs, versions, channels = list_runs(), [], [], []
    for epochs in (3, 3, 1, 1, 3):
        change_training(project, epochs=epochs)
        with contextlib.redirect_stdout(io.StringIO()) as output:
            assert run_pipeline(project.config) == DONE
        outputs.append(output.getvalue())
        versions.append(project.versions())
        channels.append(latent_channels(project))
    (project.folder / "data" / "images" / "05.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError):
        run_pipeline(project.config)
    return Searched(project, (before, list_runs()), outputs, versions, channels)


def unchanged_steps(output):
    return {line.split()[0] for line in output.splitlines() if line.endswith("unchanged")}


def test_before_the_first_run_the_list_says_how_to_start_one(searched):
    hint = f"Start one: unetfx run --config {searched.project.config}"
    assert searched.listings[0] == f"discs: no run yet. {hint}\n"


def test_the_first_run_searches_and_trains_the_best_settings_from_a_cold_start(searched):
    first = searched.outputs[FIRST]
    assert [number for number, *_ in rows(TRIAL, first)] == ["1", "2"]
    assert set(searched.scores) == set(RATES)
    assert searched.scores[3e-3] > searched.scores[1e-7]
    assert "  hyperparameters of the best trial: learning_rate 0.003, width 0.1\n" in first
    assert "  Starts cold: no model with these classes has been blessed yet.\n" in first
    assert searched.channels[FIRST] == 2 * round(512 * 0.1)
    assert not re.search(r"Search space|Results summary|keras_tuner|absl", first)


def test_an_unchanged_run_neither_searches_nor_trains_although_a_model_is_blessed(searched):
    second = searched.outputs[UNCHANGED]
    assert "Nothing new" in second
    # The second run reads the schema that the first one wrote, so SchemaGen runs again.
    steps = {"ExampleGen", "Tuner", "Trainer", "Evaluator", "Report", "Pusher"}
    assert unchanged_steps(second) >= steps
    assert searched.versions[UNCHANGED] == searched.versions[FIRST]


def test_with_other_epochs_the_training_and_the_trials_start_from_the_blessed_model(searched):
    third = searched.outputs[OTHER_EPOCHS]
    assert min(float(score) for *_, score in rows(TRIAL, third)) > searched.scores[1e-7]
    assert re.search(r"^  Starts with the weights of the last blessed model, ", third, re.MULTILINE)
    assert first_loss(third) < first_loss(searched.outputs[FIRST])
    assert len(searched.versions[OTHER_EPOCHS]) == 2


@pytest.mark.parametrize("run", [OTHER_EPOCHS_AGAIN, FIRST_AGAIN])
def test_an_earlier_training_is_not_repeated(searched, run):
    assert "Trainer" in unchanged_steps(searched.outputs[run])


def test_the_list_has_all_runs_also_one_that_failed_early(searched):
    runs = rows(RUN, searched.listings[1])
    remarks = dict(rows(REMARK, searched.listings[1]))
    versions = searched.project.versions()
    assert len(runs) == 6
    assert runs[0][1:] == ("–", "–", "–", "–")
    assert remarks[runs[0][0]] == "did not finish: ExampleGen"
    few = "cannot tell without an interval, since the groups"  # the first line of a longer remark
    assert [(*run[3:], remarks[run[0]]) for run in runs[1:]] == [
        # This run was compared with the served model, so it was evaluated and pushed again.
        ("yes", versions[2], few),
        ("yes", versions[1], "nothing new"),
        ("yes", versions[1], few),
        ("yes", versions[0], "nothing new"),
        ("yes", versions[0], few),
    ]
    assert all(0.6 <= float(run[2]) <= 1 for run in runs[1:])


def test_trials_are_listed_by_run(searched):
    listing = searched.listings[1]
    runs = rows(RUN, listing)
    assert re.findall("Trials of the run (.*)", listing) == [runs[3][0], runs[5][0]]
    trials = rows(r"(\d) +(\S+) +0\.1 +(\S+) *(best)? *", listing)
    assert len(trials) == 2 + 2
    assert {(float(rate), float(score), best) for _, rate, score, best in trials[2:]} == {
        (3e-3, searched.scores[3e-3], "best"),
        (1e-7, searched.scores[1e-7], None),
    }
