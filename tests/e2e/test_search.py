"""A search, and warm starts, through the whole pipeline."""

import re

import pytest
import yaml

from data.errors import InputError
from pipeline.local_runner import DONE, run_pipeline
from serving.model import model_weights

pytestmark = pytest.mark.slow
RATES = [1e-7, 3e-3]
TUNER = {"trials": 2, "epochs": 2, "search": {"learning_rate": RATES, "width": [0.1]}}
TRIAL = r"  trial (\d)/2   learning_rate (\S+)   width 0\.1   val mean IoU (\S+)   \d+ s"
TRIAL += r"(?:   predicts .*)?"
RUN = r"(\d{4}-\S+) +(\S+) +(\S+) +(\S+) +(\S+)(?: +(\S.*?))? *"


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


def test_a_search_and_warm_starts(project, run_command, capfd):
    made = project(tuner=TUNER, model={"weights": "hed-bsds500", "width": 0.05})
    change_training(made, warm_start=True)
    code, listed = run_command("unetfx", "runs", "--config", made.config)
    assert (code, listed) == (
        0,
        f"discs: no run yet. Start one: unetfx run --config {made.config}\n",
    )

    # The first run searches, and begins cold with what it found.
    assert run_pipeline(made.config) == DONE
    first = capfd.readouterr().out
    trials = rows(TRIAL, first)
    assert [number for number, *_ in trials] == ["1", "2"]
    scores = {float(rate): float(score) for _, rate, score in trials}
    assert set(scores) == set(RATES)
    assert scores[3e-3] > scores[1e-7]
    assert "  the best trial's learning_rate 0.003, width 0.1\n" in first
    assert "  Begins cold: no model of these classes was blessed yet.\n" in first
    assert latent_channels(made) == 2 * round(512 * 0.1)
    assert not re.search(r"Search space|Results summary|keras_tuner|absl", first)

    # Nothing new: nothing is searched or trained, although there is a blessed model by now.
    versions = made.versions()
    assert run_pipeline(made.config) == DONE
    second = capfd.readouterr().out
    assert "Nothing new" in second
    unchanged = {line.split()[0] for line in second.splitlines() if line.endswith("unchanged")}
    # The schema is kept from the first run on, and so read anew in the second.
    assert unchanged >= {"ExampleGen", "Tuner", "Trainer", "Evaluator", "Report", "Pusher"}
    assert made.versions() == versions

    # Other epochs are a reason to train: from the blessed model on, and so do the trials begin.
    change_training(made, epochs=1)
    assert run_pipeline(made.config) == DONE
    third = capfd.readouterr().out
    assert min(float(score) for *_, score in rows(TRIAL, third)) > scores[1e-7]
    assert re.search(r"^  Begins with the weights of the last blessed model, ", third, re.MULTILINE)
    assert first_loss(third) < first_loss(first)
    assert len(made.versions()) == 2

    # Whichever of the trainings is asked for, it was done before. But the first model is not the
    # one that is served by now: it is compared with that one, and pushed again.
    for epochs in (1, 3):
        change_training(made, epochs=epochs)
        assert run_pipeline(made.config) == DONE
        assert re.search(r"^Trainer .*unchanged$", capfd.readouterr().out, re.MULTILINE)

    # A run that fails early is listed like the others.
    (made.folder / "data" / "images" / "05.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError):
        run_pipeline(made.config)
    code, listed = run_command("unetfx", "runs", "--config", made.config)
    assert code == 0, listed
    runs = rows(RUN, listed)
    assert len(runs) == 6
    assert runs[0][1:] == ("–", "–", "–", "–", "did not finish: ExampleGen")
    assert [run[3:] for run in runs[1:]] == [
        ("yes", made.versions()[2], None),
        ("yes", made.versions()[1], "nothing new"),
        ("yes", made.versions()[1], None),
        ("yes", made.versions()[0], "nothing new"),
        ("yes", made.versions()[0], None),
    ]
    assert all(0.6 <= float(run[2]) <= 1 for run in runs[1:])
    searches = re.findall("Trials of the run (.*)", listed)
    assert searches == [runs[3][0], runs[5][0]]
    listed_trials = rows(r"(\d) +(\S+) +0\.1 +(\S+) *(best)? *", listed)
    assert len(listed_trials) == 2 + 2
    assert {(float(rate), float(score), best) for _, rate, score, best in listed_trials[2:]} == {
        (3e-3, scores[3e-3], "best"),
        (1e-7, scores[1e-7], None),
    }
