from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.trainer.config import ModelConfig, TrainingConfig
from components.trainer.network.network import build_network, split_network
from components.trainer.training.features import FeatureBuffer, Mixture, encoding, keep_features
from components.trainer.training.losses import SegmentationLoss
from components.trainer.training.metrics import ClassIoU
from components.trainer.training.optimizer import Adam
from components.trainer.training.steps import Steps
from tests.components.trainer.training_process import network as small_network

ONE_DEVICE = tf.distribute.get_strategy()
CLASSES = ["dark", "bright"]
SIZE = 32
BATCH_SPEC = (tf.TensorSpec([None, SIZE, SIZE, 3]), tf.TensorSpec([None, SIZE, SIZE], tf.uint8))


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(1)
    return build_network(ModelConfig(weights="none", width=0.02), len(CLASSES))


def numbered_batches(first=0, batch_size=3):
    """Batches of images that show the number of their batch and their position in it."""
    number = first
    while True:
        positions = np.arange(batch_size, dtype=np.float32)
        values = (10 * number + positions)[:, None, None]
        images = np.broadcast_to(values[..., None], (batch_size, SIZE, SIZE, 3))
        masks = np.broadcast_to(values, (batch_size, SIZE, SIZE))
        yield tf.constant(images), tf.constant(masks, tf.uint8)
        number += 1


@given(
    uses=st.integers(1, 9),
    size=st.integers(2, 12),
    first=st.integers(0, 1000),
    seed=st.integers(0, 2**31 - 1),
)
def test_images_come_from_recent_batches_and_serve_equally_often(uses, size, first, seed):
    mixture = Mixture(3, uses, size, seed)
    steps = range(first, first + 3 * uses * size)
    origins = np.array([mixture.origins(step) for step in steps])
    oldest = np.array([step // uses for step in steps])
    assert ((oldest[:, None] <= origins) & (origins < oldest[:, None] + size)).all()
    # Batches that come and go within these steps
    complete = range(int(oldest[0]) + size, int(oldest[-1]) - 1)
    for position in range(3):
        served = Counter(origins[:, position].tolist())
        for number in complete:
            assert abs(served[number] - uses) <= 1


def test_each_position_mixes_in_its_own_order():
    origins = np.array([Mixture(8, 100, 50, seed=1).origins(step) for step in range(50)])
    assert (np.sort(origins, axis=0) == np.arange(50)[:, None]).all()
    assert all((origins[:, 0] != origins[:, other]).mean() > 0.8 for other in range(1, 8))


def test_a_step_trains_on_the_features_of_its_images(network):
    mixture = Mixture(batch_size=3, uses=2, size=4, seed=1)
    encoder, _ = split_network(network)
    encode = encoding(encoder, ONE_DEVICE, BATCH_SPEC)
    buffer = FeatureBuffer(encode, ONE_DEVICE, mixture)
    batches = buffer.mixed(numbered_batches(), first_step=0)
    for step in range(20):
        (images, *skips), masks = next(batches)
        expected = 10 * mixture.origins(step) + np.arange(3)
        np.testing.assert_array_equal(images[:, 0, 0, 0], expected)
        np.testing.assert_array_equal(masks[:, 5, 5], expected)
        for skip, alone in zip(skips, encoder(images), strict=True):
            np.testing.assert_allclose(skip, alone, rtol=1e-4, atol=1e-4)


def test_the_encoder_is_traced_once_for_batches_of_any_size(network):
    encoder, _ = split_network(network)
    encode = encoding(encoder, ONE_DEVICE, BATCH_SPEC)
    for size in (3, 1, 2):
        (images, *_), masks = encode(*next(numbered_batches(batch_size=size)))
        assert len(images) == len(masks) == size
    assert encode.experimental_get_tracing_count() == 1


def test_a_resumed_buffer_continues_with_the_same_batches(network):
    encoder, _ = split_network(network)
    mixture = Mixture(batch_size=3, uses=2, size=4, seed=1)
    encode = encoding(encoder, ONE_DEVICE, BATCH_SPEC)
    whole = FeatureBuffer(encode, ONE_DEVICE, mixture).mixed(numbered_batches(), 0)
    resumed = FeatureBuffer(encode, ONE_DEVICE, mixture).mixed(
        numbered_batches(first=mixture.oldest(7)), 7
    )
    for _ in range(7):
        next(whole)
    for _ in range(5):
        (images, *_), masks = next(whole)
        (same_images, *_), same_masks = next(resumed)
        np.testing.assert_array_equal(images, same_images)
        np.testing.assert_array_equal(masks, same_masks)


def training(**settings):
    return TrainingConfig(batch_size=3, **settings)


def keep(network, count, settings):
    images = np.zeros((count, SIZE, SIZE, 3), np.float32)
    masks = np.zeros((count, SIZE, SIZE), np.uint8)
    val_batches = tf.data.Dataset.from_tensor_slices((images, masks)).batch(3)
    return val_batches, keep_features(
        network, ONE_DEVICE, val_batches, settings, image_size=(SIZE, SIZE), most_batches=100
    )


# Image, mask and skips of 32×32 pixels, in float32
BYTES = 32**2 * (3 * 4 + 1) + 4 * sum(
    count * (32 // stride) ** 2
    for count, stride in ((64, 1), (128, 2), (256, 4), (512, 8), (512, 16))
)


def test_features_stay_within_the_memory(network):
    assert round(BYTES / 2**10) == 501
    _, kept = keep(network, 4, training(feature_memory_mib=10, feature_uses=5))
    # 20 images fit: the 4 of `val`, and 5 batches; memory is reckoned for whole batches.
    assert kept.buffer.mixture == Mixture(batch_size=3, uses=5, size=4, seed=1)
    assert [len(masks) for _, masks in kept.val_batches] == [3, 1]
    (images, *skips), masks = kept.val_spec
    assert images.shape.as_list() == [None, SIZE, SIZE, 3]
    assert skips[4].shape.as_list() == [None, SIZE // 16, SIZE // 16, 512]
    assert masks.shape.as_list() == [None, SIZE, SIZE]
    assert kept.summary == (
        "The frozen encoder's features of val (3 MiB) and of 4 batches (6 MiB) stay in memory; "
        "each image serves 5 training steps."
    )


def test_too_many_val_images_are_encoded_in_each_epoch(network):
    val_batches, kept = keep(network, 11, training(feature_memory_mib=10))
    assert kept.val_batches is val_batches
    assert kept.buffer.mixture.size == 6
    assert kept.summary == (
        "The frozen encoder's features of 6 batches (9 MiB) stay in memory; "
        "each image serves 4 training steps."
    )


def test_without_memory_for_two_batches_images_serve_one_step(network):
    val_batches, kept = keep(network, 3, training(feature_memory_mib=2))
    assert (kept.val_batches, kept.buffer) == (val_batches, None)
    assert kept.summary == (
        "The frozen encoder's features are not kept: those of two batches need 3 MiB, but "
        "training.feature_memory_mib is 2."
    )


def test_one_use_keeps_the_features_of_val_alone(network):
    _, kept = keep(network, 2, training(feature_uses=1))
    assert kept.buffer is None
    assert kept.summary == "The frozen encoder's features of val (1 MiB) stay in memory."


def test_with_one_use_and_many_val_images_no_features_are_kept(network):
    val_batches, kept = keep(network, 11, training(feature_memory_mib=10, feature_uses=1))
    assert (kept.val_batches, kept.buffer) == (val_batches, None)
    assert kept.summary == (
        "The frozen encoder's features are not kept: each image serves one training step, and "
        "those of val need more than half of training.feature_memory_mib (10)."
    )


def test_steps_on_features_equal_steps_on_images():
    network = small_network(ModelConfig(weights="none"), len(CLASSES))
    encoder, decoder = split_network(network)
    network.compile(Adam(1e-3), SegmentationLoss({"cross_entropy": 1.0}, [1.0, 2.0]))
    network.optimizer.build(network.trainable_variables)
    random = np.random.default_rng(1)
    images = tf.constant(random.uniform(0, 255, (3, SIZE, SIZE, 3)), tf.float32)
    masks = tf.constant(random.integers(0, 2, (3, SIZE, SIZE)), tf.uint8)
    features = [images, *encoder(images, training=False)]
    first_weights = network.get_weights()
    outcomes = []
    for inputs in (images, features):
        network.set_weights(first_weights)
        for variable in network.optimizer.variables:
            variable.assign(tf.zeros_like(variable))
        val_spec = tf.nest.map_structure(tf.type_spec_from_value, (inputs, masks))
        steps = Steps(network, ClassIoU(CLASSES), ONE_DEVICE, decoder, val_spec)
        loss = steps.train((inputs, masks))
        steps.reset_scores()
        steps.validate((inputs, masks))
        outcomes.append([loss, *steps.scores().values(), *network.get_weights()])
    for by_image, by_feature in zip(*outcomes, strict=True):
        np.testing.assert_allclose(by_image, by_feature, rtol=1e-4, atol=1e-5)
