"""A search, and warm starts, through the whole pipeline."""

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
RUN = r"(\d{4}-\S+) +(\S+) +(\S+) +\S+ +\S+ +(\S+) +(\S+)(?: +(\S.*?))? *"


def change_training(made, **changes):
    config = yaml.safe_load(made.config.read_text())
    config["training"] |= changes
    made.config.write_text(yaml.safe_dump(config))


def rows(pattern, output):
    """The groups of each line that is as the pattern says."""
    lines = (re.fullmatch(pattern, line) for line in output.splitlines())
    return [line.groups() for line in lines if line]


def latent_channels(made):
    """Of the newest pushed model."""
    version = made.home / "serving" / "discs" / made.versions()[-1]
    return model_weights(str(version))["latent_conv1/kernel"].shape[-1]


def first_loss(output):
    return float(re.search(r"epoch 1/\d   loss (\S+)", output)[1])


class Searched(NamedTuple):
    """A project with a search and warm starts, after some runs.

    Attributes:
      made: The project.
      listed: What `unetfx runs` said before the first run, and after the last one.
      shown: What each run printed, in their order.
      versions: What had been pushed after each run.
      channels: The latent's, of the newest model after each run.
    """

    made: Any
    listed: tuple[str, str]
    shown: list[str]
    versions: list[list[str]]
    channels: list[int]

    @property
    def scores(self):
        """Of the first run's trials, by learning rate."""
        return {float(rate): float(score) for _, rate, score in rows(TRIAL, self.shown[FIRST])}


FIRST, UNCHANGED, OTHER_EPOCHS, OTHER_EPOCHS_AGAIN, FIRST_AGAIN = range(5)


@pytest.fixture(scope="module")
def searched(make_project_in, run_command, tmp_path_factory):
    """Runs five times, with other epochs in between, and a sixth time on a damaged file."""
    model = {"weights": "hed-bsds500", "width": 0.05}
    made = make_project_in(tmp_path_factory.mktemp("searched"), tuner=TUNER, model=model)
    change_training(made, warm_start=True)

    def runs():
        code, listed = run_command("unetfx", "runs", "--config", made.config)
        assert code == 0, listed
        return listed

    before, shown, versions, channels = runs(), [], [], []
    for epochs in (3, 3, 1, 1, 3):
        change_training(made, epochs=epochs)
        with contextlib.redirect_stdout(io.StringIO()) as output:
            assert run_pipeline(made.config) == DONE
        shown.append(output.getvalue())
        versions.append(made.versions())
        channels.append(latent_channels(made))
    (made.folder / "data" / "images" / "05.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError):
        run_pipeline(made.config)
    return Searched(made, (before, runs()), shown, versions, channels)


def unchanged_steps(output):
    return {line.split()[0] for line in output.splitlines() if line.endswith("unchanged")}


def test_before_the_first_run_there_is_none_to_list(searched):
    hint = f"Start one: unetfx run --config {searched.made.config}"
    assert searched.listed[0] == f"discs: no run yet. {hint}\n"


def test_the_first_run_searches_and_begins_cold_with_what_it_found(searched):
    first = searched.shown[FIRST]
    assert [number for number, *_ in rows(TRIAL, first)] == ["1", "2"]
    assert set(searched.scores) == set(RATES)
    assert searched.scores[3e-3] > searched.scores[1e-7]
    assert "  hyperparameters of the best trial: learning_rate 0.003, width 0.1\n" in first
    assert "  Starts cold: no model with these classes has been blessed yet.\n" in first
    assert searched.channels[FIRST] == 2 * round(512 * 0.1)
    assert not re.search(r"Search space|Results summary|keras_tuner|absl", first)


def test_unchanged_nothing_is_searched_or_trained_although_there_is_a_blessed_model(searched):
    second = searched.shown[UNCHANGED]
    assert "Nothing new" in second
    # The schema is kept from the first run on, and so read anew in the second.
    steps = {"ExampleGen", "Tuner", "Trainer", "Evaluator", "Report", "Pusher"}
    assert unchanged_steps(second) >= steps
    assert searched.versions[UNCHANGED] == searched.versions[FIRST]


def test_other_epochs_train_from_the_blessed_model_on_and_so_do_the_trials(searched):
    third = searched.shown[OTHER_EPOCHS]
    assert min(float(score) for *_, score in rows(TRIAL, third)) > searched.scores[1e-7]
    assert re.search(r"^  Starts with the weights of the last blessed model, ", third, re.MULTILINE)
    assert first_loss(third) < first_loss(searched.shown[FIRST])
    assert len(searched.versions[OTHER_EPOCHS]) == 2


@pytest.mark.parametrize("run", [OTHER_EPOCHS_AGAIN, FIRST_AGAIN])
def test_a_training_that_was_done_before_is_not_done_again(searched, run):
    assert "Trainer" in unchanged_steps(searched.shown[run])


def test_runs_are_listed_also_one_that_failed_early(searched):
    runs = rows(RUN, searched.listed[1])
    versions = searched.made.versions()
    assert len(runs) == 6
    assert runs[0][1:] == ("–", "–", "–", "–", "did not finish: ExampleGen")
    assert [run[3:] for run in runs[1:]] == [
        # Not the one that is served by then: it is compared with that one, and pushed again.
        ("yes", versions[2], None),
        ("yes", versions[1], "nothing new"),
        ("yes", versions[1], None),
        ("yes", versions[0], "nothing new"),
        ("yes", versions[0], None),
    ]
    assert all(0.6 <= float(run[2]) <= 1 for run in runs[1:])


def test_trials_are_listed_below_their_runs(searched):
    listed = searched.listed[1]
    runs = rows(RUN, listed)
    assert re.findall("Trials of the run (.*)", listed) == [runs[3][0], runs[5][0]]
    trials = rows(r"(\d) +(\S+) +0\.1 +(\S+) *(best)? *", listed)
    assert len(trials) == 2 + 2
    assert {(float(rate), float(score), best) for _, rate, score, best in trials[2:]} == {
        (3e-3, searched.scores[3e-3], "best"),
        (1e-7, searched.scores[1e-7], None),
    }
