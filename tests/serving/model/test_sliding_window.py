import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data.config import CropView
from serving.model.graph import ServingGraph
from serving.model.sliding_window import sliding_window

VIEW = CropView(kind="crop", height=16, width=24)
LARGE = CropView(kind="crop", height=64, width=64)
SIZES = pytest.mark.parametrize(
    "size", [(1, 1), (16, 24), (17, 24), (5, 90), (33, 47), (500, 300), (3, 700), (700, 3)], ids=str
)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def softmax_of_colours(images):
    return tf.nn.softmax(images / 20)


def slide(network, image):
    slider = tf.function(lambda pixels: sliding_window(network, pixels, VIEW, 3))
    return slider(tf.constant(image)).numpy()


@SIZES
def test_a_network_that_looks_at_one_pixel_answers_as_on_the_whole_image(size):
    image = noise(*size)
    found = slide(softmax_of_colours, image)
    assert found.dtype == np.float32
    expected = softmax_of_colours(tf.constant(image, tf.float32))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@SIZES
def test_every_window_has_the_view_s_size_and_lies_in_the_padded_image(size):
    rows, columns = np.indices(size) + 1
    image = np.stack([rows, columns, np.ones_like(rows)], -1).astype(np.uint16)
    windows = []

    def look(images):
        windows.extend(images.numpy())
        return images

    sliding_window(look, tf.constant(image), VIEW, 3)
    seen = np.zeros(size, int)
    for window in windows:
        assert window.shape == (16, 24, 3)
        inside = window[..., 2] == 1
        height, width = inside.any(1).sum(), inside.any(0).sum()
        # Only an image smaller than the window is padded: with black, at the bottom and the right.
        assert (height, width) == (min(16, size[0]), min(24, size[1]))
        assert inside[:height, :width].all()
        assert not window[~inside].any()
        top, left = window[0, 0, :2].astype(int) - 1
        np.testing.assert_array_equal(
            window[:height, :width], image[top : top + 16, left : left + 24]
        )
        seen[top : top + 16, left : left + 24] += 1
    assert seen.min() >= 1
    assert len(windows) == len(np.unique([window[0, 0] for window in windows], axis=0))


def test_windows_overlap_by_a_quarter_or_more():
    corners = []

    def look(images):
        corners.extend(images.numpy()[:, 0, 0].astype(int).tolist())
        return images

    image = np.stack([*np.indices((50, 90)), np.ones((50, 90), int)], -1).astype(np.uint8)
    sliding_window(look, tf.constant(image), VIEW, 3)
    assert sorted({row for row, _, _ in corners}) == [0, 11, 22, 34]  # 50 - 16, in steps ≤ 12
    assert sorted({column for _, column, _ in corners}) == [0, 16, 33, 49, 66]  # steps ≤ 18


def test_seams_fade():
    """A network that is confidently wrong within two pixels of the border of a window."""
    wrong = np.zeros((64, 64, 2), np.float32)
    wrong[..., 1] = 1
    wrong[2:-2, 2:-2] = (1, 0)
    found = sliding_window(
        lambda images: tf.repeat(wrong[np.newaxis], len(images), 0),
        tf.zeros([200, 150, 3], tf.uint8),
        LARGE,
        2,
    ).numpy()
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
    # At the second pixel from the border, a window weighs 2 and its neighbour 15: 0.12. Where four
    # windows meet, it is at most twice that.
    assert found[2:-2, 2:-2, 1].max() < 0.25


@SIZES
def test_a_plain_image_has_a_plain_answer(size):
    image = np.full((*size, 3), (30, 90, 60), np.uint8)
    found = slide(softmax_of_colours, image)
    np.testing.assert_allclose(found, np.broadcast_to(found[0, 0], found.shape), atol=1e-6)


@pytest.fixture(scope="module")
def convolution():
    """Three 3×3 convolutions: each output depends on the three pixels around it."""
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Conv2D(3, 3, padding="same") for _ in range(3)]
    return keras.Sequential([keras.Input((None, None, 3)), keras.layers.Rescaling(1 / 50), *layers])


def test_the_graph_keeps_its_word_for_a_network_that_looks_around(convolution):
    graph = ServingGraph(convolution, 3, LARGE)
    images = [noise(150, 200, 1), noise(30, 40, 2), noise(64, 190, 3)]
    encoded = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        encoded.append(buffer.getvalue())
    answer = graph.serving_default(tf.constant(encoded))
    for i, image in enumerate(images):
        both = graph.probabilities(tf.constant(np.stack([image[::-1], image])))[
            "probabilities"
        ].numpy()
        found = both[1]
        assert (both[0] != found).any()
        mask = tf.io.decode_png(answer["mask_png_bytes"][i]).numpy()[..., 0]
        np.testing.assert_array_equal(mask, found.argmax(-1))
        whole = tf.nn.softmax(convolution(image[np.newaxis].astype(np.float32)))[0].numpy()
        assert (mask == whole.argmax(-1)).mean() > 0.93
        assert abs(found - whole).mean() < 0.02
