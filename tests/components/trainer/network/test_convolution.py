"""The convolution after a concatenation must give the same numbers as Keras'."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from components.trainer.network.convolution import SkipConv2D


def pair(channels, filters, size, **options):
    """Returns our layer and Keras' with the same weights."""
    random = np.random.default_rng(channels)
    ours = SkipConv2D(filters, size, **options)
    theirs = layers.Conv2D(filters, size, padding="same", **options)
    for layer in (ours, theirs):
        layer.build((None, None, None, channels))
    weights = [random.normal(size=weight.shape).astype(np.float32) for weight in ours.weights]
    for layer in (ours, theirs):
        layer.set_weights(weights)
    return ours, theirs


def convolved(layer, skip, up, training):
    both = tf.concat([skip, up], -1)
    if isinstance(layer, SkipConv2D):
        return layer(both, skip, up, training=training)
    return layer(both)


def learn(layer, skip, up, weights):
    """Returns the outputs and the gradients by both parts and the layer's weights."""
    with tf.GradientTape() as tape:
        tape.watch([skip, up])
        outputs = convolved(layer, skip, up, training=True)
        loss = tf.reduce_sum(outputs * weights)
    variables = [weight.value for weight in layer.weights]
    return [outputs, *tape.gradient(loss, [skip, up, *variables])]


@settings(max_examples=25)
@given(
    shape=st.tuples(*(st.integers(1, high) for high in (3, 6, 7))),
    channels=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)),
    size=st.integers(1, 3),
    activation=st.sampled_from([None, "relu"]),
    use_bias=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_a_training_step_equals_keras(shape, channels, size, activation, use_bias, seed):
    random = np.random.default_rng(seed)
    skip_channels, up_channels, filters = channels
    skip, up, weights = (
        tf.constant(random.normal(size=(*shape, count)).astype(np.float32))
        for count in (skip_channels, up_channels, filters)
    )
    options = {"activation": activation, "use_bias": use_bias}
    layers_ = pair(skip_channels + up_channels, filters, size, **options)
    for mine, yours in zip(*(learn(layer, skip, up, weights) for layer in layers_), strict=True):
        np.testing.assert_allclose(mine, yours, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("frozen", "expected"), [(True, 1), (False, 2)])
def test_nothing_is_computed_for_a_skip_that_nothing_learns_from(frozen, expected):
    layer, _ = pair(5, 2, 3)

    def gradients(skip, up):
        with tf.GradientTape() as tape:
            tape.watch(up if frozen else [skip, up])
            loss = tf.reduce_sum(convolved(layer, skip, up, training=True))
        return tape.gradient(loss, [up, *([] if frozen else [skip])])

    graph = (
        tf.function(gradients)
        .get_concrete_function(tf.TensorSpec((1, 4, 4, 3)), tf.TensorSpec((1, 4, 4, 2)))
        .graph
    )
    needed = tf.compat.v1.graph_util.extract_sub_graph(
        graph.as_graph_def(), [output.op.name for output in graph.outputs]
    )
    assert [node.op for node in needed.node].count("Conv2DBackpropInput") == expected


def test_inference_uses_the_same_operations_as_keras():
    skip, up = tf.ones((2, 4, 5, 3)), tf.ones((2, 4, 5, 2))
    graphs = [
        tf.function(lambda skip, up, layer=layer: convolved(layer, skip, up, training=False))
        .get_concrete_function(skip, up)
        .graph
        for layer in pair(5, 2, 3, activation="relu")
    ]
    ours, theirs = ([operation.type for operation in g.get_operations()] for g in graphs)
    assert ours == theirs


def test_it_is_made_again_from_its_config():
    skip, up = keras.Input((None, None, 3)), keras.Input((None, None, 2))
    options = {"activation": "relu", "use_bias": False, "kernel_initializer": "he_normal"}
    layer = SkipConv2D(4, 3, name="conv", **options)
    outputs = layer(layers.Concatenate()([skip, up]), skip, up)
    model = keras.Model([skip, up], outputs)
    again = keras.Model.from_config(model.get_config(), {"SkipConv2D": SkipConv2D})
    again.set_weights(model.get_weights())
    assert again.get_layer("conv").get_config() == layer.get_config()
    inputs = [np.ones((1, 4, 5, 3), np.float32), np.full((1, 4, 5, 2), 2, np.float32)]
    np.testing.assert_array_equal(again(inputs), model(inputs))
