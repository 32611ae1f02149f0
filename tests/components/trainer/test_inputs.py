import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.trainer.inputs import read_batches
from data.config import ResizeView
from data.examples import make_example
from data.images import encode_png, load_image
from data.pairs import Pair

VIEW = ResizeView(height=16, width=24)


@pytest.fixture
def files(tmp_path):
    """Ten examples in two files; the grey of an image and its label tell its number."""
    for part in range(2):
        path = str(tmp_path / f"data-{part}.gz")
        with tf.io.TFRecordWriter(path, "GZIP") as writer:
            for number in range(5 * part, 5 * part + 5):
                pixels = np.full((20 + number, 30, 3), 10 * number, np.uint8)
                class_ids = np.full(pixels.shape[:2], number, np.uint8)
                class_ids[:, 15:] = 255
                image = load_image(encode_png(Image.fromarray(pixels)), "x")
                pair = Pair(str(number), str(number), "", "")
                classes = [str(i) for i in range(10)]
                example = make_example(pair, image, class_ids, source="x", classes=classes)
                writer.write(example.SerializeToString())
    return [str(tmp_path / "*.gz")]


def numbers(batches):
    return [int(mask[0, 0]) for _, masks in batches for mask in masks.numpy()]


def test_batches_have_the_view_s_size_and_the_last_one_may_be_smaller(files):
    batches = list(read_batches(files, VIEW, 4))
    assert [len(images) for images, _ in batches] == [4, 4, 2]
    for images, masks in batches:
        assert (images.dtype, masks.dtype) == (tf.float32, tf.uint8)
        assert images.shape[1:] == (16, 24, 3)
        assert masks.shape[1:] == (16, 24)


def test_an_image_stays_with_its_mask_in_0_to_255(files):
    for images, masks in read_batches(files, VIEW, 4, shuffle_seed=3):
        expected = 10.0 * masks[:, 0, 0].numpy().astype(float)
        np.testing.assert_allclose(images.numpy().mean((1, 2, 3)), expected, atol=1e-3)


def test_ignored_pixels_stay_255(files):
    for _, masks in read_batches(files, VIEW, 4):
        assert (masks.numpy()[:, :, 12:] == 255).all()
        assert (masks.numpy()[:, :, :12] < 10).all()


def test_without_seed_the_files_order_is_kept(files):
    batches = read_batches(files, VIEW, 3)
    assert numbers(batches) == numbers(batches) == list(range(10))


def test_files_are_read_in_the_order_of_their_names(files):
    folder = files[0].rpartition("/")[0]
    patterns = [f"{folder}/data-1.gz", f"{folder}/data-0.gz"]
    assert numbers(read_batches(patterns, VIEW, 3)) == list(range(10))


def test_a_seed_shuffles_reproducibly_and_each_pass_anew(files):
    one, two = (read_batches(files, VIEW, 3, shuffle_seed=7) for _ in range(2))
    first, second = numbers(one), numbers(one)
    assert [numbers(two), numbers(two)] == [first, second]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert list(range(10)) not in (first, second)
    assert numbers(read_batches(files, VIEW, 3, shuffle_seed=8)) != first
