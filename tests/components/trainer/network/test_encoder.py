import keras
import numpy as np
import pytest

from components.trainer.config import ModelConfig
from components.trainer.network.encoder import STRIDES, blocks, build_encoder, layers_from
from components.trainer.registry import ENCODERS
from data.errors import InputError

IMAGENET_MEAN = (123.68, 116.779, 103.939)  # red, green, blue
CHANNELS = {
    "vgg16": (64, 128, 256, 512, 512),
    "vgg19": (64, 128, 256, 512, 512),
    "resnet50": (3, 64, 256, 512, 1024),
}
BLOCKS = {
    "vgg16": ["block1", "block2", "block3", "block4", "block5"],
    "vgg19": ["block1", "block2", "block3", "block4", "block5"],
    "resnet50": ["conv1", "conv2", "conv3", "conv4"],
}


def build(name="vgg16", **config):
    return build_encoder(ModelConfig(**{"encoder": name, "weights": "none"} | config))


@pytest.fixture(scope="module", params=ENCODERS)
def encoder(request):
    return build(request.param)


def learning(encoder):
    return [layer.name for layer in encoder.layers if layer.trainable_weights]


def test_skips_have_the_documented_channels_and_strides(encoder):
    skips = encoder(np.zeros((1, 64, 32, 3), np.float32))
    assert [tuple(skip.shape) for skip in skips] == [
        (1, 64 // stride, 32 // stride, channels)
        for stride, channels in zip(STRIDES, CHANNELS[encoder.name], strict=True)
    ]


def test_the_reference_ends_at_its_deepest_skip():
    assert build().count_params() == 12_354_880


def test_nothing_behind_the_deepest_skip_is_left(encoder):
    last = ENCODERS[encoder.name].skips[-1]
    assert encoder.layers[-1].name == last


def test_inputs_are_rgb_of_0_to_255_and_become_bgr_without_the_mean(encoder):
    convolution = next(layer for layer in encoder.layers if isinstance(layer, keras.layers.Conv2D))
    seen = keras.Model(encoder.input, convolution.input)
    mean = np.full((1, 32, 32, 3), IMAGENET_MEAN, np.float32)
    middle = (0, 16, 16)
    np.testing.assert_allclose(seen(mean)[middle], np.zeros(3), atol=1e-3)
    for rgb, bgr in ((0, 2), (1, 1), (2, 0)):
        brighter = mean.copy()
        brighter[..., rgb] += 50
        np.testing.assert_allclose(seen(brighter)[middle], 50 * np.eye(3)[bgr], atol=1e-3)


def test_features_are_those_of_the_keras_application(encoder):
    name, module, skips = ENCODERS[encoder.name]
    whole = getattr(keras.applications, name)(include_top=False, weights=None)
    for layer in encoder.layers:
        if layer.weights:
            whole.get_layer(layer.name).set_weights(layer.get_weights())
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 64, 3)).astype(np.float32)
    expected = keras.Model(whole.input, whole.get_layer(skips[-1]).output)(
        getattr(keras.applications, module).preprocess_input(image.copy())
    )
    np.testing.assert_allclose(encoder(image)[-1], expected, rtol=1e-4, atol=1e-4)


class TestFreeze:
    def test_blocks_have_the_names_that_a_config_may_use(self, encoder):
        assert blocks(encoder) == BLOCKS[encoder.name]

    def test_ten_layers_of_vgg16_are_those_of_the_reference_notebook(self):
        frozen = build(freeze=10)
        assert frozen.get_layer("block3_conv3").trainable is False
        assert learning(frozen) == [
            *("block4_conv1", "block4_conv2", "block4_conv3", "block5_conv1", "block5_conv2")
        ]

    def test_named_blocks(self):
        assert {name.split("_")[0] for name in learning(build(freeze=["block1", "block3"]))} == {
            "block2",
            "block4",
            "block5",
        }

    @pytest.mark.parametrize("name", ENCODERS)
    def test_frozen_stays_frozen_in_training_mode_statistics_included(self, name):
        encoder = build(name, freeze="all")
        before = encoder.get_weights()
        images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
        for _ in range(3):
            encoder(images, training=True)
        for old, new in zip(before, encoder.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)

    def test_unfrozen_layers_of_resnet_update_statistics(self):
        encoder = build("resnet50", freeze=["conv1", "conv2", "conv3"])
        statistics = {
            layer.name: layer.moving_mean
            for layer in encoder.layers
            if isinstance(layer, keras.layers.BatchNormalization)
        }
        before = {name: mean.numpy() for name, mean in statistics.items()}
        encoder(np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)), training=True)
        changed = {
            name for name, mean in statistics.items() if (mean.numpy() != before[name]).any()
        }
        assert changed == {name for name in statistics if name.startswith("conv4")}

    def test_more_frozen_layers_than_exist_are_refused(self):
        with pytest.raises(InputError, match=r"^model\.freeze: 100, but the encoder has 17 layers"):
            build(freeze=100)

    def test_an_unknown_block_is_named_with_the_existing_ones(self):
        with pytest.raises(InputError) as caught:
            build("resnet50", freeze=["conv1", "block2"])
        assert str(caught.value) == (
            "model.freeze: block2 is not a block of resnet50; its blocks are conv1, conv2, conv3, "
            "conv4."
        )


def test_the_layers_of_a_second_phase():
    encoder = build()
    found = [layer.name for layer in layers_from(encoder, "block5")]
    assert [name for name in found if "conv" in name] == ["block5_conv1", "block5_conv2"]
    with pytest.raises(
        InputError, match=r"unfreeze_from: block6 is not a block of vgg16; .*block5\."
    ):
        layers_from(encoder, "block6")
