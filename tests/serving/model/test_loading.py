import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data.errors import InputError
from serving.model.loading import ServedModel

RED, GREEN = (255, 0, 0), (0, 255, 0)


def picture(height, width, left=RED, right=RED):
    pixels = np.full((height, width, 3), left, np.uint8)
    pixels[:, width // 2 :] = right
    return Image.fromarray(pixels)


def encoded(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def served(saved_model):
    return ServedModel(str(saved_model))


def test_a_served_model_knows_its_classes(served):
    assert served.classes == ["red", "green", "blue"]


def test_predictions_of_images_of_two_sizes(served):
    images = [picture(16, 24, RED, GREEN), picture(7, 9)]
    half, whole = served.predict([encoded(image) for image in images])
    expected = np.zeros((16, 24))
    expected[:, 12:] = 1
    np.testing.assert_array_equal(half.class_ids, expected)
    np.testing.assert_allclose(half.class_fraction, [0.5, 0.5, 0])
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(half.mask_png))), expected)
    np.testing.assert_array_equal(whole.class_ids, np.zeros((7, 9)))
    assert whole.confidence == pytest.approx(1, abs=1e-4)


def test_what_is_no_image_is_said_in_one_line(served):
    with pytest.raises(InputError) as caught:
        served.predict([b"no image"])
    assert str(caught.value).startswith("cannot be segmented (")
    assert "\n" not in str(caught.value)


def test_what_the_model_refuses_is_one_line(served):
    good = encoded(picture(16, 24))
    with pytest.raises(InputError) as caught:
        served.predict([good, b"no image"])
    assert str(caught.value) == (
        "cannot be segmented (image_bytes[1] is not a PNG or JPEG image, or is damaged)."
    )


def example(truth):
    mask = encoded(Image.fromarray(np.asarray(truth, np.uint8)))
    image = encoded(picture(16, 24, RED, GREEN))
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))
        for name, content in {"image/encoded": image, "mask/encoded": mask}.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def test_doubts_about_the_mask_of_an_example(served):
    truth = np.zeros((16, 24))
    truth[:, 12:] = 1
    agreed = served.doubts(example(truth))
    assert (agreed.classes == 255).all()
    assert (agreed.confidence == 0).all()
    truth[4:9, 14:20] = 2
    doubts = served.doubts(example(truth))
    assert doubts.quality < agreed.quality
    expected = np.full((16, 24), 255)
    expected[4:9, 14:20] = 1
    np.testing.assert_array_equal(doubts.classes, expected)
    assert doubts.confidence[4:9, 14:20].min() > 0.6


def test_an_example_that_the_model_refuses_is_one_line(served):
    broken = example(np.zeros((16, 24))).replace(b"PNG", b"PNX")
    with pytest.raises(InputError, match=r"^cannot be segmented \("):
        served.doubts(broken)
