import keras
import numpy as np
import pytest

from components.trainer.config import ModelConfig
from components.trainer.network.inspection import feature_maps, inspect
from components.trainer.network.network import build_network
from data.errors import InputError


@pytest.fixture(scope="module")
def network():
    return build_network(ModelConfig(weights="none", decoder="notebook", freeze=10), 3)


@pytest.fixture(scope="module")
def facts(network):
    return inspect(network, "vgg16", 64, 96)


def test_the_reference_s_numbers(network, facts):
    assert facts.parameters == 39_588_932 + 2 * 3 + 3
    first, *_, last = facts.layers
    assert first == ("block1_conv1", "Conv2D", (64, 96, 64), 3 * 3 * 3 * 64 + 64, False, True)
    assert last == ("logits", "Activation", (64, 96, 3), 0, False, False)
    shapes = {layer.name: layer.shape for layer in facts.layers}
    assert shapes["block2_pool"] == (16, 24, 128)
    assert shapes["latent_conv2"] == (2, 3, 1024)
    assert shapes["decoder5_conv3"] == (64, 96, 2)


def test_what_learns_is_what_training_changes(network, facts):
    learning = {layer.name for layer in facts.layers if layer.learns}
    assert "block3_conv3" not in learning
    assert "block4_conv1" in learning
    assert facts.learning == sum(layer.parameters for layer in facts.layers if layer.learns)


def test_operations_are_those_of_the_convolutions(network, facts):
    # Two operations for each of a kernel's numbers at each pixel of its output; all else is little.
    expected = 0
    for layer in facts.layers:
        if layer.kind in ("Conv2D", "SkipConv2D"):
            height, width, channels = layer.shape
            expected += 2 * height * width * (layer.parameters - channels)
    assert facts.flops == pytest.approx(expected, rel=0.01)


def test_a_new_network_is_sane(facts):
    assert len(facts.sane) == 4
    assert all(facts.sane.values())
    assert any(f"{13 - 1 + 2 + 15 + 2} ReLUs" in sentence for sentence in facts.sane)


def test_a_network_with_a_broken_weight_is_not(network):
    head = network.get_layer("head")
    before = head.get_weights()
    head.set_weights([np.full_like(before[0], np.nan), before[1]])
    sane = inspect(network, "vgg16", 32, 32).sane
    head.set_weights(before)
    assert [sentence for sentence, holds in sane.items() if not holds] == [
        "the probabilities of every pixel sum to 1",
        "every output is finite",
    ]


@pytest.mark.parametrize("layer", ["block1_pool", "block2_pool", "decoder5_conv1"])
def test_features_are_the_layer_s_output(network, layer):
    image = np.random.default_rng(0).uniform(0, 255, (32, 64, 3)).astype(np.float32)
    found = feature_maps(network, "vgg16", layer, image)
    if layer.startswith("decoder"):
        expected = keras.Model(network.input, network.get_layer(layer).output)(image[np.newaxis])
    else:
        encoder = network.get_layer("vgg16")
        expected = keras.Model(encoder.input, encoder.get_layer(layer).output)(image[np.newaxis])
    np.testing.assert_allclose(found, expected[0], rtol=1e-5)


def test_an_unknown_layer_is_named_with_similar_ones(network):
    with pytest.raises(InputError, match=r"^--layer: the network has no block1_pol; .*block1_pool"):
        feature_maps(network, "vgg16", "block1_pol", np.zeros((32, 32, 3), np.float32))


def test_all_of_resnet_is_shown():
    network = build_network(ModelConfig(encoder="resnet50", weights="none", width=0.02), 2)
    facts = inspect(network, "resnet50", 32, 64)
    assert facts.parameters == sum(layer.parameters for layer in facts.layers)
    assert all(facts.sane.values())
