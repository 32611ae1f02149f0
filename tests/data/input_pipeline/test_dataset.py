from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.data.experimental.ops.distribute import _AutoShardDataset

from data.config import Augmentation, CropView, ResizeView
from data.errors import InputError
from data.examples.features import HEIGHT, IMAGE, KEY, MASK, WIDTH
from data.input_pipeline import dataset
from data.input_pipeline.dataset import (
    class_shares,
    count_views,
    read_batches,
    read_training_batches,
)

VIEW = ResizeView(kind="resize", height=16, width=24)
CROP = CropView(kind="crop", height=16, width=24)
NOTHING = Augmentation()
EVERYTHING = Augmentation(
    flip="both",
    rotation=20,
    scale=0.2,
    brightness=0.1,
    contrast=0.1,
    saturation=0.1,
    hue=0.1,
)


def write(path, pairs):
    def of_bytes(value):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    def png(pixels):
        return of_bytes(tf.io.encode_png(pixels).numpy())

    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for pixels, class_ids in pairs:
            features = {IMAGE: png(pixels), MASK: png(class_ids[..., np.newaxis])}
            for name, size in zip((HEIGHT, WIDTH), class_ids.shape, strict=True):
                features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=[size]))
            features[KEY] = of_bytes(f"key {class_ids[0, 0]}".encode())
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())


def numbered(number):
    """Makes a pair whose grey level and label are a number; the right half is ignored."""
    class_ids = np.full((20 + number, 30), number, np.uint8)
    class_ids[:, 15:] = 255
    return np.full((20 + number, 30, 3), 10 * number, np.uint8), class_ids


@pytest.fixture
def files(tmp_path):
    """Writes ten examples to two files."""
    for part in range(2):
        write(tmp_path / f"data-{part}.gz", map(numbered, range(5 * part, 5 * part + 5)))
    return [str(tmp_path / "*.gz")]


def numbers(batches):
    return [int(mask[0, 0]) for _, masks in batches for mask in masks.numpy()]


def arrays(batches):
    """Returns all images and all masks of one pass, as two arrays."""
    images, masks = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(masks)


def equal(one, two):
    return all(np.array_equal(left, right) for left, right in zip(one, two, strict=True))


def training(files, view=VIEW, batch_size=3, seed=7, augmentation=NOTHING, **options):
    return read_training_batches(
        files, view, batch_size, seed=seed, augmentation=augmentation, **options
    )


@pytest.mark.parametrize("read", [read_batches, training])
def test_batches_have_the_view_s_size_and_the_last_one_may_be_smaller(read, files):
    batches = read(files, VIEW, 4)
    images, masks = batches.element_spec
    assert (images.shape, images.dtype) == ((None, 16, 24, 3), tf.float32)
    assert (masks.shape, masks.dtype) == ((None, 16, 24), tf.uint8)
    assert [len(images) for images, _ in batches] == [4, 4, 2]


@pytest.mark.parametrize("view", [VIEW, CROP], ids=["resize", "crop"])
@pytest.mark.parametrize("read", [read_batches, training])
def test_an_image_stays_with_its_mask_in_0_to_255(read, view, files):
    for images, masks in read(files, view, 4):
        labelled = masks != 255
        expected = 10.0 * masks.numpy()[labelled]
        colours = images.numpy()[labelled]
        np.testing.assert_allclose(colours, np.stack([expected] * 3, -1), atol=1e-3)


@pytest.mark.parametrize("read", [read_batches, training])
def test_ignored_pixels_stay_255(read, files):
    for _, masks in read(files, VIEW, 4):
        assert (masks.numpy()[:, :, 12:] == 255).all()
        assert (masks.numpy()[:, :, :12] < 10).all()


def test_whole_images_come_in_the_order_of_the_files_names(files):
    batches = read_batches(files, VIEW, 3)
    assert numbers(batches) == numbers(batches) == list(range(10))
    folder = files[0].rpartition("/")[0]
    patterns = [f"{folder}/data-1.gz", f"{folder}/data-0.gz"]
    assert numbers(read_batches(patterns, VIEW, 3)) == list(range(10))


@pytest.mark.parametrize("cache", [False, True])
def test_a_seed_shuffles_reproducibly_and_each_pass_anew(files, cache):
    one, two = (training(files, cache=cache) for _ in range(2))
    first, second = numbers(one), numbers(one)
    assert [numbers(two), numbers(two)] == [first, second]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert list(range(10)) not in (first, second)
    assert numbers(training(files, seed=8, cache=cache)) != first


def test_examples_of_all_files_mix_even_if_the_buffer_holds_few(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "_SHUFFLE_BYTES", 1000)
    for file in range(4):
        pair = np.zeros((1, 1, 3), np.uint8), np.full((1, 1), file, np.uint8)
        write(tmp_path / f"{file}.gz", [pair] * 200)
    patterns = [str(tmp_path / "*.gz")]
    batches = training(patterns, batch_size=40)
    first = numbers(batches)
    assert [len(set(first[i : i + 40])) for i in (0, 400, 760)] == [4, 4, 4]
    assert first[:40] != numbers(batches)[:40]


def test_the_order_of_the_files_changes_even_without_a_buffer(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "_SHUFFLE_BYTES", 1)
    for number in range(9):
        write(tmp_path / f"{number}.gz", [numbered(number)])
    batches = training([str(tmp_path / "*.gz")])
    first, second = numbers(batches), numbers(batches)
    assert sorted(first) == sorted(second) == list(range(9))
    assert list(range(9)) != first != second


@pytest.fixture
def pictures(tmp_path):
    """Writes six pairs of noise, larger and smaller than the crop; red is 40 × the class id."""
    random = np.random.default_rng(5)
    for part in range(3):
        pairs = []
        for height, width in [(40, 50), (10, 60)]:
            class_ids = random.integers(1, 6, (height, width), np.uint8)
            pairs.append((np.stack([40 * class_ids] * 3, -1).astype(np.uint8), class_ids))
        write(tmp_path / f"pictures-{part}.gz", pairs)
    return [str(tmp_path / "pictures-*.gz")]


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("view", [VIEW, CROP], ids=["resize", "crop"])
def test_one_seed_gives_the_same_batches_and_each_pass_others(pictures, view, cache):
    crops = {"crops_per_image": 3, "class_aware_crops": 0.5} if view is CROP else {}
    one, two, other = (
        training(pictures, view, seed=seed, augmentation=EVERYTHING, cache=cache, **crops)
        for seed in (7, 7, 8)
    )
    first, second = arrays(one), arrays(one)
    assert len(first[0]) == len(second[0]) == (18 if view is CROP else 6)
    assert equal(first, arrays(two))
    assert equal(second, arrays(two))
    assert not equal(first, arrays(other))
    # Views differ between passes, and not only in their order.
    seen = np.concatenate([first[0], second[0]]).reshape(2 * len(first[0]), -1)
    assert len(np.unique(seen, axis=0)) == len(seen)


@pytest.mark.parametrize("cache", [False, True])
def test_every_example_has_random_numbers_of_its_own(tmp_path, cache):
    # Copies of one picture in one file: only random numbers can make them differ.
    class_ids = np.random.default_rng(0).integers(1, 6, (40, 50), np.uint8)
    picture = np.stack([40 * class_ids] * 3, -1).astype(np.uint8), class_ids
    write(tmp_path / "a.gz", [picture] * 12)
    for view, augmentation in ((VIEW, EVERYTHING), (CROP, NOTHING)):
        patterns = [str(tmp_path / "a.gz")]
        images, _ = arrays(training(patterns, view, augmentation=augmentation, cache=cache))
        assert len(np.unique(images.reshape(12, -1), axis=0)) == 12


def test_crops_of_one_image_differ_and_spread_over_batches(files):
    batches = training(files, CROP, 5, crops_per_image=8)
    found = numbers(batches)
    assert len(found) == 80
    by_batch = np.array(found).reshape(-1, 5)
    assert np.mean([len(set(batch)) for batch in by_batch.tolist()]) > 2.5


@pytest.mark.parametrize("cache", [False, True])
def test_auto_draws_as_many_crops_as_cover_each_image(cache, tmp_path):
    sizes = [(16, 24), (17, 24), (5, 7), (48, 73), (32, 48)]
    expected = [1, 2, 1, 3 * 4, 2 * 2]
    pairs = [
        (np.zeros((*size, 3), np.uint8), np.full(size, number, np.uint8))
        for number, size in enumerate(sizes)
    ]
    write(tmp_path / "a.gz", pairs)
    patterns = [str(tmp_path / "a.gz")]
    batches = training(patterns, CROP, crops_per_image="auto", cache=cache)
    assert np.bincount(numbers(batches)).tolist() == expected
    assert count_views(patterns, CROP, "auto") == sum(expected)
    assert count_views(patterns, CROP, 3) == 3 * len(sizes)
    for number in (3, "auto"):
        assert count_views(patterns, VIEW, number) == len(sizes)
        assert len(numbers(training(patterns, VIEW, crops_per_image=number))) == len(sizes)


def test_crops_are_of_native_resolution(pictures):
    for images, masks in training(pictures, CROP, crops_per_image=4):
        # Any resampling would mix neighbours, which are noise here.
        labelled = masks.numpy() != 255
        np.testing.assert_array_equal(images.numpy()[..., 0][labelled], 40 * masks[labelled])
        np.testing.assert_array_equal(images.numpy()[~labelled], 0)


def test_a_small_image_is_padded_at_the_bottom_and_at_the_right(tmp_path):
    write(tmp_path / "a.gz", [(np.full((5, 7, 3), 90, np.uint8), np.ones((5, 7), np.uint8))])
    for read in (read_batches, training):
        ((images, masks),) = read([str(tmp_path / "a.gz")], CROP, 2)
        assert images.shape == (1, 16, 24, 3)
        expected = np.zeros((16, 24))
        expected[:5, :7] = 1
        np.testing.assert_array_equal(masks[0], np.where(expected, 1, 255))
        np.testing.assert_array_equal(images[0, ..., 0], 90 * expected)


def test_rotated_crops_show_the_image_around_them(tmp_path):
    # Crops from the middle of a large image need no padding at any angle.
    class_ids = np.full((200, 200), 255, np.uint8)
    class_ids[95:105, 95:105] = 1
    write(tmp_path / "a.gz", [(np.full((200, 200, 3), 90, np.uint8), class_ids)])
    turned = Augmentation(flip="both", rotation=180, scale=0.3)
    options = {"augmentation": turned, "crops_per_image": 40, "class_aware_crops": 1.0}
    images, masks = arrays(training([str(tmp_path / "a.gz")], CROP, **options))
    np.testing.assert_allclose(images, 90, atol=1e-3)
    assert (masks == 1).any((1, 2)).mean() > 0.8  # a rotation may lose a pixel in a corner


def test_rare_classes_are_in_the_given_share_of_crops(tmp_path):
    class_ids = np.zeros((200, 300), np.uint8)
    class_ids[150, 20] = 2
    write(tmp_path / "a.gz", [(np.zeros((200, 300, 3), np.uint8), class_ids)])
    shares = {}
    for share in (0.0, 1.0):
        options = {"crops_per_image": 200, "class_aware_crops": share}
        _, masks = arrays(training([str(tmp_path / "a.gz")], CROP, 50, **options))
        shares[share] = (masks == 2).any((1, 2)).mean()
    assert shares[0.0] < 0.1
    assert shares[1.0] == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize(
    "options",
    [{}, {"cache": True}, {"view": CROP, "crops_per_image": 3}],
    ids=["files", "cache", "crops"],
)
def test_keys_come_with_their_images_and_change_nothing_else(files, options):
    view = options.pop("view", VIEW)
    plain, keyed = (
        training(files, view, with_keys=with_keys, **options) for with_keys in (False, True)
    )
    for (images, masks), (same_images, same_masks, keys) in zip(plain, keyed, strict=True):
        np.testing.assert_array_equal(images, same_images)
        np.testing.assert_array_equal(masks, same_masks)
        # The left half of a mask has the number as label; the right half is ignored.
        for mask, key in zip(masks.numpy(), keys.numpy(), strict=True):
            assert set(np.unique(mask)) <= {int(key.split()[1]), 255}


def test_examples_and_their_classes_are_counted(tmp_path):
    small, large = np.zeros((2, 5), np.uint8), np.ones((4, 5), np.uint8)
    large[0] = 2
    write(
        tmp_path / "a.gz", [(np.zeros((*mask.shape, 3), np.uint8), mask) for mask in (small, large)]
    )
    assert count_views([str(tmp_path / "a.gz")], VIEW) == 2
    shares = class_shares([str(tmp_path / "a.gz")], 3)
    assert shares == pytest.approx([10 / 30, 15 / 30, 5 / 30])


def test_ignored_pixels_are_not_counted_with_the_classes(tmp_path):
    half_ignored = np.array([[0, 0, 0, 255, 255, 255], [0, 0, 1, 255, 255, 255]], np.uint8)
    labelled = np.array([[1, 1, 2]], np.uint8)
    all_ignored = np.full((7, 7), 255, np.uint8)
    masks = (half_ignored, labelled, all_ignored)
    write(tmp_path / "a.gz", [(np.zeros((*mask.shape, 3), np.uint8), mask) for mask in masks])
    assert count_views([str(tmp_path / "a.gz")], VIEW) == 3
    shares = class_shares([str(tmp_path / "a.gz")], 4)
    assert shares == pytest.approx([5 / 9, 3 / 9, 1 / 9, 0])


def test_counting_examples_decodes_nothing(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "a.gz"), "GZIP") as writer:
        writer.write(b"no example")
    assert count_views([str(tmp_path / "a.gz")], VIEW) == 1


def test_counting_no_example_is_refused(tmp_path):
    write(tmp_path / "a.gz", [])
    with pytest.raises(InputError, match="contains no examples"):
        count_views([str(tmp_path / "a.gz")], VIEW)


def test_val_looks_at_every_pixel_of_whole_images_once(pictures):
    expected = np.zeros(256, int)
    for serialized in tf.data.TFRecordDataset(tf.io.gfile.glob(pictures[0]), "GZIP"):
        mask = tf.train.Example.FromString(serialized.numpy()).features.feature[MASK]
        pixels = tf.io.decode_png(mask.bytes_list.value[0]).numpy()
        expected += np.bincount(pixels.ravel(), minlength=256)
    batches = read_batches(pictures, CROP, 4)
    assert batches.element_spec[0].shape == (None, 16, 24, 3)
    images, masks = arrays(batches)
    assert len(images) == 3 * (3 * 3 + 1 * 3)
    np.testing.assert_array_equal(np.bincount(masks.ravel(), minlength=256)[:255], expected[:255])


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("view", [VIEW, CROP], ids=["resize", "crop"])
def test_the_cache_spares_the_files(files, view, cache):
    readers = [training(files, view, cache=cache), read_batches(files, view, 3, cache=cache)]
    counts = [sum(1 for _ in batches) for batches in readers]
    for file in tf.io.gfile.glob(files[0]):
        Path(file).unlink()
    for batches, count in zip(readers, counts, strict=True):
        if cache:
            assert sum(1 for _ in batches) == count
        else:
            with pytest.raises(tf.errors.NotFoundError):
                list(batches)


POLICY = tf.data.experimental.AutoShardPolicy


def whole(files, view=VIEW, **options):
    return read_batches(files, view, 3, **options)


@pytest.mark.parametrize(
    ("read", "count", "options", "policy"),
    [
        (training, 5, {}, POLICY.FILE),
        (training, 2, {}, POLICY.FILE),
        (training, 1, {}, POLICY.DATA),
        (training, 5, {"cache": True}, POLICY.DATA),
        (training, 5, {"augmentation": EVERYTHING}, POLICY.FILE),
        (training, 5, {"view": CROP, "crops_per_image": 2}, POLICY.FILE),
        (whole, 5, {}, POLICY.FILE),
        (whole, 1, {"view": CROP}, POLICY.DATA),
        (whole, 5, {"cache": True}, POLICY.FILE),
    ],
)
def test_two_workers_share_the_examples_out(tmp_path, read, count, options, policy):
    size = (16, 24)
    for part in range(count):
        labels = range(4 * part, 4 * part + 4)
        write(
            tmp_path / f"{part}.gz",
            [(np.zeros((*size, 3), np.uint8), np.full(size, label, np.uint8)) for label in labels],
        )

    def worker(index):
        # Each worker is a process with its own dataset.
        batches = read([str(tmp_path / "*.gz")], replicas=2, **options)
        assert batches.options().experimental_distribute.auto_shard_policy == policy
        return _AutoShardDataset(batches, 2, index, num_replicas=2)

    def labels(batches):
        return [int(mask[mask != 255][0]) for _, masks in batches for mask in masks.numpy()]

    workers = [worker(0), worker(1)]
    crops = options.get("crops_per_image", 1)
    for _ in range(2):
        one, two = map(labels, workers)
        assert one
        assert two
        assert sorted(one + two) == sorted([*range(4 * count)] * crops)
        if policy is POLICY.FILE:
            assert not set(one) & set(two)


@pytest.mark.parametrize("read", [read_batches, training])
def test_a_pattern_without_files_is_an_error_that_names_it(read, files, tmp_path):
    with pytest.raises(InputError, match=r"nothing-\*"):
        read([*files, str(tmp_path / "nothing-*")], VIEW, 2)


def test_no_example_in_the_files_is_an_error(tmp_path):
    write(tmp_path / "a.gz", [])
    with pytest.raises(InputError, match=r"a\.gz: contains no examples"):
        training([str(tmp_path / "a.gz")])
