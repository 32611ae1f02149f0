"""Measures the mean IoU per labelled image, by the way of choosing the images to label.

    python -m benchmarks.next_labels [--draws 8]

In each draw, four random images of the training part are labelled first. Then 4, 8 and 8 more
images are chosen among all others: at random, by the uncertainty of the model alone, by the
distance alone, or by both as `unetfx predict --rank` does (`components.labels.next_images`). Each
time, a model is trained anew. Instead of a decoder, it is a linear classifier of pixels on all
features of the frozen encoder (hypercolumns), so that hundreds of trainings take minutes. The mean
IoU is that of random pixels of the testing part, whose groups are others. The output has the mean
over the draws, and the difference to the random choice in the same draw with its standard error.
The data sets are two of `benchmarks.data_sets`; the third has too few images.
"""

import argparse
import itertools
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

import pipeline  # noqa: F401, first: it sets environment variables for TensorFlow
from benchmarks.data_sets import Pair, data_sets, number_of_classes
from benchmarks.frozen_features import frozen_features
from components.evaluator.metrics import class_areas, iou, mean_of_defined
from components.labels.image_features import features_of
from components.labels.next_images import Features, choose_next

_TITLES = ("Blue Marble", "ICBM 152")
_SIZES = (4, 8, 16, 24)  # numbers of labelled images
_PIXELS, _LEARNT = 400, 150  # of an image: for predictions, and of these for training
_METHODS = ("random", "uncertainty", "distance", "rank")


class _Images(NamedTuple):
    """Random pixels of some images.

    Attributes:
      pixels: Features of all levels at the pixels, float32 [images, pixels, channels].
      class_ids: Classes of the pixels, [images, pixels].
      features: Features of the whole images.
    """

    pixels: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.uint8]
    features: Features


def main() -> None:
    """Prints the mean IoU of each method at each number of labelled images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=8)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # a few steps are enough here
    for title, (train, test) in data_sets():
        if title in _TITLES:
            print(f"\n{title}: {len(train)} images to choose from, {len(test)} for testing")
            classes = number_of_classes([*train, *test])
            _print(measure(encode(train), encode(test), classes, arguments.draws))


def encode(pairs: Sequence[Pair]) -> _Images:
    """Computes the features of images, and of random pixels of each."""
    random = np.random.default_rng(0)
    rows = []
    all_skips = frozen_features((pair.image for pair in pairs), "bfloat16")
    for (_, class_ids), skips in zip(pairs, all_skips, strict=True):
        height, width = class_ids.shape
        y, x = random.integers(height, size=_PIXELS), random.integers(width, size=_PIXELS)
        levels = [
            tf.cast(skip[0], tf.float32).numpy()[y >> level, x >> level]
            for level, skip in enumerate(skips)
        ]
        # After the root, no few channels with large values decide alone.
        pixels = np.concatenate([np.sqrt(level / level.mean()) for level in levels], -1)
        rows.append((pixels, class_ids[y, x], features_of(skips)[0].numpy()))
    return _Images(*map(np.stack, zip(*rows, strict=True)))


def measure(pool: _Images, test: _Images, classes: int, draws: int) -> npt.NDArray[np.float64]:
    """Returns the mean IoU, [method, draw, number of labelled images]."""
    result = np.zeros((len(_METHODS), draws, len(_SIZES)))
    for draw in range(draws):
        first = np.random.default_rng(draw).permutation(len(pool.pixels))[: _SIZES[0]].tolist()
        model = _train(pool, first)
        start = _mean_iou(model, test, classes)
        for method, name in enumerate(_METHODS):
            labelled, current, random = [*first], model, np.random.default_rng((draw, method))
            result[method, draw, 0] = start
            for step, (size, more) in enumerate(itertools.pairwise(_SIZES), 1):
                labelled += _choose(name, pool, labelled, more - size, current, random)
                current = _train(pool, labelled)
                result[method, draw, step] = _mean_iou(current, test, classes)
    return result


def _choose(
    method: str,
    pool: _Images,
    labelled: Sequence[int],
    count: int,
    model: LogisticRegression,
    random: np.random.Generator,
) -> list[int]:
    others = np.setdiff1d(np.arange(len(pool.pixels)), labelled)
    if method == "random":
        return random.choice(others, count, replace=False).tolist()
    uncertainty = np.ones(len(others))
    if method != "distance":
        probabilities = model.predict_proba(_flat(pool.pixels[others]))
        uncertainty = 1 - probabilities.max(-1).reshape(len(others), -1).mean(-1)
    if method == "uncertainty":
        return others[np.argsort(-uncertainty)[:count]].tolist()
    features = pool.features
    chosen = choose_next(uncertainty, features[others], features[list(labelled)], count)
    return [int(others[image.number]) for image in chosen]


def _train(pool: _Images, labelled: Sequence[int]) -> LogisticRegression:
    chosen = list(labelled)
    model = LogisticRegression(C=0.01, max_iter=40, class_weight="balanced")
    return model.fit(_flat(pool.pixels[chosen, :_LEARNT]), pool.class_ids[chosen, :_LEARNT].ravel())


def _mean_iou(model: LogisticRegression, test: _Images, classes: int) -> float:
    predicted = model.predict(_flat(test.pixels)).astype(np.int64)
    cells = classes * test.class_ids.ravel().astype(np.int64) + predicted
    confusion = np.bincount(cells, minlength=classes**2).reshape(classes, classes)
    return float(mean_of_defined(iou(class_areas(confusion))))


def _flat(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return pixels.reshape(-1, pixels.shape[-1])


def _print(mean_iou: npt.NDArray[np.float64]) -> None:
    print(f"{'labelled images':18}" + "".join(f"{size:18}" for size in _SIZES))
    for method, values in zip(_METHODS, mean_iou, strict=True):
        gain = values - mean_iou[0]
        error = gain.std(0, ddof=1) / len(gain) ** 0.5
        cells = [f"{m:.3f}" for m in values.mean(0)]
        if method != "random":
            cells[1:] = [
                f"{cell} {g:+.3f} ±{e:.3f}"
                for cell, g, e in zip(cells[1:], gain.mean(0)[1:], error[1:], strict=True)
            ]
        print(f"{method:18}" + "".join(f"{cell:>20}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
