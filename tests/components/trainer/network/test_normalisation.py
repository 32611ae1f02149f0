"""The fused layer must give the same numbers as Keras'."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from components.trainer.network.normalisation import BatchNormalization
from components.trainer.training.precision import dtype_policy

MOMENTUM = 0.9


def pair(channels):
    """Returns our layer and Keras' with the same weights."""
    random = np.random.default_rng(channels)
    kinds = BatchNormalization, layers.BatchNormalization
    both = [kind(momentum=MOMENTUM) for kind in kinds]
    for layer in both:
        layer.build((None, None, None, channels))
    weights = [random.uniform(0.5, 2, channels).astype(np.float32) for _ in range(4)]
    for layer in both:
        layer.set_weights(weights)
    return both


def learn(layer, inputs, weights):
    """Returns outputs, gradients by inputs, scale and offset, and the new statistics of a step."""
    inputs = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * weights)
    gradients = tape.gradient(loss, [inputs, layer.gamma.value, layer.beta.value])
    return [outputs, *gradients, layer.moving_mean, layer.moving_variance]


def numbers(tensors):
    return [np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(t, "float32"))) for t in tensors]


@settings(max_examples=25)
@given(
    shape=st.tuples(*(st.integers(1, high) for high in (3, 5, 6, 4))).filter(
        lambda shape: np.prod(shape[:3]) > 1
    ),
    seed=st.integers(0, 2**16),
)
def test_a_training_step_equals_keras(shape, seed):
    random = np.random.default_rng(seed)
    inputs = random.normal(3, 40, shape).astype(np.float32)
    weights = random.normal(size=shape).astype(np.float32)
    ours, theirs = (numbers(learn(layer, inputs, weights)) for layer in pair(shape[-1]))
    for mine, yours in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, yours, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("training", [True, False])
def test_without_scale_and_offset_it_equals_keras(training):
    inputs = np.random.default_rng(1).normal(3, 40, (2, 5, 3, 4)).astype(np.float32)
    options = {"momentum": MOMENTUM, "center": False, "scale": False}
    both = [kind(**options) for kind in (BatchNormalization, layers.BatchNormalization)]
    outputs = [layer(inputs, training=training) for layer in both]
    np.testing.assert_allclose(*outputs, rtol=1e-4, atol=1e-4)
    for mine, yours in zip(*(layer.get_weights() for layer in both), strict=True):
        np.testing.assert_allclose(mine, yours, rtol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_it_is_one_operation(training):
    ours, theirs = pair(2)
    kinds = [
        {
            operation.type
            for operation in tf.function(
                lambda inputs, layer=layer: layer(inputs, training=training)
            )
            .get_concrete_function(tf.TensorSpec((2, 4, 4, 2)))
            .graph.get_operations()
        }
        for layer in (ours, theirs)
    ]
    assert ["FusedBatchNormV3" in kind for kind in kinds] == [True, False]
    assert ["Rsqrt" in kind for kind in kinds] == [False, True]


def test_a_single_pixel_has_no_variance():
    ours, _ = pair(2)
    before = ours.moving_variance.numpy()
    outputs = ours(np.full((1, 1, 1, 2), 7, np.float32), training=True)
    np.testing.assert_allclose(outputs[0, 0, 0], ours.beta.numpy(), atol=1e-5)
    np.testing.assert_allclose(ours.moving_variance.numpy(), MOMENTUM * before, rtol=1e-6)


@pytest.mark.parametrize("frozen", [False, True])
def test_inference_equals_keras_and_changes_no_statistics(frozen):
    inputs = np.random.default_rng(1).normal(3, 40, (2, 5, 3, 4)).astype(np.float32)
    results = []
    for layer in pair(4):
        layer.trainable = not frozen
        before = layer.get_weights()
        results.append(layer(inputs, training=frozen))
        for old, new in zip(before, layer.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
    np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_statistics_are_float32_in_every_precision(precision):
    inputs = np.random.default_rng(1).normal(0, 1, (4, 32, 32, 3)).astype(np.float32)
    with dtype_policy(precision):
        ours, _ = pair(3)
        before = ours.moving_variance.numpy()
        outputs = ours(inputs, training=True)
    assert outputs.dtype == precision
    assert {weight.dtype for weight in ours.weights} == {"float32"}
    batch = inputs.var((0, 1, 2))
    expected = MOMENTUM * before + (1 - MOMENTUM) * batch
    np.testing.assert_allclose(ours.moving_variance.numpy(), expected, rtol=1e-3)
