"""A search, and warm starts, through the whole pipeline."""

import re

import pytest
import tensorflow as tf
import yaml

from data.errors import InputError
from pipeline.local_runner import DONE, run_pipeline

pytestmark = pytest.mark.slow
RATES = [1e-7, 3e-3]
TUNER = {"trials": 2, "epochs": 2, "search": {"learning_rate": RATES, "width": [0.1]}}
TRIAL = r"  trial (\d)/2   learning_rate (\S+)   width 0\.1   val mean IoU (\S+)   \d+ s"
TRIAL += r"(?:   predicts .*)?"
RUN = r"(\d{4}-\S+) +(\S+) +(\S+) +(\S+) +(\S+)(?: +(.+?))? *"


def change_training(made, **changes):
    config = yaml.safe_load(made.config.read_text())
    config["training"] |= changes
    made.config.write_text(yaml.safe_dump(config))


def rows(pattern, output):
    """The groups of each line that is as the pattern says."""
    lines = (re.fullmatch(pattern, line) for line in output.splitlines())
    return [line.groups() for line in lines if line]


def decoder_channels(made):
    """Of the latent in the newest pushed model."""
    path = made.home / "serving" / "discs" / made.versions()[-1] / "variables" / "variables"
    shapes = tf.train.load_checkpoint(str(path)).get_variable_to_shape_map().values()
    return max(shape[-1] for shape in shapes if len(shape) == 4 and shape[:3] == [3, 3, 512])


def first_val_loss(output):
    return float(re.search(r"epoch 1/\d .*val loss (\S+)", output)[1])


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
    assert decoder_channels(made) == 2 * round(512 * 0.1)
    assert not re.search(r"Search space|Results summary|keras_tuner|absl", first)

    # Nothing new: nothing is searched or trained, although there is a blessed model by now.
    versions = made.versions()
    assert run_pipeline(made.config) == DONE
    second = capfd.readouterr().out
    assert "Nothing new" in second
    assert {line.split()[0] for line in second.splitlines() if line.endswith("unchanged")} == {
        *("ExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "Tuner"),
        *("Trainer", "Evaluator", "Report", "Pusher"),
    }
    assert made.versions() == versions

    # Other epochs are no reason to search, but to train: from the blessed model on.
    change_training(made, epochs=1)
    assert run_pipeline(made.config) == DONE
    third = capfd.readouterr().out
    assert re.search(r"^Tuner .*unchanged$", third, re.MULTILINE)
    assert re.search(r"^  Begins with the weights of the last blessed model, ", third, re.MULTILINE)
    assert first_val_loss(third) < first_val_loss(first)
    assert len(made.versions()) == 2

    # Whichever of the trainings is asked for, it was done before.
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
        ("yes", made.versions()[0], "nothing new"),
        ("yes", made.versions()[1], "nothing new"),
        ("yes", made.versions()[1], None),
        ("yes", made.versions()[0], "nothing new"),
        ("yes", made.versions()[0], None),
    ]
    assert all(0.6 <= float(run[2]) <= 1 for run in runs[1:])
    assert listed.count("Trials of the run") == 1
    assert f"Trials of the run {runs[5][0]}\n" in listed
    listed_trials = rows(r"(\d) +(\S+) +0\.1 +(\S+) *(best)? *", listed)
    assert {(float(rate), float(score), best) for _, rate, score, best in listed_trials} == {
        (3e-3, scores[3e-3], "best"),
        (1e-7, scores[1e-7], None),
    }
