import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data.errors import InputError
from serving.model.description import model_weights
from serving.model.loading import ServedModel
from serving.model.versions import newest_version, pushed_version

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


def push(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "saved_model.pb").touch()


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        (["1"], "1"),
        (["9", "10", "2"], "10"),
        (["0999", "1000"], "1000"),
        (["3", "4-unfinished", "copy", ".5"], "3"),
    ],
    ids=["one", "by number and not by name", "leading zero", "not a number"],
)
def test_the_newest_version_is_the_greatest_number(tmp_path, versions, newest):
    push(tmp_path, *versions)
    assert newest_version(str(tmp_path)) == str(tmp_path / newest)


def test_an_unfinished_version_does_not_count(tmp_path):
    push(tmp_path, "3")
    (tmp_path / "4/variables").mkdir(parents=True)
    assert newest_version(str(tmp_path)) == str(tmp_path / "3")


def test_a_version_that_is_asked_for(tmp_path):
    push(tmp_path, "3", "0012")
    assert pushed_version(str(tmp_path), 12) == str(tmp_path / "0012")
    with pytest.raises(InputError, match=r"no version 4 there, only 3, 0012\."):
        pushed_version(str(tmp_path), 4)


@pytest.mark.parametrize("exists", [True, False], ids=["empty folder", "no folder"])
def test_without_a_model_the_next_command_is_told(tmp_path, exists):
    folder = tmp_path / "serving"
    if exists:
        folder.mkdir()
    with pytest.raises(InputError) as caught:
        newest_version(str(folder))
    assert str(caught.value).startswith(f"{folder}: ")
    assert "unetfx run" in str(caught.value)


def test_what_the_model_refuses_is_one_line(served):
    good = encoded(picture(16, 24))
    with pytest.raises(InputError) as caught:
        served.predict([good, b"no image"])
    assert str(caught.value) == (
        "cannot be segmented (image_bytes[1] is not a PNG, JPEG, BMP or GIF image, or is damaged)."
    )


def test_the_weights_can_be_read_by_name(network, saved_model):
    found = model_weights(str(saved_model))
    assert list(found) == [weight.path for weight in network.weights]
    for value, expected in zip(found.values(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)
    with pytest.raises(tf.errors.NotFoundError):
        model_weights(str(saved_model / "nowhere"))
