"""Keeps the features of a frozen encoder in memory, so that the encoder runs less often.

A frozen encoder takes a large part of a training step, although it learns nothing. `val` has the
same features in each epoch. In training, each augmented image can serve several steps: this is
data echoing (Choi et al. 2019) behind the encoder.
"""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.trainer.config import TrainingConfig
from components.trainer.network.network import split_network

_Batches: TypeAlias = tf.data.Dataset | tf.distribute.DistributedDataset
_Encode: TypeAlias = tf.types.experimental.PolymorphicFunction
_Features = Any  # ([images, *skips], masks); with several devices, one tensor per device


class Mixture(NamedTuple):
    """Decides from which batches each training step takes its images.

    The choice depends only on the seed and on the number of the step, so a resumed training run
    continues with the same images. An image keeps its position in the batch. Each device therefore
    needs only the features that it has computed itself, and several devices train on the same
    batches as one device.

    Attributes:
      batch_size: Number of images in each batch, across all devices.
      uses: Number of training steps that an image serves, on average.
      size: Number of batches among which the images are mixed.
      seed: Seed of the choice.
    """

    batch_size: int
    uses: int
    size: int
    seed: int

    def oldest(self, step: int) -> int:
        """Returns the number of the oldest of the `size` batches that are in use at a step."""
        return step // self.uses

    def origins(self, step: int) -> npt.NDArray[np.int64]:
        """Returns the batches from which a training step takes its images.

        Batch number b is in slot b modulo `size`. In each cycle of `size` steps, each position of
        the batch takes an image from every slot once.

        Args:
          step: Number of the training step in its phase; the first is 0.

        Returns:
          For each position in the batch, the number of a batch, int64 [batch size].
        """
        cycle, turn = divmod(step, self.size)
        random = np.random.default_rng((self.seed, cycle))
        orders = random.permuted(np.tile(np.arange(self.size), (self.batch_size, 1)), axis=1)
        oldest = self.oldest(step)
        return oldest + (orders[:, turn] - oldest) % self.size


def encoding(encoder: keras.Model, strategy: tf.distribute.Strategy, batch_spec: Any) -> _Encode:
    """Returns a function that computes the features of a distributed batch.

    Args:
      encoder: Model that maps images to skips, from `split_network`.
      strategy: The distribution strategy in whose scope the network was built.
      batch_spec: Type of the batches of (images, masks), whose number of images may vary.
    """

    def on_device(images: tf.Tensor, masks: tf.Tensor) -> _Features:
        return [images, *encoder(images, training=False)], masks

    return tf.function(
        lambda *batch: strategy.run(on_device, batch), list(batch_spec), autograph=False
    )


class FeatureBuffer:
    """Holds the features of the newest training batches, and mixes batches for the decoder.

    The encoder runs only in every n-th step, and the decoder trains n times on each augmented
    image, each time together with other images.

    Args:
      encode: Function that computes the features of a distributed batch, from `encoding`.
      strategy: The distribution strategy in whose scope the network was built.
      mixture: Decides which images each step trains on; the buffer holds `mixture.size` batches.
    """

    def __init__(self, encode: _Encode, strategy: tf.distribute.Strategy, mixture: Mixture) -> None:
        self.mixture = mixture
        self._strategy = strategy
        self._share = _share(mixture.batch_size, strategy)
        self._encode = encode
        self._slots: list[_Features] = [None] * mixture.size

    def mixed(self, batches: _Batches, first_step: int) -> Iterator[_Features]:
        """Fills the buffer, keeps it up to date, and yields the batch of each training step.

        Args:
          batches: Distributed batches of images and masks, all of the same size, without end. The
            first is the one with the number `mixture.oldest(first_step)`.
          first_step: Number of the first training step.

        Yields:
          The inputs of the decoder, [images, *skips], and the masks.
        """
        size, oldest = self.mixture.size, self.mixture.oldest(first_step)
        numbered, newest = enumerate(batches, oldest), oldest - 1
        for step in itertools.count(first_step):
            while newest < self.mixture.oldest(step) + size - 1:
                newest, batch = next(numbered)
                self._slots[newest % size] = self._encode(*batch)
            chosen = (self.mixture.origins(step) % size).tolist()
            yield self._strategy.run(self._mix_replica, (self._slots, chosen))

    def _mix_replica(self, slots: list[_Features], chosen: list[int]) -> _Features:
        """Returns the images of this device, the one at each position from the chosen slot."""
        first = int(tf.distribute.get_replica_context().replica_id_in_sync_group) * self._share
        batches = [tf.nest.flatten(slots[slot]) for slot in chosen[first : first + self._share]]
        if not batches:  # the batch has fewer images than there are devices
            return slots[0]
        mixed = [
            tf.stack([tensor[position] for position, tensor in enumerate(tensors)])
            for tensors in zip(*batches, strict=True)
        ]
        return tf.nest.pack_sequence_as(slots[0], mixed)


class KeptFeatures(NamedTuple):
    """Features that stay in memory while the encoder is frozen.

    Attributes:
      decoder: Model that maps [images, *skips] to logits; None if no features are kept.
      val_batches: Batches of `val`: lists of ([images, *skips], masks) with the features, or
        (images, masks) if the features need too much memory.
      val_spec: Type of these batches, whose number of images may vary.
      buffer: Buffer for the features of `train`; None if each image serves one step only.
      summary: Sentence for the user that says which features are kept.
    """

    decoder: keras.Model | None
    val_batches: Any
    val_spec: Any
    buffer: FeatureBuffer | None = None
    summary: str = ""


def keep_features(
    network: keras.Model,
    strategy: tf.distribute.Strategy,
    val_batches: _Batches,
    training: TrainingConfig,
    *,
    image_size: tuple[int, int],
    most_batches: int,
) -> KeptFeatures:
    """Computes the features of `val`, and creates the buffer for those of `train`.

    The features of `val` may need up to half of the memory; the buffer takes the rest.

    Args:
      network: The network from `build_network`; its whole encoder must be frozen.
      strategy: The distribution strategy in whose scope the network was built.
      val_batches: Distributed batches of images and masks.
      training: The `training` section of the config.
      image_size: Height and width of the images in pixels.
      most_batches: Maximum number of batches in the buffer.
    """
    encoder, decoder = split_network(network)
    mib = _bytes_per_image(encoder, image_size) / 2**20
    most_images = int(training.feature_memory_mib / mib)
    share = _share(training.batch_size, strategy)
    encode = encoding(encoder, strategy, val_batches.element_spec)
    val_features = _encode_all(encode, strategy, val_batches, most_images // 2)
    val_images = share * len(val_features or [])
    size = min((most_images - val_images) // share, most_batches)
    kinds = [f"val ({val_images * mib:,.0f} MiB)"] if val_features else []
    buffer, steps = None, ""
    if training.feature_uses > 1 and size > 1:
        mixture = Mixture(training.batch_size, training.feature_uses, size, training.seed)
        buffer = FeatureBuffer(encode, strategy, mixture)
        kinds.append(f"{size} batches ({size * share * mib:,.0f} MiB)")
        steps = f"; each image serves {training.feature_uses} training steps"
    if kinds:
        state = f"of {' and of '.join(kinds)} stay in memory{steps}"
    elif most_images < 2 * share:
        state = (
            f"are not kept: those of two batches need {2 * share * mib:,.0f} MiB, but "
            f"training.feature_memory_mib is {training.feature_memory_mib:,}"
        )
    else:
        state = (
            "are not kept: each image serves one training step, and those of val need more than "
            f"half of training.feature_memory_mib ({training.feature_memory_mib:,})"
        )
    summary = f"The frozen encoder's features {state}."
    if val_features:
        outputs = encode.get_concrete_function().structured_outputs
        val_spec = tf.nest.map_structure(tf.type_spec_from_value, outputs)
        return KeptFeatures(decoder, val_features, val_spec, buffer, summary)
    return KeptFeatures(decoder, val_batches, val_batches.element_spec, buffer, summary)


def _encode_all(
    encode: _Encode, strategy: tf.distribute.Strategy, batches: _Batches, most_images: int
) -> list[_Features] | None:
    """Returns the features of all batches; None if a device has more than `most_images` images."""
    features, count = [], 0
    for batch in batches:
        count += max(len(masks) for masks in strategy.experimental_local_results(batch[1]))
        if count > most_images:
            return None
        features.append(encode(*batch))
    return features


def _share(batch_size: int, strategy: tf.distribute.Strategy) -> int:
    """Returns how many images of a batch each device gets; the last devices may get fewer."""
    return -(-batch_size // int(strategy.num_replicas_in_sync))


def _bytes_per_image(encoder: keras.Model, image_size: tuple[int, int]) -> int:
    """Returns the memory for an image (float32), its mask (uint8) and its features."""
    height, width = image_size
    shapes = encoder.compute_output_shape((None, height, width, 3))
    sizes = (
        int(np.prod(shape[1:])) * tf.as_dtype(skip.dtype).size
        for shape, skip in zip(shapes, encoder.outputs, strict=True)
    )
    return height * width * (3 * tf.float32.size + 1) + sum(sizes)
