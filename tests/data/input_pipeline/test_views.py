from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from data.config import ResizeView, View
from data.input_pipeline.views import VIEW_FUNCTIONS, view_image, view_mask
from tests.data.input_pipeline.conftest import FEW, HOW, masks

SIZES = st.integers(16, 70)


@HOW
@FEW
@given(mask=masks(st.integers(1, 40), st.integers(1, 40)), height=SIZES, width=SIZES)
def test_view_mask_never_invents_a_label(apply, mask, height, width):
    viewed = apply(view_mask, mask, ResizeView(kind="resize", height=height, width=width))
    assert viewed.dtype == np.uint8
    assert viewed.shape == (height, width)
    assert set(viewed.ravel().tolist()) <= set(mask.ravel().tolist())


@HOW
def test_view_mask_between_two_classes_is_one_of_them(apply):
    # A mean of 0 and 2 would be 1, a class that the mask does not have.
    mask = np.zeros((40, 40), np.uint8)
    mask[:, 20:] = 2
    viewed = apply(view_mask, mask, ResizeView(kind="resize", height=17, width=33))
    assert set(viewed.ravel().tolist()) == {0, 2}
    assert (np.diff(viewed.astype(int), axis=1) >= 0).all()


@HOW
def test_view_mask_of_own_size_is_the_mask(apply):
    mask = np.random.default_rng(0).integers(0, 256, (20, 31), np.uint8)
    viewed = apply(view_mask, mask, ResizeView(kind="resize", height=20, width=31))
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
    viewed = apply(view_image, image, ResizeView(kind="resize", height=height, width=width))
    assert viewed.dtype == np.float32
    assert viewed.shape == (height, width, 3)
    assert viewed.min() >= image.min() - 1e-3
    assert viewed.max() <= image.max() + 1e-3


@HOW
def test_view_image_of_own_size_is_the_image(apply):
    image = np.random.default_rng(0).integers(0, 256, (20, 31, 3), np.uint8)
    viewed = apply(view_image, image, ResizeView(kind="resize", height=20, width=31))
    np.testing.assert_allclose(viewed, image, atol=1e-3)


@HOW
def test_view_image_averages_where_it_shrinks(apply):
    # Every third column is white; without averaging, some regions would be all black.
    image = np.zeros((128, 128, 3), np.uint8)
    image[:, ::3] = 255
    viewed = apply(view_image, image, ResizeView(kind="resize", height=16, width=16))
    np.testing.assert_allclose(viewed[2:-2, 2:-2], 85, atol=8)


@HOW
@pytest.mark.parametrize(("height", "width"), [(32, 48), (128, 192)], ids=["smaller", "larger"])
def test_image_and_mask_keep_aligned(apply, height, width):
    # One block, off the middle both ways: mirrored or transposed, it would be in another place.
    mask = np.zeros((64, 96), np.uint8)
    mask[8:24, 60:84] = 1
    image = np.repeat(mask[..., np.newaxis] * np.uint8(200), 3, -1)
    view = ResizeView(kind="resize", height=height, width=width)
    expected = np.zeros((height, width), bool)
    expected[height // 8 : height * 3 // 8, width * 5 // 8 : width * 7 // 8] = True
    np.testing.assert_array_equal(apply(view_image, image, view)[..., 0] > 100, expected)
    np.testing.assert_array_equal(apply(view_mask, mask, view) == 1, expected)


def test_every_kind_of_view_has_its_functions():
    union, _ = get_args(View)
    kinds = {get_args(view.model_fields["kind"].annotation) for view in get_args(union)}
    assert kinds == {(kind,) for kind in VIEW_FUNCTIONS}
