"""The card of a run, made from the outputs of real components."""

import platform

import pytest

from components.card.making import CardInputs, architecture, make_card
from serving.card.card import Measured
from serving.card.config import CardConfig

pytestmark = pytest.mark.slow
TEXTS = CardConfig(intended_use="to tell colours", contact="ann@example.org")


@pytest.fixture
def inputs(examples, model, evaluated, serving_check):
    trained = model(2)
    trained.mlmd_artifact.create_time_since_epoch = 1_796_000_000_000
    check = serving_check(load_seconds=1.5, p50_ms=4.0, p95_ms=5.0, peak_mib=300.0)
    return CardInputs(examples, trained, evaluated["evaluation"], evaluated["blessing"], check)


def test_a_card_has_the_facts_of_all_steps(inputs):
    card = make_card(inputs, "colours", TEXTS)
    assert card == make_card(inputs, "colours", TEXTS)
    assert (card.name, card.trained, card.texts) == ("colours", "2026-11-30 00:53", TEXTS)
    assert card.classes == ["red", "green", "blue"]
    assert card.data.spans == [0, 1, 2, 3]
    assert [split.images for split in card.data.splits] == [0, 0, 4]
    assert (card.images, card.groups) == (4, 4)
    assert card.metrics["iou/blue"].value == pytest.approx(1)
    assert len(card.slices) == 10
    assert card.slices[0].metrics["mean_iou"].value == pytest.approx(1)
    absent = next(part for part in card.slices if part.name == "mask/blue=absent")
    assert absent.metrics["iou/blue"] == Measured(value=None)
    assert absent.images == 3
    assert card.weak_spots == []
    assert card.verdict.blessed
    assert card.verdict.rules == [
        "mean IoU 1.000 is not below its floor 0.500",
        "cannot tell without an interval, since the groups are too few or all alike: mean IoU",
    ]
    assert card.network.parameters == 3 * 3 + 3
    assert 0 < card.network.mebibytes < 2
    assert card.network.view == "resize to 16×24 pixels"
    assert card.network.gflops is None
    assert card.temperature == 1
    assert card.speed.p95_ms == 5
    assert card.versions["Python"] == platform.python_version()


def test_without_a_time_of_training_a_card_has_none(inputs):
    inputs.model.mlmd_artifact.create_time_since_epoch = 0
    assert make_card(inputs, "colours", TEXTS).trained is None


def test_the_architecture_is_that_of_the_settings():
    model = {"encoder": "vgg16", "decoder": "unet", "width": 0.25}
    text = architecture({"config": {"model": model}})
    assert text == "vgg16, decoder unet of width 0.25"
    assert architecture({"config": None}) == ""
