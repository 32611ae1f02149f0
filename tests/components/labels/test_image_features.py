import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.labels.image_features import load_image_features
from components.trainer.config import ModelConfig, TrainerSettings, TrainingConfig
from components.trainer.network.network import build_network, split_network
from data.config import ResizeView
from data.errors import InputError
from data.rasters.images import encode_png
from serving.model.description import DESCRIPTION
from serving.model.export import export_saved_model

SETTINGS = TrainerSettings(
    classes=["dark", "bright"],
    view=ResizeView(kind="resize", height=60, width=32),
    model=ModelConfig(weights="none", width=0.02),
    training=TrainingConfig(),
    code="1",
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A network with random weights, and the folder of its SavedModel."""
    network = build_network(SETTINGS.model, 2)
    path = tmp_path_factory.mktemp("model") / "1"
    export_saved_model(
        network,
        str(path),
        classes=SETTINGS.classes,
        view=SETTINGS.view,
        config=SETTINGS.model_dump(mode="json"),
    )
    encoder, _ = split_network(network)
    # The test below builds other layers; the weights of this encoder stay.
    return encoder, path


def test_features_are_those_of_the_encoder_of_the_model(exported):
    encoder, path = exported
    pixels = np.random.default_rng(0).integers(256, size=(64, 32, 3), dtype=np.uint8)
    deepest = encoder(tf.constant(pixels[np.newaxis], tf.float32))[-1].numpy()
    expected = deepest.mean((0, 1, 2))
    features = load_image_features(str(path))(encode_png(pixels))
    assert features.shape == (512,)
    assert np.linalg.norm(features) == pytest.approx(1, abs=1e-4)
    # The network may compute in bfloat16 here.
    np.testing.assert_allclose(features, expected / np.linalg.norm(expected), atol=0.01)


def test_images_of_any_size_have_features_near_those_of_the_same_image_in_another_size(exported):
    compute = load_image_features(str(exported[1]))
    small = np.random.default_rng(1).integers(256, size=(16, 8, 3), dtype=np.uint8)
    large = small.repeat(10, 0).repeat(10, 1)
    other = np.zeros((50, 70, 3), np.uint8)
    of_small, of_large, of_other = (compute(encode_png(image)) for image in (small, large, other))
    assert of_small @ of_large > of_small @ of_other


@pytest.mark.parametrize("change", [{"config": None}, {"weights": []}, {"weights": ["kernel"]}])
def test_a_model_whose_encoder_cannot_be_built_is_one_line(exported, tmp_path, change):
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "variables").symlink_to(exported[1] / "variables")
    description = json.loads((exported[1] / DESCRIPTION).read_text()) | change
    (tmp_path / DESCRIPTION).write_text(json.dumps(description))
    with pytest.raises(InputError, match=rf"^{tmp_path}: the model [^\n]*encoder\.$"):
        load_image_features(str(tmp_path))
    keras.utils.clear_session()
