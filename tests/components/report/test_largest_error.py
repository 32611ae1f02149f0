import numpy as np
import pytest

from components.report.largest_error import find_largest_error


def masks(height, width):
    return np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)


def test_the_largest_connected_area_counts_not_the_most_scattered_pixels():
    truth, predicted = masks(300, 400)
    predicted[::2, ::2][:, :50] = 1  # 7,500 pixels, none of which touch
    predicted[101:121, 200:230] = 2
    predicted[101:105, 200:230] = 3
    found = find_largest_error(truth, predicted)
    assert (found.pixels, found.truth, found.predicted) == (600, 0, 2)
    # 64 pixels, since half more than the 30 of the area would be fewer.
    assert (found.rows, found.columns) == (slice(78, 142), slice(182, 246))


def test_ignored_pixels_are_not_wrong():
    truth, predicted = masks(10, 10)
    truth[:5] = 255
    predicted[:6] = 1
    found = find_largest_error(truth, predicted)
    assert found.pixels == 10
    assert (found.rows, found.columns) == (slice(0, 10), slice(0, 10))


def test_without_a_wrong_pixel_there_is_no_error():
    assert find_largest_error(*masks(9, 9)) is None


@pytest.mark.parametrize("corner", [0, 999])
def test_a_region_stays_within_the_image(corner):
    truth, predicted = masks(1000, 1000)
    predicted[corner, corner] = 1
    found = find_largest_error(truth, predicted)
    for side in (found.rows, found.columns):
        assert 0 <= side.start <= corner < side.stop <= 1000
        assert side.stop - side.start == 64


def test_the_region_of_a_large_ring_is_on_the_ring():
    truth, predicted = masks(1000, 1500)
    predicted[50:950, 50:1450] = 1
    predicted[70:930, 70:1430] = 0
    found = find_largest_error(truth, predicted)
    region = predicted[found.rows, found.columns]
    assert region.shape == (256, 256)
    assert region.sum() > 5000
