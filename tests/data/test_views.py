import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from data.config import ResizeView
from data.views import view_image, view_mask

SIZES = st.integers(16, 70)
LABELS = st.sampled_from([0, 1, 2, 254, 255])


def eagerly(function, array, view):
    return function(tf.constant(array), view).numpy()


def in_tf_data(function, array, view):
    dataset = tf.data.Dataset.from_tensors(array).map(lambda tensor: function(tensor, view))
    return next(iter(dataset)).numpy()


FEW = settings(deadline=None, max_examples=30)  # each builds a graph
HOW = pytest.mark.parametrize("apply", [eagerly, in_tf_data])


def masks(*sizes):
    return hnp.arrays(np.uint8, st.tuples(*sizes), elements=LABELS)


@HOW
@FEW
@given(mask=masks(st.integers(1, 40), st.integers(1, 40)), height=SIZES, width=SIZES)
def test_view_mask_never_invents_a_label(apply, mask, height, width):
    viewed = apply(view_mask, mask, ResizeView(height=height, width=width))
    assert viewed.dtype == np.uint8
    assert viewed.shape == (height, width)
    assert set(viewed.ravel().tolist()) <= set(mask.ravel().tolist())


@HOW
def test_view_mask_between_two_classes_is_one_of_them(apply):
    # A mean of 0 and 2 would be 1: a class that is not there.
    mask = np.zeros((40, 40), np.uint8)
    mask[:, 20:] = 2
    viewed = apply(view_mask, mask, ResizeView(height=17, width=33))
    assert set(viewed.ravel().tolist()) == {0, 2}
    assert (np.diff(viewed.astype(int), axis=1) >= 0).all()


@HOW
def test_view_mask_of_own_size_is_the_mask(apply):
    mask = np.random.default_rng(0).integers(0, 256, (20, 31), np.uint8)
    viewed = apply(view_mask, mask, ResizeView(height=20, width=31))
    np.testing.assert_array_equal(viewed, mask)


@HOW
@FEW
@given(
    image=hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)),
        elements=st.sampled_from([0, 1, 128, 255]),
    ),
    height=SIZES,
    width=SIZES,
)
def test_view_image_stays_in_range(apply, image, height, width):
    viewed = apply(view_image, image, ResizeView(height=height, width=width))
    assert viewed.dtype == np.float32
    assert viewed.shape == (height, width, 3)
    assert viewed.min() >= image.min() - 1e-3
    assert viewed.max() <= image.max() + 1e-3


@HOW
def test_view_image_of_own_size_is_the_image(apply):
    image = np.random.default_rng(0).integers(0, 256, (20, 31, 3), np.uint8)
    viewed = apply(view_image, image, ResizeView(height=20, width=31))
    np.testing.assert_allclose(viewed, image, atol=1e-3)


@HOW
def test_view_image_averages_where_it_shrinks(apply):
    # Every third column is white; without averaging, some places would come out all black.
    image = np.zeros((128, 128, 3), np.uint8)
    image[:, ::3] = 255
    viewed = apply(view_image, image, ResizeView(height=16, width=16))
    np.testing.assert_allclose(viewed[2:-2, 2:-2], 85, atol=8)


def test_image_and_mask_keep_aligned():
    # The left 24 of 64 columns are bright and class 1: so must be the left 12 of 32.
    mask = np.zeros((64, 64), np.uint8)
    mask[:, :24] = 1
    image = np.repeat(mask[..., np.newaxis] * np.uint8(200), 3, -1)
    view = ResizeView(height=32, width=32)
    bright = eagerly(view_image, image, view)[..., 0] > 100
    np.testing.assert_array_equal(bright, eagerly(view_mask, mask, view) == 1)
    assert bright[:, :12].all()
    assert not bright[:, 12:].any()
