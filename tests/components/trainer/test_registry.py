import subprocess
import sys

import pytest
from pydantic import ValidationError

from components.trainer.config import ModelConfig, TrainingConfig
from components.trainer.network import decoder
from components.trainer.registry import DECODERS, ENCODERS, LOSSES, licence_of
from components.trainer.training import loss_terms


def test_every_entry_is_a_name_in_the_config():
    for encoder in ENCODERS:
        assert ModelConfig(encoder=encoder).encoder == encoder
    for name, function in DECODERS.items():
        assert ModelConfig(decoder=name).decoder == name
        assert callable(getattr(decoder, function))
    for name in LOSSES:
        assert TrainingConfig(loss=name).loss == {name: 1}
        assert callable(getattr(loss_terms, name))


@pytest.mark.parametrize(("key", "names"), [("encoder", ENCODERS), ("decoder", DECODERS)])
def test_another_name_is_refused_with_all_names(key, names):
    with pytest.raises(ValidationError) as caught:
        ModelConfig.model_validate({key: "other"})
    for name in names:
        assert name in str(caught.value)


def test_the_nearest_encoder_is_named_first():
    with pytest.raises(ValidationError, match="should be one of efficientnetv2b0, efficientnet"):
        ModelConfig(encoder="efficientnet_v2_b0")


def test_a_config_is_read_without_keras():
    code = (
        "import sys, components.trainer.config, components.tuner.config; "
        "print({'keras', 'tensorflow', 'h5py'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


def test_the_licence_of_weights_is_told_as_far_as_it_is_known():
    assert licence_of("hed-bsds500").startswith("MIT")
    assert licence_of("/data/own.weights.h5") == "unknown: the weights are from a file"
