import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer.config import ModelConfig
from components.trainer.network.encoder import blocks, build_encoder, layers_from
from components.trainer.network.network import build_network
from components.trainer.network.skips import STRIDES
from data.config import ResizeView
from data.errors import InputError
from serving.model.export import export_saved_model

IMAGENET_MEAN = (123.68, 116.779, 103.939)  # red, green, blue
# One encoder of each family. Where the first skip has three channels, it is the image.
CHANNELS = {
    "vgg16": (64, 128, 256, 512, 512),
    "vgg19": (64, 128, 256, 512, 512),
    "resnet50": (3, 64, 256, 512, 1024),
    "resnet50v2": (3, 64, 256, 512, 1024),
    "densenet121": (3, 64, 128, 256, 512),
    "mobilenet": (3, 64, 128, 256, 512),
    "mobilenetv2": (3, 96, 144, 192, 576),
    "mobilenetv3small": (3, 16, 72, 96, 288),
    "efficientnetb0": (3, 96, 144, 240, 672),
    "efficientnetv2b0": (3, 16, 32, 192, 672),
    "convnext_tiny": (3, 3, 96, 192, 384),
    "xception": (3, 64, 128, 256, 728),
}
NUMBERED_BLOCKS = {
    "vgg16": ["block1", "block2", "block3", "block4", "block5"],
    "vgg19": ["block1", "block2", "block3", "block4", "block5"],
    "resnet50": ["conv1", "conv2", "conv3", "conv4"],
    "resnet50v2": ["conv1", "conv2", "conv3", "conv4"],
    "densenet121": ["conv1", "conv2", "pool2", "conv3", "pool3", "conv4", "pool4"],
}
STRIDE_BLOCKS = ["stride2", "stride4", "stride8", "stride16"]
BLOCKS = dict.fromkeys(CHANNELS, STRIDE_BLOCKS) | NUMBERED_BLOCKS
BLOCKS["efficientnetb0"] = ["stride1", *STRIDE_BLOCKS]  # the normalisation of the image
BLOCKS["convnext_tiny"] = STRIDE_BLOCKS[1:]
WITHOUT_FULL_RESOLUTION = [name for name, (first, *_) in CHANNELS.items() if first == len("RGB")]
BGR = ("vgg16", "vgg19", "resnet50")


def build(name="vgg16", **config):
    return build_encoder(ModelConfig(**{"encoder": name, "weights": "none"} | config))


@pytest.fixture(scope="module", params=CHANNELS)
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


@pytest.mark.parametrize(
    ("name", "last"),
    [("vgg16", "block5_conv2"), ("vgg19", "block5_conv4"), ("resnet50", "conv4_block6_out")],
)
def test_nothing_behind_the_deepest_skip_is_left(name, last):
    assert build(name).layers[-1].name == last


@pytest.mark.parametrize("encoder", WITHOUT_FULL_RESOLUTION, indirect=True)
def test_encoders_that_halve_first_have_the_image_as_their_finest_skip(encoder):
    image = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    finest = np.asarray(encoder(image)[0])[0]
    for channel in range(3):
        # A linear function of one colour
        correlations = [
            np.corrcoef(finest[..., channel].ravel(), image[0, ..., colour].ravel())[0, 1]
            for colour in range(3)
        ]
        assert max(correlations) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("encoder", BGR, indirect=True)
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


def test_a_missing_stride_is_the_mean_of_the_finer_skip():
    image = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    finest, second, *_ = build("convnext_tiny")(image)
    means = np.asarray(finest)[0].reshape(16, 2, 16, 2, 3).mean((1, 3))
    np.testing.assert_allclose(second[0], means, atol=1e-5)


def test_features_without_padding_are_enlarged():
    encoder = build("xception")
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    layer = encoder.get_layer("enlarge_stride4")
    small, large = keras.Model(encoder.input, [layer.input[0], layer.output])(image)
    assert small.shape == (1, 15, 15, 128)
    np.testing.assert_allclose(large, tf.image.resize(small, (16, 16)), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["convnext_tiny", "efficientnetv2b0"])
def test_a_network_trains_a_step_and_is_exported(name, tmp_path):
    config = ModelConfig(encoder=name, weights="none", freeze="none", width=0.02)
    network = build_network(config, 2)
    network.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    before = network.get_layer(name).get_weights()
    loss = network.train_on_batch(images.astype(np.float32), images[..., 0] % 2)
    assert np.isfinite(loss)
    pairs = zip(before, network.get_layer(name).get_weights(), strict=True)
    assert any((old != new).any() for old, new in pairs)
    view = ResizeView(kind="resize", height=32, width=32)
    export_saved_model(network, str(tmp_path / "model"), classes=["a", "b"], view=view)
    served = tf.saved_model.load(str(tmp_path / "model")).signatures["probabilities"]
    expected = tf.nn.softmax(network(images.astype(np.float32), training=False))
    found = served(images=tf.constant(images))["probabilities"]
    np.testing.assert_allclose(found, expected, atol=1e-3)


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

    @pytest.mark.parametrize("name", ["vgg16", "resnet50", "efficientnetb0"])
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

    def test_a_block_of_a_stride(self):
        frozen = build("mobilenetv2", freeze=["stride2", "stride4"])
        assert frozen.get_layer("Conv1").trainable is False
        # The last layer with weights whose features have the stride 4
        names = learning(frozen)
        assert names[0] == "block_3_depthwise"
        assert frozen.get_layer("block_3_expand").trainable is False

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
