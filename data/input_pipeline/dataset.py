"""Reads TFRecord files and forms batches for the network."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import tensorflow as tf

from data.config import Augmentation, View
from data.errors import InputError
from data.examples.parsing import parse_class_pixels, parse_key, parse_pair, parse_size
from data.files.finding import find_files
from data.input_pipeline.augmentation import augment, reach
from data.input_pipeline.views import VIEW_FUNCTIONS

_COMPRESSION = "GZIP"
_FILES_AT_ONCE = 16  # number of TFRecord files read in parallel
# The shuffle buffer is limited both in bytes and in examples, because the size of an example ranges
# from a small tile to a whole scan.
_SHUFFLE_BYTES = 2**27
_SHUFFLE_MOST = 10_000
CropsPerImage: TypeAlias = int | Literal["auto"]
_PARALLEL: dict[str, Any] = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": True}


def read_batches(
    patterns: Sequence[str],
    view: View,
    batch_size: int,
    *,
    cache: bool = False,
    replicas: int = 1,
) -> tf.data.Dataset:
    """Reads every example exactly once, in the order of the files, without random changes.

    Args:
      patterns: Path patterns (`*`) of gzip-compressed TFRecord files.
      view: Kind and size of the network's input. With the kind `crop`, each image is divided into
        tiles of the crop size, so that the batches cover every pixel.
      batch_size: Number of resized images or tiles per batch; the last batch may be smaller.
      cache: Whether to keep the resized images or tiles in memory after the first pass.
      replicas: Number of devices that train together and share the batches.

    Returns:
      Batches of images, float32 [batch, view.height, view.width, 3] in 0..255, and masks, uint8
      [batch, view.height, view.width].

    Raises:
      InputError: A pattern matches no file.
    """
    files = _files(patterns)

    def views_of(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return VIEW_FUNCTIONS[view.kind].every_view(*_decode(serialized, view), view)

    views = _map(tf.data.TFRecordDataset(files, _COMPRESSION), views_of).unbatch()
    if cache:
        views = views.cache()
    batches = _map(
        views.batch(batch_size), lambda images, masks: (tf.cast(images, tf.float32), masks)
    )
    return _ready(batches, shard_by_file=len(files) >= replicas)


def read_training_batches(
    patterns: Sequence[str],
    view: View,
    batch_size: int,
    *,
    seed: int,
    augmentation: Augmentation,
    crops_per_image: CropsPerImage = 1,
    class_aware_crops: float = 0.0,
    cache: bool = False,
    replicas: int = 1,
    with_keys: bool = False,
) -> tf.data.Dataset:
    """Reads batches of randomly augmented images or crops, in a different order in each pass.

    All random choices depend only on the seed, the pass and the example, and not on timing. The
    same seed therefore always gives the same batches.

    Args:
      patterns: Path patterns (`*`) of gzip-compressed TFRecord files.
      view: Kind and size of the network's input.
      batch_size: Number of resized images or crops per batch; the last batch may be smaller.
      seed: Seed for the order, the crops and the augmentation.
      augmentation: Settings with the kinds and the maximum strengths of the random changes.
      crops_per_image: Number of crops from each image in one pass, or `auto` for as many as are
        needed to cover the image. It has no effect if the kind of the view is `resize`.
      class_aware_crops: Share of the crops, 0..1, that are placed so that they contain a pixel of a
        random class; the other crops are placed anywhere in the image.
      cache: Whether to keep the decoded images in memory after the first pass: resized, or, if the
        kind of the view is `crop`, in their original size.
      replicas: Number of devices that train together and share the batches.
      with_keys: Whether each batch also contains the keys of its pairs.

    Returns:
      Batches of images, float32 [batch, view.height, view.width, 3] in 0..255, and masks, uint8
      [batch, view.height, view.width]; if `with_keys`, also the keys, string [batch].

    Raises:
      InputError: A pattern matches no file, or the files contain no example.
    """
    files = _files(patterns)
    height, width = view.height, view.width
    window_size = reach(augmentation, height, width)

    def augmented_view(
        key: tf.Tensor, image: tf.Tensor, class_ids: tf.Tensor, example_seed: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        window_seed, change_seed = tf.unstack(tf.random.split(example_seed))
        window = VIEW_FUNCTIONS[view.kind].training_window(
            image, class_ids, view, window_size, class_aware_crops, window_seed
        )
        pair = augment(*window, change_seed, augmentation, height, width)
        return (*pair, key) if with_keys else pair

    examples = (_from_memory if cache else _from_files)(files, view, seed)
    if view.kind == "crop" and crops_per_image != 1:
        examples = _repeated(examples, crops_per_image, view, batch_size, seed)
    views = _map(examples, augmented_view)
    return _ready(views.batch(batch_size), shard_by_file=len(files) >= replicas and not cache)


def read_serialized(patterns: Sequence[str]) -> tf.data.Dataset:
    """Reads every example exactly once, in the order of the files, without decoding it.

    Args:
      patterns: Path patterns (`*`) of gzip-compressed TFRecord files.

    Returns:
      Serialized tf.Examples, string [].

    Raises:
      InputError: A pattern matches no file.
    """
    return tf.data.TFRecordDataset(_files(patterns), _COMPRESSION)


def count_views(patterns: Sequence[str], view: View, crops_per_image: CropsPerImage = 1) -> int:
    """Counts the views that one pass of `read_training_batches` reads, without decoding images.

    Args:
      patterns: Path patterns (`*`) of gzip-compressed TFRecord files.
      view: Kind and size of the network's input.
      crops_per_image: Number of crops from each image, or `auto`; see `read_training_batches`.

    Raises:
      InputError: A pattern matches no file, or the files contain no example.
    """
    files = _files(patterns)

    def views_of(record: tf.Tensor) -> tf.Tensor:
        if view.kind == "crop" and crops_per_image == "auto":
            return _tiles_to_cover(parse_size(record), view)
        return tf.constant(1 if view.kind == "resize" else crops_per_image, tf.int64)

    views = _map(tf.data.TFRecordDataset(files, _COMPRESSION), views_of)
    count = int(views.reduce(np.int64(0), tf.add))
    if not count:
        raise _no_example(files)
    return count


def class_shares(patterns: Sequence[str], num_classes: int) -> list[float]:
    """Computes the share of each class among the labelled pixels. Only the masks are decoded.

    Args:
      patterns: Path patterns (`*`) of gzip-compressed TFRecord files, which must contain at least
        one example.
      num_classes: Number of classes, C.

    Returns:
      C shares, indexed by class id, which add up to 1.

    Raises:
      InputError: A pattern matches no file.
    """
    records = tf.data.TFRecordDataset(_files(patterns), _COMPRESSION)
    counts = _map(records, lambda record: parse_class_pixels(record, num_classes))
    pixels = counts.reduce(np.zeros(num_classes, np.int64), tf.add).numpy()
    return (pixels / pixels.sum()).tolist()


def _from_files(files: list[str], view: View, seed: int) -> tf.data.Dataset:
    """Returns a shuffled dataset of (key, image, mask, seed), with new seeds in each pass."""

    def read(file: tf.Tensor, file_seed: tf.Tensor) -> tf.data.Dataset:
        records = tf.data.TFRecordDataset(file, _COMPRESSION).enumerate()
        return records.map(lambda number, record: (record, tf.stack([file_seed, number])))

    # Seeds are zipped with file names rather than with examples, because tf.data can distribute
    # files among workers only if no zip follows the reading of the files.
    file_seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
    records = (
        tf.data.Dataset.zip(tf.data.Dataset.from_tensor_slices(files), file_seeds)
        .shuffle(len(files), seed)
        .interleave(
            _without_autograph(read), cycle_length=min(len(files), _FILES_AT_ONCE), **_PARALLEL
        )
        .shuffle(_shuffle_buffer(files), seed)
    )
    return _map(
        records,
        lambda record, example_seed: (parse_key(record), *_decode(record, view), example_seed),
    )


def _from_memory(files: list[str], view: View, seed: int) -> tf.data.Dataset:
    """Returns a dataset like `_from_files` does, but keeps the decoded examples in memory."""
    records = tf.data.TFRecordDataset(files, _COMPRESSION)
    examples = _map(records, lambda record: (parse_key(record), *_decode(record, view))).cache()
    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
    # The cache already holds the images, so the shuffle buffer needs no limit in bytes.
    shuffled = examples.shuffle(_SHUFFLE_MOST, seed)
    return tf.data.Dataset.zip(shuffled, seeds).map(
        _without_autograph(lambda example, example_seed: (*example, example_seed))
    )


def _repeated(
    examples: tf.data.Dataset,
    crops_per_image: CropsPerImage,
    view: View,
    batch_size: int,
    seed: int,
) -> tf.data.Dataset:
    """Repeats each example once for each of its crops, with a seed for each crop.

    The crops of as many images as a batch has crops take turns, so that a batch contains many
    images, but only about as many are in memory.
    """

    def repeat(
        key: tf.Tensor, image: tf.Tensor, class_ids: tf.Tensor, example_seed: tf.Tensor
    ) -> tf.data.Dataset:
        number = crops_per_image
        if number == "auto":
            number = _tiles_to_cover(tf.shape(class_ids, tf.int64), view)
        seeds = tf.data.Dataset.from_tensor_slices(tf.random.split(example_seed, number))
        return seeds.map(lambda crop_seed: (key, image, class_ids, crop_seed))

    crops = examples.interleave(_without_autograph(repeat), cycle_length=batch_size)
    return crops.shuffle(batch_size**2, seed)


def _map(dataset: tf.data.Dataset, function: Callable[..., Any]) -> tf.data.Dataset:
    """Applies a function to all elements in parallel, and keeps their order."""
    return dataset.map(_without_autograph(function), **_PARALLEL)


def _without_autograph(function: Callable[..., Any]) -> Callable[..., Any]:
    # AutoGraph would take longer than all other set-up of a dataset. It is not needed, because no
    # Python condition in these functions depends on a tensor.
    return tf.autograph.experimental.do_not_convert(function)


def _tiles_to_cover(size: tf.Tensor, view: View) -> tf.Tensor:
    """Returns how many tiles of the view's size cover an image of a size (height, width)."""
    return tf.reduce_prod(-(-size // [view.height, view.width]))


def _decode(serialized: tf.Tensor, view: View) -> tuple[tf.Tensor, tf.Tensor]:
    return VIEW_FUNCTIONS[view.kind].whole_pair(*parse_pair(serialized), view)


def _files(patterns: Sequence[str]) -> list[str]:
    files = []
    for pattern in patterns:
        matches = find_files(pattern)
        if not matches:
            raise InputError(
                f"{pattern}: no TFRecord files match this pattern. Run ExampleGen first."
            )
        files += matches
    return sorted(files)


def _shuffle_buffer(files: list[str]) -> int:
    """Returns the size of the shuffle buffer in examples, estimated from the first 16 examples."""
    sizes = [
        len(record)
        for record in tf.data.TFRecordDataset(files, _COMPRESSION).take(16).as_numpy_iterator()
    ]
    if not sizes:
        raise _no_example(files)
    return min(max(_SHUFFLE_BYTES * len(sizes) // sum(sizes), 1), _SHUFFLE_MOST)


def _no_example(files: list[str]) -> InputError:
    return InputError(f"{files[0]}: contains no examples, nor do the other files of the split.")


def _ready(batches: tf.data.Dataset, *, shard_by_file: bool) -> tf.data.Dataset:
    """Prefetches batches, and sets how tf.distribute divides the data among worker processes.

    If the data are divided by file, each worker reads only its own files, and a worker without a
    file fails. With fewer files than workers, the data are therefore divided by batch: each worker
    reads all files and drops the batches of the other workers. Cached training examples are also
    divided by batch, because they are zipped with seeds, and tf.data cannot find the files behind a
    zip. The policy AUTO is not used, because it loses batches when it falls back from division by
    file to division by batch.
    """
    policy = tf.data.experimental.AutoShardPolicy
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        policy.FILE if shard_by_file else policy.DATA
    )
    options.deterministic = True
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)
