import pytest

from pipeline.planning import duration
from pipeline.planning.decision import Decision
from pipeline.planning.plan import Plan
from pipeline.planning.step_time import TooLargeError

CONFIG = {
    "name": "x",
    "data": {"source": {"kind": "folder", "path": "x"}, "classes": ["a", "b"]},
    "gate": {"mean_iou": 0.5},
}
PLAN = Plan(CONFIG, [Decision("gate", "", "")], [], views=400)


@pytest.fixture
def fits(monkeypatch):
    """Sets the largest batch that fits into memory; a step then takes 1.2 s."""

    def fits(most):
        def seconds(config):
            if config.training.batch_size > most:
                raise TooLargeError
            return 1.2

        monkeypatch.setattr(duration, "seconds_per_step", seconds)

    return fits


def test_the_minutes_are_those_of_all_steps(fits):
    fits(8)
    plan = duration.with_duration(PLAN)
    assert plan.decisions[0] == Decision(
        "epochs",
        "a step of 8 images takes 1.2 s here",
        "auto: about 1 min an epoch, and at least 6 epochs, so 6 min or more",
    )
    assert plan.config["training"] == {"batch_size": 8, "epochs": "auto"}
    assert list(plan.config)[-1] == "gate"


def test_few_images_are_repeated_in_an_epoch(fits):
    fits(8)
    plan = duration.with_duration(PLAN._replace(views=8))  # one batch, 50 times
    assert "about 1 min an epoch" in plan.decisions[0].decided


def test_a_batch_that_is_too_large_is_halved(fits):
    fits(2)
    plan = duration.with_duration(PLAN)
    assert plan.config["training"]["batch_size"] == 2
    assert plan.decisions[0].decided.endswith("; batches of 2, which fit into memory")


def test_images_that_are_too_large_are_said(fits):
    fits(0)
    (decision, _) = duration.with_duration(PLAN).decisions
    assert decision.seen == "not even one image fits into memory"
