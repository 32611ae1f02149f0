import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data.examples.image_statistics import SHARPNESS_WINDOW, image_statistics
from serving.model.input_statistics import input_statistics

SIZES = [(1, 1), (1, 9), (7, 5), (224, 224), (SHARPNESS_WINDOW + 901, SHARPNESS_WINDOW + 8)]


def images():
    random = np.random.default_rng(0)
    for height, width in SIZES:
        pixels = random.integers(0, 256, (height, width, 3), np.uint8)
        pixels[height // 2 :] //= 7
        yield pixels
    yield np.zeros((4, 6, 3), np.uint8)
    yield np.full((4, 6, 3), 255, np.uint8)


@pytest.mark.parametrize("pixels", images(), ids=lambda pixels: "x".join(map(str, pixels.shape)))
def test_the_graph_computes_what_ingestion_keeps(pixels):
    expected = list(image_statistics(pixels).features().values())
    found = tf.function(input_statistics)(tf.constant(pixels))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("model", ["saved_model", "sliding_model"])
def test_the_model_returns_the_statistics_of_each_image(model, request):
    serve = tf.saved_model.load(str(request.getfixturevalue(model))).signatures["serving_default"]
    batch = list(images())[1:4]
    files = []
    for pixels in batch:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        files.append(buffer.getvalue())
    found = serve(image_bytes=tf.constant(files))["image_statistics"]
    expected = [list(image_statistics(pixels).features().values()) for pixels in batch]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
