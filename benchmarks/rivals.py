"""The rivals of `benchmarks.race`: the reference notebook and segmentation-models-pytorch."""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.evaluator.metrics import class_areas, iou, mean_of_defined

BATCH = 8
UNTIMED = 3
"""First steps of a timing, which trace graphs."""
TIMED = 6
"""Timed steps at equal channels."""
_POINTS = 10  # number of scores along the way
_RATE = 1e-3  # of smp; the notebook has Keras' default, which is the same
_MEAN = (123.68, 116.779, 103.939)  # of the images that VGG16 was trained on, RGB
_INFERENCES = 9
_Pixels = npt.NDArray[np.uint8]
Predict = Callable[[_Pixels], Any]
"""Function that maps images [batch, height, width, 3] to class ids."""


def notebook_network(shape: Sequence[int], classes: int, *, normalised: bool = False) -> Any:
    """Builds the reference VGG16 U-Net as in a notebook, with plain Keras.

    Only the weights of the encoder are read by unetfx.

    Args:
      shape: Height, width and number of channels of the images.
      classes: Number of classes.
      normalised: Whether batch normalisation follows each convolution of the decoder and each skip;
        the two-channel layers are then left out.

    Returns:
      A model that maps images in 0..255 to probabilities.
    """
    import keras
    from keras import layers

    from components.trainer.network.weights import load_weights

    inputs = keras.Input(shape)
    pixels = layers.Lambda(keras.applications.vgg16.preprocess_input)(inputs)
    vgg = keras.applications.VGG16(include_top=False, weights=None, input_tensor=pixels)
    skips = [vgg.get_layer(f"block{block}_conv2").output for block in range(1, 6)]
    encoder = keras.Model(inputs, skips, name="vgg16")
    load_weights(encoder, vgg, "hed-bsds500", keras.applications.VGG16)
    encoder.trainable = False

    def normalise(x: keras.KerasTensor) -> keras.KerasTensor:
        return layers.BatchNormalization(momentum=0.9)(x) if normalised else x

    def convolve(x: keras.KerasTensor, filters: int, size: int) -> keras.KerasTensor:
        layer = layers.Conv2D(filters, size, padding="same", kernel_initializer="he_normal")
        return layers.ReLU()(normalise(layer(x)))

    x = convolve(convolve(layers.MaxPooling2D()(normalise(skips[-1])), 1024, 3), 1024, 3)
    for filters, skip in zip((512, 256, 128, 64, 64), reversed(skips), strict=True):
        x = convolve(layers.UpSampling2D()(x), filters, 2)
        x = layers.Concatenate()([normalise(skip), x])
        x = convolve(convolve(x, filters, 3), filters, 3)
        if filters == 64 and not normalised:
            x = convolve(x, 2, 3)
    outputs = layers.Conv2D(classes, 1, activation="softmax", kernel_initializer="he_normal")
    return keras.Model(inputs, outputs(x))


class Scores:
    """Scores a network at equal distances of processor time, and does not count this time.

    The clock starts with the instance.

    Attributes:
      points: Processor time in seconds and mean IoU on the tiles of other regions, in order.
      steps: Number of training steps so far.

    Args:
      predict: Function that segments images.
      folder: Folder with the data of the race.
      seconds: Processor time of the whole training.
    """

    def __init__(self, predict: Predict, folder: Path, seconds: float) -> None:
        self.points: list[tuple[float, float]] = []
        self.steps = 0
        self._predict, self._seconds, self._scoring = predict, seconds, 0.0
        self._images, self._masks = (
            np.load(folder / f"val_{kind}.npy") for kind in ("images", "masks")
        )
        self._began = time.process_time()

    @property
    def used(self) -> float:
        """Processor time so far, in seconds, without that of the scores."""
        return time.process_time() - self._began - self._scoring

    def finish_step(self) -> bool:
        """Scores the network after a training step if it is time, and returns whether to go on."""
        self.steps += 1
        used = self.used
        if used >= self._seconds * (len(self.points) + 1) / _POINTS:
            self.points.append((used, self._score()))
            self._scoring += self.used - used
        return len(self.points) < _POINTS

    def _score(self) -> float:
        classes = 1 + int(self._masks.max())
        counts = np.zeros((classes, classes), np.int64)
        for image, mask in zip(self._images, self._masks, strict=True):
            class_ids = np.asarray(self._predict(image[np.newaxis]))
            np.add.at(counts, (mask.ravel(), class_ids.ravel()), 1)
        return mean_of_defined(iou(class_areas(counts)))


def latency(predict: Predict, folder: Path) -> float:
    """Returns the median time for one image, in milliseconds.

    Args:
      predict: Function that segments images.
      folder: Folder with the data of the race.
    """
    image = np.load(folder / "val_images.npy")[:1]
    times = []
    for _ in range(_INFERENCES):
        before = time.monotonic()
        np.asarray(predict(image))
        times.append(1000 * (time.monotonic() - before))
    return statistics.median(times)


def _batches(folder: Path, seed: int) -> Iterator[tuple[_Pixels, _Pixels]]:
    """Yields shuffled batches, mirrored at random, without end."""
    images, masks = (np.load(folder / f"train_{kind}.npy") for kind in ("images", "masks"))
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(len(images))
        for first in range(0, len(order) - BATCH + 1, BATCH):
            chosen = order[first : first + BATCH]
            flip = (slice(None), *(slice(None, None, random.choice([-1, 1])) for _ in range(2)))
            yield images[chosen][flip], masks[chosen][flip]


def _train_rival(
    step: Callable[[_Pixels, _Pixels, float], None],
    predict: Predict,
    folder: Path,
    seed: int,
    seconds: float,
) -> dict[str, Any]:
    """Trains for a processor time.

    `step` receives images, masks and the share of the time that has passed.
    """
    scores = Scores(predict, folder, seconds)
    for images, masks in _batches(folder, seed):
        step(images, masks, scores.used / seconds)
        if not scores.finish_step():
            break
    return {
        "points": scores.points,
        "step": scores.points[-1][0] / scores.steps / BATCH,
        "latency": latency(predict, folder),
    }


def notebook(*, normalised: bool) -> Callable[[Path, int, float], dict[str, Any]]:
    """Returns a function that trains the reference notebook's network with plain Keras.

    Args:
      normalised: Whether the decoder has batch normalisation (see `notebook_network`).
    """

    def train(folder: Path, seed: int, seconds: float) -> dict[str, Any]:
        import keras
        import tensorflow as tf

        keras.utils.set_random_seed(seed)
        images = np.load(folder / "train_images.npy", mmap_mode="r")
        classes = 1 + int(np.load(folder / "train_masks.npy").max())
        network = notebook_network(images.shape[1:], classes, normalised=normalised)
        network.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
        infer = tf.function(lambda x: tf.argmax(network(x, training=False), -1))
        return _train_rival(
            lambda x, y, _: network.train_on_batch(x.astype(np.float32), y),
            lambda x: infer(tf.constant(x, tf.float32)),
            folder,
            seed,
            seconds,
        )

    return train


class _Smp:
    """A U-Net of segmentation-models-pytorch with the frozen encoder of unetfx."""

    def __init__(self, channels: tuple[int, ...], folder: Path, seed: int) -> None:
        import segmentation_models_pytorch as smp
        import torch

        self._torch = torch
        torch.manual_seed(seed)
        torch.set_num_threads(os.cpu_count() or 1)
        classes = 1 + int(np.load(folder / "train_masks.npy").max())
        network = smp.Unet(
            "vgg16", encoder_weights=None, decoder_channels=channels, classes=classes
        )
        convolutions = [m for m in network.encoder.modules() if isinstance(m, torch.nn.Conv2d)]
        with np.load(folder / "vgg16.npz") as file:
            weights = [torch.from_numpy(file[name]) for name in file.files]
        weights[0] = weights[0].flip(2)  # the weights are for BGR
        for number, convolution in enumerate(convolutions):
            kernel, bias = weights[2 * number : 2 * number + 2]
            convolution.weight.data = kernel.permute(3, 2, 0, 1).contiguous()
            convolution.bias.data = bias
        network.encoder.requires_grad_(requires_grad=False)
        self._network = network.to(memory_format=torch.channels_last)
        learning = [p for p in network.parameters() if p.requires_grad]
        self._optimizer = torch.optim.AdamW(learning, _RATE)
        self._dice = smp.losses.DiceLoss("multiclass")
        self._cross_entropy = torch.nn.CrossEntropyLoss()

    def step(self, images: _Pixels, masks: _Pixels, done: float) -> None:
        torch = self._torch
        for group in self._optimizer.param_groups:
            group["lr"] = _RATE * (1 + np.cos(np.pi * done)) / 2
        self._network.train()
        truth = torch.from_numpy(np.ascontiguousarray(masks)).long()
        with torch.autocast("cpu", torch.bfloat16):
            logits = self._network(self._input(images))
        logits = logits.float()
        loss = self._dice(logits, truth) + self._cross_entropy(logits, truth)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()

    def predict(self, images: _Pixels) -> Any:
        torch = self._torch
        self._network.eval()
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            return self._network(self._input(images)).argmax(1).numpy()

    def _input(self, images: _Pixels) -> Any:
        torch = self._torch
        pixels = torch.from_numpy(images.astype(np.float32)) - torch.tensor(_MEAN)
        tensor = pixels.permute(0, 3, 1, 2)
        return tensor.contiguous(memory_format=torch.channels_last)


def smp(folder: Path, seed: int, seconds: float) -> dict[str, Any]:
    """Trains a U-Net of segmentation-models-pytorch with its own decoder.

    Args:
      folder: Folder with the data of the race.
      seed: Seed of the weights and of the batches.
      seconds: Processor time.
    """
    side = _Smp((256, 128, 64, 32, 16), folder, seed)
    return _train_rival(side.step, side.predict, folder, seed, seconds)


def smp_step(folder: Path, seed: int, _: float) -> dict[str, Any]:
    """Times a training step of smp's U-Net with as many channels as unetfx has at width 1."""
    side = _Smp((512, 256, 128, 64, 64), folder, seed)
    batches = _batches(folder, seed)
    for number in range(UNTIMED + TIMED):
        if number == UNTIMED:
            began = time.process_time()
        side.step(*next(batches), 0)
    return {"step": (time.process_time() - began) / TIMED / BATCH}
