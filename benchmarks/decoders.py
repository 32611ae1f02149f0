"""Compares decoders on three real data sets: normalisation, up-sampling, dropout and width.

    python -m benchmarks.decoders [--steps 150] [--seeds 2]

The data sets are those of `benchmarks.data_sets`. The encoder is frozen, so its features are
computed once. With the same seed, all decoders train on the same crops in the same order. The score
is the mean IoU on whole images of groups that are not in the training set. The output is the mean
of the scores over the seeds, and half of their range.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers

from benchmarks.data_sets import Pair, data_sets, number_of_classes
from components.evaluator.metrics import class_areas, iou, mean_of_defined
from components.trainer.config import ModelConfig
from components.trainer.network.decoder import CHANNELS, notebook_decoder, unet_decoder
from components.trainer.network.encoder import build_encoder
from components.trainer.network.network import MULTIPLE
from components.trainer.network.normalisation import BatchNormalization
from components.trainer.training.losses import SegmentationLoss
from components.trainer.training.optimizer import Adam

_CROP = 96  # pixels
_BATCH = 4
_LEARNING_RATE = 2e-3
_UNTIMED = 3  # first steps, which trace graphs
_Pixels = npt.NDArray[np.uint8]
_Tensors = Sequence[Any]


class Variant(NamedTuple):
    """A decoder to measure.

    Attributes:
      title: Name in the output.
      build: Function that returns features at the image's resolution from the encoder's five skips.
    """

    title: str
    build: Callable[[_Tensors], Any]


def main() -> None:
    """Trains every decoder on every data set, and prints one line of results for each decoder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    for title, (train, test) in data_sets():
        classes = number_of_classes(train)
        print(
            f"\n{title}: {len(train)} images to train, {len(test)} to test, {classes} classes; "
            f"{arguments.steps} steps of {_BATCH} crops of {_CROP}×{_CROP}"
        )
        print(f"{'':44}mean IoU   ± seeds   parameters   CPU ms/step")
        seeds = range(1, arguments.seeds + 1)
        crops = {seed: _features(_crops(train, seed, arguments.steps)) for seed in seeds}
        whole = [_features([pair]) for pair in test]
        for variant in VARIANTS:
            results = [_measure(variant, crops[seed], whole, classes, seed) for seed in seeds]
            scores = [result.score for result in results]
            step = np.mean([result.milliseconds for result in results])
            print(
                f"{variant.title:44}{np.mean(scores):8.3f}{np.ptp(scores) / 2:10.3f}"
                f"{results[0].parameters / 1e6:11.2f} M{step:14.0f}",
                flush=True,
            )


class _Features(NamedTuple):
    """Encoder features and masks of some images.

    Attributes:
      skips: Features at the five resolutions, float16 [images, height, width, channels].
      class_ids: uint8 [images, height, width].
    """

    skips: list[npt.NDArray[np.float16]]
    class_ids: _Pixels


class _Result(NamedTuple):
    """Mean IoU, number of parameters and CPU time of a training step of a decoder."""

    score: float
    parameters: int
    milliseconds: float  # CPU time of a training step


def _measure(
    variant: Variant, crops: _Features, test: list[_Features], classes: int, seed: int
) -> _Result:
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    inputs = [keras.Input((None, None, skip.shape[-1])) for skip in crops.skips]
    head = layers.Conv2D(classes, 1, kernel_initializer="he_normal")
    network = keras.Model(inputs, head(variant.build(inputs)))
    steps = len(crops.class_ids) // _BATCH
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - steps // 10, warmup_target=_LEARNING_RATE, warmup_steps=steps // 10
    )
    loss = SegmentationLoss({"cross_entropy": 1.0, "dice": 1.0}, [1.0] * classes)
    network.compile(Adam(rate), loss, jit_compile=False)
    for step in range(steps):
        if step == _UNTIMED:
            began = time.process_time()
        batch = slice(step * _BATCH, (step + 1) * _BATCH)
        network.train_on_batch(_float32(crops.skips, batch), crops.class_ids[batch])
    milliseconds = 1000 * (time.process_time() - began) / (steps - _UNTIMED)
    counts = np.zeros((classes, classes), np.int64)
    predict = tf.function(lambda skips: tf.argmax(network(skips, training=False), -1))
    for image in test:
        height, width = image.class_ids.shape[1:]
        predicted = predict(_float32(image.skips, slice(None))).numpy()[:, :height, :width]
        np.add.at(counts, (image.class_ids.ravel(), predicted.ravel()), 1)
    return _Result(mean_of_defined(iou(class_areas(counts))), network.count_params(), milliseconds)


def _float32(skips: _Tensors, batch: slice) -> list[tf.Tensor]:
    return [tf.constant(skip[batch], tf.float32) for skip in skips]


def _features(pairs: Sequence[Pair]) -> _Features:
    encoder = build_encoder(ModelConfig())
    run = tf.function(lambda images: [tf.cast(s, tf.float16) for s in encoder(images)])
    height, width = pairs[0].class_ids.shape
    padding = ((0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0))
    by_image = [
        [skip.numpy() for skip in run(tf.constant(np.pad(image, padding)[None], tf.float32))]
        for image, _ in pairs
    ]
    class_ids = np.stack([pair.class_ids for pair in pairs])
    return _Features([np.concatenate(skips) for skips in zip(*by_image, strict=True)], class_ids)


def _crops(pairs: Sequence[Pair], seed: int, steps: int) -> list[Pair]:
    """Returns crops of shuffled images; every second crop contains its image's rarest class."""
    random = np.random.default_rng(seed)
    order = np.concatenate(
        [random.permutation(len(pairs)) for _ in range(-(-steps * _BATCH // len(pairs)))]
    )
    crops = []
    for number, index in enumerate(order[: steps * _BATCH]):
        image, class_ids = pairs[index]
        corner = [random.integers(0, size - _CROP + 1) for size in class_ids.shape]
        if number % 2:
            present, counts = np.unique(class_ids, return_counts=True)
            pixels = np.argwhere(class_ids == present[counts.argmin()])
            inside = pixels[random.integers(len(pixels))] - random.integers(0, _CROP, 2)
            corner = np.clip(inside, 0, np.array(class_ids.shape) - _CROP)
        window = tuple(slice(start, start + _CROP) for start in corner)
        flip = tuple(slice(None, None, random.choice([-1, 1])) for _ in range(2))
        crops.append(Pair(image[window][flip], class_ids[window][flip]))
    return crops


def decoder_with(
    width: float = 0.25,
    *,
    normalise: Callable[[], Any] | None = None,
    skips_too: bool = True,
    up: Callable[[int], Callable[[Any], Any]] | None = None,
) -> Callable[[_Tensors], Any]:
    """Returns a function that builds the default decoder with some layers replaced.

    Args:
      width: Factor for the number of channels of each layer.
      normalise: Function that creates a normalisation layer; None for no normalisation.
      skips_too: Whether to normalise the skips as well.
      up: Function that creates an up-sampling layer with a number of channels; None for the
        default.
    """

    def normalised(x: Any) -> Any:
        return normalise()(x) if normalise else x

    def convolve(x: Any, channels: int, size: int) -> Any:
        layer = layers.Conv2D(
            channels,
            size,
            padding="same",
            use_bias=normalise is None,
            kernel_initializer="he_normal",
        )
        return layers.ReLU()(normalised(layer(x)))

    def build(skips: _Tensors) -> Any:
        if skips_too:
            skips = [normalised(skip) for skip in skips]
        channels = [round(count * width) for count in CHANNELS]
        x = layers.MaxPooling2D()(skips[-1])
        for _ in range(2):
            x = convolve(x, 2 * channels[0], 3)
        for count, skip in zip(channels, skips[::-1], strict=True):
            if up:
                x = layers.ReLU()(normalised(up(count)(x)))
            else:
                x = convolve(layers.UpSampling2D()(x), count, 2)
            x = layers.Concatenate()([skip, x])
            for _ in range(2):
                x = convolve(x, count, 3)
        return x

    return build


def _batch() -> Any:
    return BatchNormalization(momentum=0.9)


def _bilinear(count: int) -> Callable[[Any], Any]:
    convolution = layers.Conv2D(
        count, 2, padding="same", use_bias=False, kernel_initializer="he_normal"
    )
    return lambda x: convolution(layers.UpSampling2D(interpolation="bilinear")(x))


def _transposed(count: int) -> Callable[[Any], Any]:
    return layers.Conv2DTranspose(
        count, 2, strides=2, use_bias=False, kernel_initializer="he_normal"
    )


VARIANTS = [
    Variant("decoder: unet, width 0.25", lambda skips: unet_decoder(skips, 0.25)),
    Variant("decoder: notebook, width 0.25", lambda skips: notebook_decoder(skips, 0.25)),
    Variant("no normalisation", decoder_with()),
    Variant("skips with scale and offset", decoder_with(normalise=_batch)),
    Variant(
        "batch normalisation, but not of skips", decoder_with(normalise=_batch, skips_too=False)
    ),
    Variant(
        "group normalisation, 8 groups",
        decoder_with(normalise=lambda: layers.GroupNormalization(8)),
    ),
    Variant("layer normalisation", decoder_with(normalise=layers.LayerNormalization)),
    Variant("bilinear up-sampling", decoder_with(normalise=_batch, up=_bilinear)),
    Variant("transposed convolution", decoder_with(normalise=_batch, up=_transposed)),
    Variant("dropout 0.2 at the latent", lambda skips: unet_decoder(skips, 0.25, 0.2)),
    Variant("width 0.125", lambda skips: unet_decoder(skips, 0.125)),
    Variant("width 0.5", lambda skips: unet_decoder(skips, 0.5)),
    Variant("width 1", lambda skips: unet_decoder(skips, 1.0)),
]


if __name__ == "__main__":
    main()
