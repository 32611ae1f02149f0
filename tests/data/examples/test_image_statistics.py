import numpy as np
import pytest

from data.examples.features import IMAGE_STATISTICS
from data.examples.image_statistics import SHARPNESS_WINDOW, image_statistics


def noise(height, width, low=0):
    return np.random.default_rng(1).integers(low, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (65_536, 1), (2, 32_768)])
def test_brightness_is_exact_for_images_of_any_shape(shape):
    pixels = noise(*shape, low=240)
    found = image_statistics(pixels)
    values = pixels.astype(np.int64)
    assert (found.height, found.width) == shape
    assert found.means == tuple((values.sum(axis=(0, 1)) / values[..., 0].size).tolist())
    assert found.std == pytest.approx(values.std(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("shape", "step"), [((256, 256), 1), ((257, 256), 2), ((1, 2**18), 2), ((550, 515), 3)]
)
def test_brightness_of_a_large_image_is_that_of_pixels_at_equal_distances(shape, step):
    pixels = noise(*shape)
    found, sample = image_statistics(pixels), pixels[::step, ::step].astype(float)
    assert found.means == pytest.approx(sample.mean(axis=(0, 1)).tolist())
    assert found.std == pytest.approx(sample.std())
    assert (found.height, found.width) == shape


def test_sharpness_by_hand():
    # The sums of the channels are 0, 3, 0, 9 from left to right. The first differences are 3, -3
    # and 9, the second ones -6 and 12.
    pixels = np.array([[0, 1, 0, 3]], np.uint8)[..., np.newaxis].repeat(3, axis=2)
    assert image_statistics(pixels).sharpness == 18 / 15
    assert image_statistics(pixels.transpose(1, 0, 2)).sharpness == 18 / 15


def test_blur_lowers_the_sharpness_and_noise_raises_it():
    def blur(pixels):
        rows = (pixels[1:] + pixels[:-1]) / 2
        return (rows[:, 1:] + rows[:, :-1]) / 2

    sharp = blur(noise(64, 64).astype(float))
    blurred = blur(sharp)
    noisy = sharp + np.random.default_rng(0).normal(0, 20, sharp.shape)
    low, middle, high = (
        image_statistics(pixels.clip(0, 255).astype(np.uint8)).sharpness
        for pixels in (blurred, sharp, noisy)
    )
    assert low < middle < high


def test_sharpness_of_a_large_image_is_that_of_its_middle():
    pixels = np.zeros((SHARPNESS_WINDOW + 200, SHARPNESS_WINDOW + 100, 3), np.uint8)
    pixels[100:-100, 50:-50] = noise(SHARPNESS_WINDOW, SHARPNESS_WINDOW)
    middle = image_statistics(noise(SHARPNESS_WINDOW, SHARPNESS_WINDOW))
    assert image_statistics(pixels).sharpness == middle.sharpness


def test_a_black_image_has_finite_statistics():
    features = image_statistics(np.zeros((3, 4, 3), np.uint8)).features()
    assert tuple(features) == IMAGE_STATISTICS
    assert list(features.values()) == [3, 4, 0, 0, 0, 0, 0.333, 0.333, 0]


def test_all_grey_images_have_the_same_colour():
    for level in range(1, 256):
        features = image_statistics(np.full((3, 7, 3), level, np.uint8)).features()
        assert (features["image/share_red"], features["image/share_blue"]) == (0.333, 0.333)
