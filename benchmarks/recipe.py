"""Compares recipes for the training of a decoder at equal processor time, on three real data sets.

    python -m benchmarks.recipe [--seconds 30] [--seeds 3] [--only TEXT ...] [--jobs 2]

The encoder (VGG16) is frozen. Each recipe differs from the first one in what its title says. All
recipes train for the same processor time, including the encoder and the input pipeline, but without
the tracing of graphs; on Blue Marble, whose lakes are learnt late, they train twice as long. The
learning rate follows the share of this time that has passed. The data sets are those of
`benchmarks.data_sets`, and the score is the mean IoU on whole images of groups that are not in the
training set. The output is, for each recipe, the mean of the scores over the seeds and half of
their range on each data set; then the mean difference from the first recipe, over all data sets and
seeds, with its standard error. Each training uses one thread; several run side by side.
"""

import argparse
import functools
import math
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import pipeline  # noqa: F401, first: it sets environment variables for TensorFlow
from benchmarks.data_sets import Pair, data_sets, number_of_classes, write_examples
from benchmarks.decoders import decoder_with
from components.evaluator.metrics import class_areas, iou, mean_of_defined
from components.trainer.config import ModelConfig
from components.trainer.network.decoder import unet_decoder
from components.trainer.network.encoder import build_encoder
from components.trainer.network.network import MULTIPLE
from components.trainer.training.features import FeatureBuffer, Mixture, encoding
from components.trainer.training.losses import SegmentationLoss, balanced_weights
from components.trainer.training.optimizer import Adam
from components.trainer.training.precision import dtype_policy
from data.config import AUGMENTATIONS, Augmentation, CropView, ResizeView, View
from data.input_pipeline.dataset import class_shares, read_training_batches

_CROP = 96  # pixels
_BUFFER = 100 * _CROP**2  # pixels whose features are kept, so that images serve several steps
_WARMUP = 0.1  # share of the training
_LEVELS = 3  # number of coarser outputs with deep supervision
_Tensors = Sequence[Any]


def cosine(done: float) -> float:
    """Returns the learning rate after a share of the training, relative to the highest rate."""
    return min(done / _WARMUP, (1 + math.cos(math.pi * max(done - _WARMUP, 0) / (1 - _WARMUP))) / 2)


def one_cycle(done: float) -> float:
    """Rises along half a cosine over 30 % of the training, then falls to 0 (Smith 2018)."""
    angle = math.pi * (done / 0.3 - 1 if done < 0.3 else (done - 0.3) / 0.7)
    return (1 + math.cos(angle)) / 2


def constant(done: float) -> float:
    """Rises linearly, then stays constant."""
    return min(done / _WARMUP, 1)


def cooldown(done: float) -> float:
    """Rises linearly, stays constant, and falls linearly to 0 in the last fifth."""
    return min(done / _WARMUP, 1, (1 - done) / 0.2)


class Recipe(NamedTuple):
    """All that can differ between recipes; the defaults are those of the first recipe.

    Attributes:
      width: Multiplier for the number of channels of the decoder.
      group_norm: Whether group normalisation replaces batch normalisation.
      uses: Number of steps that the features of an image serve.
      batch: Number of images in a step.
      rate: Highest learning rate.
      schedule: Function of the share of the training, which returns a factor for the rate.
      decay: Decoupled weight decay (AdamW): share of the kernels to subtract, times the rate.
      averaging: Momentum of the moving average of the weights (EMA); 0 for none.
      loss: Weight of each term of the loss.
      balanced: Whether classes have the weights of `class_weights: balanced`.
      deep: Whether coarser blocks of the decoder have outputs with a loss of their own.
      class_aware: Share of crops that contain a pixel of a random class.
      augmentation: Random changes to the images.
      resized: Size of whole images in place of crops; 0 for crops.
    """

    width: float = 0.25
    group_norm: bool = False
    uses: int = 2
    batch: int = 4
    rate: float = 2e-3
    schedule: Callable[[float], float] = cosine
    decay: float = 0.0
    averaging: float = 0.0
    loss: tuple[str, ...] = ("cross_entropy", "dice")
    balanced: bool = True
    deep: bool = False
    class_aware: float = 0.5
    augmentation: Augmentation = Augmentation(flip="both")
    resized: int = 0

    @property
    def view(self) -> View:
        """The view of the input pipeline."""
        if self.resized:
            return ResizeView(kind="resize", height=self.resized, width=self.resized)
        return CropView(kind="crop", height=_CROP, width=_CROP)


BASE = Recipe()
BEST = BASE._replace(uses=4, schedule=constant, averaging=0.98, class_aware=0.0)
RECIPES = {
    "the base, as described": BASE,
    "1 use of each image": BASE._replace(uses=1),
    "4 uses": BASE._replace(uses=4),
    "width 0.5": BASE._replace(width=0.5),
    "width 1": BASE._replace(width=1.0),
    "rate 0.004": BASE._replace(rate=4e-3),
    "rate 0.001": BASE._replace(rate=1e-3),
    "cross-entropy alone": BASE._replace(loss=("cross_entropy",)),
    "no class weights": BASE._replace(balanced=False),
    "crops anywhere": BASE._replace(class_aware=0.0),
    "constant, then linear to 0": BASE._replace(schedule=cooldown),
    "constant, moving average": BASE._replace(schedule=constant, averaging=0.98),
    "no augmentation": BASE._replace(augmentation=AUGMENTATIONS["none"]),
    "augmentation light": BASE._replace(augmentation=AUGMENTATIONS["light"]),
    "augmentation strong": BASE._replace(augmentation=AUGMENTATIONS["strong"]),
    "batches of 8, rate × √2": BASE._replace(batch=8, rate=2e-3 * 2**0.5),
    "one-cycle": BASE._replace(schedule=one_cycle),
    "deep supervision": BASE._replace(deep=True),
    "group normalisation": BASE._replace(group_norm=True),
    "AdamW, decay 0.1": BASE._replace(decay=0.1),
    "cross-entropy, Tversky": BASE._replace(loss=("cross_entropy", "tversky")),
    "focal, Dice": BASE._replace(loss=("focal", "dice")),
    "whole images, resized to 224": BASE._replace(resized=224),
    "constant rate": BASE._replace(schedule=constant),
    # The defaults of unetfx, and changes of them.
    "4 uses, average, crops anywhere": BEST,
    "…, then linear to 0": BEST._replace(schedule=cooldown),
    "…, rate 0.004": BEST._replace(rate=4e-3),
}


class _Run(NamedTuple):
    data_set: int
    title: str
    seed: int
    seconds: float


class _DataSet(NamedTuple):
    title: str
    train: list[Pair]
    test: list[Pair]
    longer: int  # factor for the time


def main() -> None:
    """Trains by every recipe on every data set, and prints the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30, help="processor time of a training")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[""], help="parts of the recipes' titles")
    parser.add_argument("--jobs", type=int, default=2, help="number of trainings side by side")
    arguments = parser.parse_args()
    base, *others = RECIPES
    titles = [base, *(title for title in others if any(part in title for part in arguments.only))]
    seeds = range(1, arguments.seeds + 1)
    for data_set in _data_sets():
        print(
            f"{data_set.title}: {len(data_set.train)} images to train, {len(data_set.test)} to "
            f"test, {number_of_classes(data_set.train)} classes; "
            f"{arguments.seconds * data_set.longer:g} s of processor time"
        )
    headings = "".join(f"{data_set.title:>16}" for data_set in _data_sets())
    print(f"\n{'mean IoU ± seeds':30}{headings}   difference ± error", flush=True)
    reference = None
    one_thread = tf.config.threading.set_intra_op_parallelism_threads
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.jobs, spawn, one_thread, (1,)) as pool:
        runs = [
            _Run(number, title, seed, arguments.seconds)
            for title in titles
            for number in range(len(_data_sets()))
            for seed in seeds
        ]
        scores = pool.map(_train, runs)
        for title in titles:
            table = np.array([[next(scores) for _ in seeds] for _ in _data_sets()])
            columns = "".join(f"{np.mean(row):10.3f} ±{np.ptp(row) / 2:.3f}"[-16:] for row in table)
            if reference is None:
                reference = table
            difference = (table - reference).ravel()
            error = np.std(difference) / len(difference) ** 0.5
            print(f"{title:30}{columns}{np.mean(difference):+11.3f} ±{error:.3f}", flush=True)


@functools.cache
def _data_sets() -> list[_DataSet]:
    longer = {"Blue Marble": 2}
    return [
        _DataSet(title, train, test, longer.get(title, 1)) for title, (train, test) in data_sets()
    ]


@functools.cache
def _test_features(number: int, resized: int) -> list[list[tf.Tensor]]:
    """Returns the encoder's features of each test image, on the CPU, in the training precision."""
    encoder = _encoder()
    features = []
    for image, _ in _data_sets()[number].test:
        pixels = tf.constant(image[None], tf.float32)
        if resized:
            pixels = tf.image.resize(pixels, [resized, resized], antialias=True)
        height, width = pixels.shape[1:3]
        padding = ((0, 0), (0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0))
        features.append(encoder(tf.pad(pixels, padding)))
    return features


@functools.cache
def _encoder() -> Any:
    with dtype_policy("auto"):
        model = build_encoder(ModelConfig())
    return model


def _train(run: _Run) -> float:
    """Trains by a recipe, and returns the mean IoU on the test images."""
    recipe, data_set = RECIPES[run.title], _data_sets()[run.data_set]
    keras.utils.clear_session()
    keras.utils.set_random_seed(run.seed)
    num_classes = number_of_classes(data_set.train)
    encoder = _encoder()
    with dtype_policy("auto"):
        decoder = _decoder(recipe, encoder.outputs, num_classes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.gz")
        write_examples(data_set.train, path)
        weights = balanced_weights(class_shares([str(path)], num_classes))
        loss = SegmentationLoss(
            dict.fromkeys(recipe.loss, 1.0), weights if recipe.balanced else [1.0] * num_classes
        )
        batches = read_training_batches(
            [str(path)],
            recipe.view,
            recipe.batch,
            seed=run.seed,
            augmentation=recipe.augmentation,
            crops_per_image=1 if recipe.resized else 4,
            class_aware_crops=recipe.class_aware,
            cache=True,
        )
        batches = batches.repeat().rebatch(recipe.batch, drop_remainder=True)
        training = _Training(recipe, decoder, loss)
        training.trace(batches.element_spec, encoder)
        pixels = recipe.batch * recipe.view.height * recipe.view.width
        size = _BUFFER // pixels if recipe.uses > 1 else 1
        mixture = Mixture(recipe.batch, recipe.uses, size, run.seed)
        strategy = tf.distribute.get_strategy()
        encode = encoding(encoder, strategy, batches.element_spec)
        buffer = FeatureBuffer(encode, strategy, mixture)
        began = time.process_time()
        for inputs, masks in buffer.mixed(batches, 0):
            done = (time.process_time() - began) / (run.seconds * data_set.longer)
            if done >= 1:
                break
            training.rate.assign(recipe.rate * recipe.schedule(done))
            training.step(inputs[1:], masks)
    training.use_averages()
    return _score(recipe, decoder, run.data_set, num_classes)


def _decoder(recipe: Recipe, skips: _Tensors, num_classes: int) -> keras.Model:
    """Returns a model that maps skips to a list of logits, at the image's resolution first."""
    inputs = [keras.Input(skip.shape[1:], dtype=skip.dtype) for skip in skips]
    if recipe.group_norm:
        build = decoder_with(recipe.width, normalise=lambda: layers.GroupNormalization(8))
        outputs = [build(inputs)]
    else:
        outputs = [unet_decoder(inputs, recipe.width)]
    if recipe.deep:
        inner = keras.Model(inputs, outputs)
        blocks = [f"decoder{5 - level}_conv2_relu" for level in range(1, _LEVELS + 1)]
        outputs += [inner.get_layer(block).output for block in blocks]
    heads = [
        layers.Conv2D(num_classes, 1, kernel_initializer="he_normal")(output) for output in outputs
    ]
    logits = [layers.Activation("linear", dtype="float32")(head) for head in heads]
    return keras.Model(inputs, logits)


class _Training:
    """A training step of a decoder, with what recipes may add to it."""

    def __init__(self, recipe: Recipe, decoder: keras.Model, loss: SegmentationLoss) -> None:
        self._recipe, self._decoder, self._loss = recipe, decoder, loss
        self.rate = tf.Variable(0.0)
        self._optimizer = Adam(0.0)
        self._optimizer.build(decoder.trainable_variables)
        self._averages = [tf.Variable(weight.value) for weight in decoder.weights]
        self.step = tf.function(self._step, autograph=False, reduce_retracing=True)

    def trace(self, spec: Any, encoder: keras.Model) -> None:
        """Traces the step, so that its processor time does not count."""
        images, masks = spec
        shapes = encoder.compute_output_shape(tuple(images.shape))
        skips = [
            tf.TensorSpec(shape, output.dtype)
            for shape, output in zip(shapes, encoder.outputs, strict=True)
        ]
        self.step.get_concrete_function(skips, masks)

    def use_averages(self) -> None:
        """Replaces the weights by their moving averages, if the recipe has them."""
        if self._recipe.averaging:
            self._decoder.set_weights([average.numpy() for average in self._averages])

    def _step(self, skips: _Tensors, masks: tf.Tensor) -> None:
        weights = self._decoder.trainable_variables
        with tf.GradientTape() as tape:
            loss = sum(
                self._loss(masks[:, :: 2**level, :: 2**level], logits) / 2**level
                for level, logits in enumerate(tf.nest.flatten(self._decoder(skips, training=True)))
            )
        self._optimizer.learning_rate.assign(self.rate)
        self._optimizer.apply(tape.gradient(loss, weights), weights)
        if decay := self._recipe.decay:
            for weight in weights:
                if weight.path.endswith("kernel"):
                    weight.assign(weight * (1 - self.rate * decay))
        if momentum := self._recipe.averaging:
            for average, weight in zip(self._averages, self._decoder.weights, strict=True):
                average.assign(average * momentum + weight * (1 - momentum))


def _score(recipe: Recipe, decoder: keras.Model, data_set: int, num_classes: int) -> float:
    """Returns the mean IoU on the test images."""
    counts = np.zeros((num_classes, num_classes), np.int64)
    predict = tf.function(
        lambda skips: tf.argmax(tf.nest.flatten(decoder(skips, training=False))[0], -1),
        autograph=False,
        reduce_retracing=True,
    )
    features = _test_features(data_set, recipe.resized)
    for (_, class_ids), skips in zip(_data_sets()[data_set].test, features, strict=True):
        predicted = predict(skips)[..., tf.newaxis]
        if recipe.resized:
            predicted = tf.image.resize(predicted, class_ids.shape, method="nearest")
        height, width = class_ids.shape
        predicted = predicted.numpy()[0, :height, :width, 0]
        np.add.at(counts, (class_ids.ravel(), predicted.ravel()), 1)
    return mean_of_defined(iou(class_areas(counts)))


if __name__ == "__main__":
    main()
