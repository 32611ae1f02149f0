"""Reading for training: from TFRecords to batches for the network."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from data.config import IGNORE, Augmentation, CropView, View
from data.errors import InputError
from data.examples.parsing import parse_class_pixels, parse_key, parse_pair
from data.input_pipeline.augmentation import augment, reach
from data.input_pipeline.views import BLACK, cut, random_corner, tiles, view_image, view_mask

_COMPRESSION = "GZIP"
_FILES_AT_ONCE = 16  # open at the same time, and read in turn
# The buffer that shuffles serialized examples: in bytes, since one may be a tile or a whole scan.
_SHUFFLE_BYTES = 2**27
_SHUFFLE_MOST = 10_000
_PARALLEL: dict[str, Any] = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": True}


def read_batches(
    patterns: Sequence[str],
    view: View,
    batch_size: int,
    *,
    cache: bool = False,
    replicas: int = 1,
) -> tf.data.Dataset:
    """Reads every pixel of every example once, in the files' order.

    Args:
      patterns: Of gzipped TFRecord files.
      view: What the network sees of an image. Of a crop view it is all tiles of the crop's size
        that the image falls into.
      batch_size: Views a batch; the last one may be smaller.
      cache: Keeps the decoded views in memory after the first pass.
      replicas: How many devices train together, so that every one's process gets its share.

    Returns:
      Batches of float32 images [batch, view.height, view.width, 3] in 0..255 and uint8 masks
      [batch, view.height, view.width].

    Raises:
      InputError: A pattern matches no file.
    """
    files = _files(patterns)

    def look(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pair = _decode(serialized, view)
        return tiles(*pair, view) if isinstance(view, CropView) else pair

    views = tf.data.TFRecordDataset(files, _COMPRESSION).map(look, **_PARALLEL)
    if isinstance(view, CropView):
        views = views.unbatch()
    if cache:
        views = views.cache()
    batches = views.batch(batch_size).map(
        lambda images, masks: (tf.cast(images, tf.float32), masks), **_PARALLEL
    )
    return _ready(batches, shard_by_file=len(files) >= replicas)


def read_training_batches(
    patterns: Sequence[str],
    view: View,
    batch_size: int,
    *,
    seed: int,
    augmentation: Augmentation,
    crops_per_image: int = 1,
    class_aware_crops: float = 0.0,
    cache: bool = False,
    replicas: int = 1,
    with_keys: bool = False,
) -> tf.data.Dataset:
    """Reads examples in a new order each pass, as random crops if so asked, and augmented.

    Everything at random follows from the seed, the pass and the example, never from timing: the
    same seed gives the same batches again.

    Args:
      patterns: Of gzipped TFRecord files.
      view: What the network sees of an image.
      batch_size: Views a batch; the last one may be smaller.
      seed: Of the order, of the crops and of the augmentation.
      augmentation: What is done to the views.
      crops_per_image: How many crops of an image a pass has; only of use with a crop view.
      class_aware_crops: Share of the crops that are placed on a class; see `random_corner`.
      cache: Keeps decoded images in memory after the first pass: resized ones, or whole ones with a
        crop view.
      replicas: How many devices train together, so that every one's process gets its share.
      with_keys: Gives the pairs' keys too: who they are that a batch is made of.

    Returns:
      Batches of float32 images [batch, view.height, view.width, 3] in 0..255 and uint8 masks
      [batch, view.height, view.width]; with keys, also string [batch].

    Raises:
      InputError: A pattern matches no file, or there is no example in the files.
    """
    files = _files(patterns)
    height, width = view.height, view.width

    def look(
        key: tf.Tensor, image: tf.Tensor, class_ids: tf.Tensor, of_example: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        of_corner, of_change = tf.unstack(tf.random.split(of_example))
        if isinstance(view, CropView):
            wide = reach(augmentation, height, width)
            corner = random_corner(class_ids, view, class_aware_crops, of_corner)
            corner -= [(wide[0] - height) // 2, (wide[1] - width) // 2]
            image = cut(image, corner, *wide, BLACK)
            class_ids = cut(class_ids, corner, *wide, IGNORE)
        pair = augment(image, class_ids, of_change, augmentation, height, width)
        return (*pair, key) if with_keys else pair

    def repeat(*example: tf.Tensor) -> tf.data.Dataset:
        seeds = tf.data.Dataset.from_tensor_slices(tf.random.split(example[-1], crops_per_image))
        return seeds.map(lambda of_crop: (*example[:-1], of_crop))

    examples = (_from_memory if cache else _from_files)(files, view, seed)
    if crops_per_image > 1:
        examples = examples.flat_map(repeat)
    views = examples.map(look, **_PARALLEL)
    if crops_per_image > 1:  # crops of one image come together; a batch should be of many
        views = views.shuffle(crops_per_image * batch_size, seed)
    return _ready(views.batch(batch_size), shard_by_file=len(files) >= replicas and not cache)


def count_classes(patterns: Sequence[str], classes: Sequence[str]) -> tuple[int, list[float]]:
    """Counts examples and their pixels, without decoding an image.

    Args:
      patterns: Of gzipped TFRecord files.
      classes: Class names, by class id.

    Returns:
      The number of examples, and each class's share of their labelled pixels.

    Raises:
      InputError: A pattern matches no file, or there is no example in the files.
    """
    files = _files(patterns)
    records = tf.data.TFRecordDataset(files, _COMPRESSION)
    counted = records.map(lambda record: parse_class_pixels(record, classes), **_PARALLEL)
    pixels = list(counted.as_numpy_iterator())
    if not pixels:
        raise _no_example(files)
    total = sum(count.astype(float) for count in pixels)
    return len(pixels), (total / total.sum()).tolist()


def _from_files(files: list[str], view: View, seed: int) -> tf.data.Dataset:
    """Shuffled (key, image, mask, seed), the seed int64 [2] and another one in each pass."""

    def read(file: tf.Tensor, of_file: tf.Tensor) -> tf.data.Dataset:
        records = tf.data.TFRecordDataset(file, _COMPRESSION).enumerate()
        return records.map(lambda number, record: (record, tf.stack([of_file, number])))

    # A seed comes with a file, and not with an example further down: tf.data cannot see through
    # such a zip when it deals out files to workers.
    of_files = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
    return (
        tf.data.Dataset.zip(tf.data.Dataset.from_tensor_slices(files), of_files)
        .shuffle(len(files), seed)
        .interleave(read, cycle_length=min(len(files), _FILES_AT_ONCE), **_PARALLEL)
        .shuffle(_shuffle_buffer(files), seed)
        .map(
            lambda record, of_example: (parse_key(record), *_decode(record, view), of_example),
            **_PARALLEL,
        )
    )


def _from_memory(files: list[str], view: View, seed: int) -> tf.data.Dataset:
    """The same, decoded in the first pass only."""
    examples = (
        tf.data.TFRecordDataset(files, _COMPRESSION)
        .map(lambda record: (parse_key(record), *_decode(record, view)), **_PARALLEL)
        .cache()
        .shuffle(_SHUFFLE_MOST, seed)  # no more memory: the cache holds the images
    )
    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
    return tf.data.Dataset.zip(examples, seeds).map(
        lambda example, of_example: (*example, of_example)
    )


def _decode(serialized: tf.Tensor, view: View) -> tuple[tf.Tensor, tf.Tensor]:
    image, class_ids = parse_pair(serialized)
    if isinstance(view, CropView):
        return image, class_ids
    return view_image(image, view), view_mask(class_ids, view)


def _files(patterns: Sequence[str]) -> list[str]:
    files = []
    for pattern in patterns:
        found = tf.io.gfile.glob(pattern)
        if not found:
            raise InputError(f"{pattern}: no such TFRecord files. Run the ingestion first.")
        files += found
    return sorted(files)


def _shuffle_buffer(files: list[str]) -> int:
    """How many examples the buffer holds, by the size of the first ones."""
    first = [
        len(record)
        for record in tf.data.TFRecordDataset(files, _COMPRESSION).take(16).as_numpy_iterator()
    ]
    if not first:
        raise _no_example(files)
    return min(max(_SHUFFLE_BYTES * len(first) // sum(first), 1), _SHUFFLE_MOST)


def _no_example(files: list[str]) -> InputError:
    return InputError(f"{files[0]}: no example in it, nor in the other files of the split.")


def _ready(batches: tf.data.Dataset, *, shard_by_file: bool) -> tf.data.Dataset:
    """Prefetches, and says how tf.distribute deals the data out to workers (processes).

    By file, a worker reads its own files only; but one without a file is an error. So with fewer
    files than there may be workers, each reads them all and drops the others' batches; and likewise
    from memory, where a seed comes with each example and tf.data no longer sees the files. The
    choice is never tf.data's own (AUTO): where that falls back from files to batches it loses some.
    """
    policy = tf.data.experimental.AutoShardPolicy
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        policy.FILE if shard_by_file else policy.DATA
    )
    options.deterministic = True
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)
