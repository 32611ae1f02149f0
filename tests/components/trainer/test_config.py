import pytest

from components.trainer.config import ModelConfig, TrainingConfig
from data.config import AUGMENTATIONS, Augmentation


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("dice", {"dice": 1}),
        ({"cross_entropy": 1, "dice": 0.5}, {"cross_entropy": 1, "dice": 0.5}),
    ],
)
def test_a_loss_is_a_name_or_a_sum(loss, expected):
    assert TrainingConfig(loss=loss).loss == expected


def test_the_default_loss():
    assert TrainingConfig().loss == {"cross_entropy": 1, "dice": 1}


@pytest.mark.parametrize("name", ["none", "light", "strong"])
def test_an_augmentation_may_be_a_name(name):
    assert TrainingConfig(augmentation=name).augmentation == AUGMENTATIONS[name]
    stored = TrainingConfig(augmentation=name).model_dump_json()
    assert TrainingConfig.model_validate_json(stored).augmentation == AUGMENTATIONS[name]


def test_no_augmentation_is_the_default():
    assert TrainingConfig().augmentation == Augmentation()


def test_the_reference_decoder_has_its_own_width():
    assert ModelConfig(decoder="notebook").width == 1
    assert ModelConfig(decoder="notebook", width=0.5).width == 0.5
    assert ModelConfig().width == 0.25


@pytest.mark.parametrize("freeze", ["all", "none", 10, ["block1", "block2"]])
def test_what_freeze_may_be(freeze):
    assert ModelConfig(freeze=freeze).freeze == freeze


def test_each_encoder_has_default_weights_that_fit():
    assert ModelConfig().weights == "hed-bsds500"
    assert ModelConfig(encoder="resnet50").weights == "imagenet"
    assert ModelConfig(encoder="resnet50", weights="none").weights == "none"
