import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer.config import ModelConfig
from components.trainer.network.network import (
    CropLike,
    PadToMultiple,
    build_network,
    changing_weights,
)
from components.trainer.training.precision import dtype_policy

CLASSES = 3
CONVOLUTIONS = [
    *("block1_conv1", "block1_conv2", "block2_conv1", "block2_conv2"),
    *("block3_conv1", "block3_conv2", "block3_conv3"),
    *("block4_conv1", "block4_conv2", "block4_conv3", "block5_conv1", "block5_conv2"),
]


def tiny(**changes):
    return build_network(ModelConfig(**{"weights": "none", "width": 0.02} | changes), CLASSES)


def images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3)).astype(np.float32)


def parameters(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


@pytest.fixture(scope="module")
def notebook():
    return build_network(ModelConfig(weights="none", decoder="notebook"), CLASSES)


@pytest.fixture(scope="module")
def unet():
    return tiny()


class TestNotebook:
    def test_parameters_of_the_reference(self, notebook):
        head = notebook.get_layer("head").count_params()
        assert head == 2 * CLASSES + CLASSES
        assert notebook.count_params() - head == 39_588_932
        assert parameters(notebook.non_trainable_weights) == 12_354_880

    def test_layers_of_the_reference_in_their_order(self, notebook):
        kinds = {
            keras.layers.Conv2D: lambda layer: (layer.filters, *layer.kernel_size),
            keras.layers.UpSampling2D: lambda layer: "up",
            keras.layers.Concatenate: lambda layer: "concat",
            keras.layers.MaxPooling2D: lambda layer: "pool",
        }
        found = [
            describe(layer)
            for layer in notebook.layers
            for kind, describe in kinds.items()
            if isinstance(layer, kind)
        ]

        def block(channels):
            conv = (channels, 3, 3)
            return ["up", (channels, 2, 2), "concat", conv, conv]

        assert found == [
            *("pool", (1024, 3, 3), (1024, 3, 3)),
            *(*block(512), *block(256), *block(128)),
            *(*block(64), (2, 3, 3), *block(64), (2, 3, 3)),
            (CLASSES, 1, 1),
        ]

    def test_every_convolution_of_the_decoder_is_he_normal_relu_and_same(self, notebook):
        for layer in notebook.layers:
            if isinstance(layer, keras.layers.Conv2D) and layer.name != "head":
                assert layer.activation is keras.activations.relu
                assert layer.padding == "same"
                assert layer.use_bias
                assert isinstance(layer.kernel_initializer, keras.initializers.HeNormal)

    def test_up_sampling_is_nearest(self, notebook):
        layer = notebook.get_layer("decoder1_up")
        values = np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1)
        expected = [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]
        np.testing.assert_array_equal(layer(values)[0, ..., 0], expected)

    def test_shapes_for_a_64_pixel_image(self, notebook):
        names = {
            "latent_pool": (2, 2, 512),
            "latent_conv2": (2, 2, 1024),
            "decoder1_concat": (4, 4, 512 + 512),
            "decoder1_conv2": (4, 4, 512),
            "decoder2_concat": (8, 8, 512 + 256),
            "decoder2_conv2": (8, 8, 256),
            "decoder3_concat": (16, 16, 256 + 128),
            "decoder3_conv2": (16, 16, 128),
            "decoder4_concat": (32, 32, 128 + 64),
            "decoder4_conv2": (32, 32, 64),
            "decoder4_conv3": (32, 32, 2),
            "decoder5_concat": (64, 64, 64 + 64),
            "decoder5_conv2": (64, 64, 64),
            "decoder5_conv3": (64, 64, 2),
            "logits": (64, 64, CLASSES),
        }
        outputs = [notebook.get_layer(name).output for name in names]
        found = keras.Model(notebook.input, outputs)(images(1, 64, 64))
        shapes = {name: tuple(x.shape[1:]) for name, x in zip(names, found, strict=True)}
        assert shapes == names

    def test_concatenation_is_skip_first(self, notebook):
        skip, up = notebook.get_layer("decoder4_concat").input
        assert (skip.shape[-1], up.shape[-1]) == (128, 64)


class TestUnet:
    def test_no_layer_has_two_channels(self):
        network = build_network(ModelConfig(weights="none", width=1), CLASSES)
        filters = {
            layer.name: layer.filters
            for layer in network.layers
            if isinstance(layer, keras.layers.Conv2D)
        }
        assert 2 not in filters.values()
        assert [filters[f"decoder{block}_conv2"] for block in range(1, 6)] == [
            512,
            256,
            128,
            64,
            64,
        ]

    def test_every_skip_and_every_convolution_is_normalised(self, unet):
        producers = {id(layer.output): layer for layer in unet.layers if layer.name != "vgg16"}
        for block in range(1, 6):
            skip, _ = unet.get_layer(f"decoder{block}_concat").input
            assert isinstance(producers[id(skip)], keras.layers.BatchNormalization)
        pooled = producers[id(unet.get_layer("latent_pool").input)]
        assert isinstance(pooled, keras.layers.BatchNormalization)
        normalised = {
            id(layer.input)
            for layer in unet.layers
            if isinstance(layer, keras.layers.BatchNormalization)
        }
        for layer in unet.layers:
            if isinstance(layer, keras.layers.Conv2D) and layer.name != "head":
                assert not layer.use_bias
                assert id(layer.output) in normalised

    @pytest.mark.parametrize("decoder", ["unet", "notebook"])
    def test_no_gradient_is_computed_for_the_skips_of_a_frozen_encoder(self, decoder):
        network = tiny(decoder=decoder)

        def gradients(images):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(network(images, training=True))
            return tape.gradient(loss, [weight.value for weight in network.trainable_weights])

        graph = tf.function(gradients).get_concrete_function(tf.constant(images(1, 32, 32))).graph
        needed = tf.compat.v1.graph_util.extract_sub_graph(
            graph.as_graph_def(), [output.op.name for output in graph.outputs]
        )
        found = [
            graph.get_operation_by_name(node.name).inputs[1].shape[2]  # channels, by the kernel
            for node in needed.node
            if node.op == "Conv2DBackpropInput"
        ]
        convolutions = {
            layer.name: layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)
        }
        del convolutions["latent_conv1"]  # all that it sees is a skip
        expected = {name: layer.kernel.shape[2] for name, layer in convolutions.items()}
        for block in range(1, 6):
            _, up = network.get_layer(f"decoder{block}_concat").input
            expected[f"decoder{block}_conv1"] = up.shape[-1]
        assert sorted(found) == sorted(expected.values())

    @pytest.mark.parametrize(
        ("width", "channels"),
        [(0.25, [256, 128, 64, 32, 16, 16]), (0.001, [2, 1, 1, 1, 1, 1])],
        ids=["a quarter", "never none"],
    )
    def test_width_scales_the_channels(self, width, channels):
        network = tiny(width=width)
        names = ["latent_conv2", *(f"decoder{block}_conv2" for block in range(1, 6))]
        assert [network.get_layer(name).filters for name in names] == channels


class TestDropout:
    def test_without_it_there_is_no_such_layer(self, unet, notebook):
        for network in (unet, notebook):
            kinds = [type(layer) for layer in network.layers]
            assert not any(issubclass(kind, keras.layers.Dropout) for kind in kinds)

    @pytest.mark.parametrize("decoder", ["unet", "notebook"])
    def test_it_drops_whole_channels_of_the_latent_only_in_training(self, decoder):
        network = tiny(decoder=decoder, dropout=0.5)
        layer = network.get_layer("latent_dropout")
        assert layer.input.shape[-1] == round(2 * 512 * 0.02)
        assert network.get_layer("decoder1_up").input is layer.output
        features = np.ones((4, 3, 3, layer.input.shape[-1]), np.float32)
        np.testing.assert_array_equal(layer(features, training=False), features)
        dropped = layer(features, training=True).numpy()
        assert set(np.unique(dropped)) == {0, 2}
        assert (dropped == dropped[:, :1, :1]).all()

    def test_the_seed_decides_what_is_dropped(self):
        def after(seed):
            keras.utils.set_random_seed(seed)
            return tiny(dropout=0.5)(images(2, 32, 32), training=True).numpy()

        np.testing.assert_array_equal(after(1), after(1))
        assert (after(1) != after(2)).any()


@pytest.mark.parametrize(
    ("freeze", "trainable"),
    [("all", []), ("none", CONVOLUTIONS), (0, CONVOLUTIONS), (10, CONVOLUTIONS[7:])],
)
def test_frozen_layers_stay_and_the_others_learn(freeze, trainable):
    network = tiny(freeze=freeze)
    encoder = network.get_layer("vgg16")
    assert [layer.name for layer in encoder.layers if layer.trainable_weights] == trainable

    def weights():
        return {layer.name: layer.get_weights() for layer in encoder.layers if layer.weights}

    before = weights()
    head = network.get_layer("head").get_weights()[0]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(1e-3), loss, run_eagerly=True)
    truth = np.random.default_rng(0).integers(0, CLASSES, (2, 32, 32))
    network.train_on_batch(images(2, 32, 32), truth)
    changed = [
        name
        for name, arrays in weights().items()
        if any((old != new).any() for old, new in zip(before[name], arrays, strict=True))
    ]
    assert changed == trainable
    assert (network.get_layer("head").get_weights()[0] != head).any()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (33, 47), (64, 32), (32, 31)])
def test_the_output_has_the_size_of_any_image(unet, height, width):
    logits = unet(images(2, height, width), training=False)
    assert tuple(logits.shape) == (2, height, width, CLASSES)
    assert np.isfinite(logits).all()


def test_another_size_is_padded_with_black_at_the_bottom_and_at_the_right(unet):
    image = images(1, 33, 47)
    padded = np.zeros((1, 64, 64, 3), np.float32)
    padded[:, :33, :47] = image
    expected = unet(padded, training=False)[:, :33, :47]
    np.testing.assert_allclose(unet(image, training=False), expected, atol=1e-5)


def test_one_network_predicts_images_of_many_sizes(unet):
    for size in ((32, 64), (50, 20)):
        assert unet.predict(images(1, *size), verbose=0).shape == (1, *size, CLASSES)


class TestPadAndCrop:
    @pytest.mark.parametrize(
        ("size", "padded"),
        [((32, 64), (32, 64)), ((1, 1), (32, 32)), ((33, 31), (64, 32))],
        ids=["multiple", "one pixel", "mixed"],
    )
    def test_padding(self, size, padded):
        image = images(1, *size) + 1
        found = np.asarray(PadToMultiple(32)(image))
        assert found.shape == (1, *padded, 3)
        np.testing.assert_array_equal(found[:, : size[0], : size[1]], image)
        assert found.sum() == image.sum()
        assert PadToMultiple(32).compute_output_shape((None, *size, 3)) == (None, *padded, 3)

    def test_unknown_sizes_stay_unknown(self):
        assert PadToMultiple(32).compute_output_shape((None, None, 33, 3)) == (None, None, 64, 3)

    def test_cropping_undoes_padding(self):
        image = images(2, 33, 47)
        np.testing.assert_array_equal(CropLike()([PadToMultiple(32)(image), image]), image)
        shapes = [(None, 64, 64, 5), (None, 33, 47, 3)]
        assert CropLike().compute_output_shape(shapes) == (None, 33, 47, 5)

    def test_saved_and_loaded_again(self, tmp_path):
        inputs = keras.Input((None, None, 3))
        outputs = CropLike(name="crop")([PadToMultiple(16, name="pad")(inputs), inputs])
        keras.Model(inputs, outputs).save(tmp_path / "model.keras")
        custom = {"PadToMultiple": PadToMultiple, "CropLike": CropLike}
        loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects=custom)
        assert loaded.get_layer("pad").multiple == 16
        image = images(1, 17, 5)
        np.testing.assert_array_equal(loaded(image), image)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_weights_and_logits_are_float32_in_every_precision(precision):
    with dtype_policy(precision):
        network = tiny()
    assert network.get_layer("head").compute_dtype == precision
    assert {weight.dtype for weight in network.weights} == {"float32"}
    assert network(images(1, 32, 32)).dtype == "float32"


def test_weights_that_change_are_those_that_learn_and_their_statistics(unet):
    changing = changing_weights(unet)
    frozen = unet.get_layer("vgg16").weights
    assert len(changing) + len(frozen) == len(unet.weights)
    assert not {weight.path for weight in changing} & {weight.path for weight in frozen}
    assert any("moving_mean" in weight.path for weight in changing)
