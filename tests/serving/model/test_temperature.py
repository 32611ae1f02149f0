"""The temperature of a model whose logits are the colours / 20."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy.special import softmax

from components.evaluator.metrics import calibration_error
from data.examples.features import IMAGE, MASK
from serving.model.graph import ServingGraph
from tests.serving.conftest import CROP, VIEW

SIZE = (VIEW.height, VIEW.width)


def noise(seed, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def drawn(image, temperature, seed=0):
    """Draws the class of each pixel as if the model needed a temperature; a tenth is ignored."""
    random = np.random.default_rng(seed)
    shares = softmax(image / 20 / temperature, -1).cumsum(-1)
    mask = (shares < random.random((*image.shape[:2], 1))).sum(-1).clip(0, 2).astype(np.uint8)
    mask[random.random(mask.shape) < 0.1] = 255
    return mask


def png(pixels):
    return tf.io.encode_png(pixels).numpy()


def examples(images, masks):
    def example(**features):
        lists = {key: tf.train.BytesList(value=[value]) for key, value in features.items()}
        feature = {key: tf.train.Feature(bytes_list=value) for key, value in lists.items()}
        return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()

    return [
        example(**{IMAGE: png(image), MASK: png(mask[..., np.newaxis])})
        for image, mask in zip(images, masks, strict=True)
    ]


def fit(graph, images, masks):
    return graph.fit_temperature(tf.data.Dataset.from_tensor_slices(examples(images, masks)))


def error(images, masks, temperature):
    """Returns the calibration error on all labelled pixels."""
    pairs = zip(images, masks, strict=True)
    logits = np.concatenate([image[mask < 255] / 20 for image, mask in pairs])
    shares = softmax(logits / temperature, -1)
    correct = shares.argmax(-1) == np.concatenate([mask[mask < 255] for mask in masks])
    bins = np.minimum((shares.max(-1) * 15).astype(int), 14)
    gaps = np.bincount(bins, shares.max(-1)) - np.bincount(bins, correct)
    return np.abs(gaps).sum() / len(shares)


@pytest.mark.parametrize("temperature", [0.5, 1, 3])
def test_the_temperature_is_the_one_with_the_least_calibration_error(network, temperature):
    images = [noise(seed, (60, 90)) for seed in range(3)]
    masks = [drawn(image, temperature, seed) for seed, image in enumerate(images)]
    found = fit(ServingGraph(network, 3, CROP), images, masks)
    assert found == pytest.approx(temperature, rel=0.1)
    least = min(error(images, masks, found * 1.04**step) for step in range(-5, 6))
    assert error(images, masks, found) <= least + 1e-3


def test_of_a_large_image_some_pixels_are_enough_and_always_the_same(network):
    image = noise(0, (200, 300))
    mask = drawn(image, 3)
    graph = ServingGraph(network, 3, CROP)
    found = fit(graph, [image], [mask])
    assert found == pytest.approx(3, rel=0.1)
    assert found == fit(graph, [image], [mask])


def test_an_image_counts_by_its_labelled_pixels(network):
    images = [noise(0, (200, 300)), noise(1)]
    masks = [drawn(images[0], 3), drawn(images[1], 0.5)]
    found = fit(ServingGraph(network, 3, CROP), images, masks)
    assert found == pytest.approx(3, rel=0.1)


def test_without_a_label_nothing_changes_and_random_labels_end_at_the_limit(network):
    graph = ServingGraph(network, 3, VIEW)
    nothing = np.full(SIZE, 255, np.uint8)
    assert fit(graph, [noise(0)], [nothing]) == 1
    wrong = np.random.default_rng(0).integers(0, 3, SIZE, np.uint8)
    assert fit(graph, [noise(0)], [wrong]) == pytest.approx(8)


@pytest.mark.parametrize("view", [VIEW, CROP], ids=["resize", "crop"])
def test_masks_stay_the_same_to_the_pixel_and_confidence_becomes_right(network, view):
    graph = ServingGraph(network, 3, view, flips="horizontal", confidence_map=True)
    images = [noise(seed, (30, 45)) for seed in range(3)]
    served = tf.constant([png(image) for image in images])
    before = graph.serving_default(served)
    pairs = tf.constant(examples(images, [drawn(image, 3) for image in images]))
    raw = graph.evaluation(pairs)
    graph.fit_temperature(tf.data.Dataset.from_tensor_slices(pairs))
    after, counts = graph.serving_default(served), graph.evaluation(pairs)
    assert list(before["mask_png_bytes"].numpy()) == list(after["mask_png_bytes"].numpy())
    for name in ("confusion_matrix", "boundary", "raw_calibration"):
        np.testing.assert_array_equal(raw[name], counts[name])
    errors = [calibration_error(found["calibration"].numpy().sum(0)) for found in (raw, counts)]
    assert errors[0] > 0.05
    assert errors[1] < errors[0] / 2

    probabilities = graph.probabilities(tf.constant(images, tf.uint8))["probabilities"].numpy()
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    for number, mask in enumerate(after["mask_png_bytes"].numpy()):
        ids = np.asarray(Image.open(io.BytesIO(mask)))
        np.testing.assert_array_equal(probabilities[number].argmax(-1), ids)
    confidence = probabilities.max(-1)
    np.testing.assert_allclose(after["confidence"], confidence.mean((1, 2)), rtol=1e-4)
    levels = [
        np.asarray(Image.open(io.BytesIO(one.numpy()))) for one in after["confidence_png_bytes"]
    ]
    assert np.abs(np.array(levels) - 255 * confidence).max() <= 0.51


def test_the_network_is_traced_once_for_the_temperature_and_the_saved_model(tmp_path):
    traces = []

    class Traced(keras.layers.Layer):
        def call(self, images):
            traces.append(images)
            return images / 20

    inputs = keras.Input((None, None, 3))
    network = keras.Model(inputs, Traced()(inputs))
    traces.clear()  # Keras has run the layer to learn its shape
    graph = ServingGraph(network, 3, VIEW)
    images = [noise(0)]
    fit(graph, images, [drawn(image, 1) for image in images])
    names = ("serving_default", "probabilities", "evaluation")
    signatures = {name: getattr(graph, name) for name in names}
    tf.saved_model.save(graph, str(tmp_path), signatures=signatures)
    assert len(traces) == 1
