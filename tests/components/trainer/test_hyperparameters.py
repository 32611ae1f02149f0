import pytest

from components.trainer.config import TrainerSettings
from components.trainer.hyperparameters import (
    hyperparameter_texts,
    loss_as_text,
    override,
    value_text,
)


@pytest.fixture
def settings():
    view = {"kind": "resize", "height": 32, "width": 32}
    return TrainerSettings.model_validate(
        {"classes": ["a"], "view": view, "model": {}, "training": {"epochs": 7}, "code": "1"}
    )


def test_hyperparameters_replace_settings_and_the_others_stay(settings):
    loss = loss_as_text({"dice": 1.0, "focal": 0.5})
    values = {"learning_rate": 0.25, "width": 0.5, "dropout": 0.1, "loss": loss}
    changed = override(settings, values)
    assert (changed.model.width, changed.model.dropout) == (0.5, 0.1)
    assert changed.training.learning_rate == 0.25
    assert changed.training.loss == {"dice": 1, "focal": 0.5}
    assert changed.training.epochs == 7
    assert override(settings, {}) == settings


def test_texts_for_a_person():
    loss = loss_as_text({"cross_entropy": 1.0, "dice": 0.5})
    assert value_text("loss", loss) == "cross_entropy + 0.5 dice"
    texts = hyperparameter_texts({"learning_rate": 0.000316227, "loss": loss})
    assert texts == ["learning_rate 0.000316", "loss cross_entropy + 0.5 dice"]
