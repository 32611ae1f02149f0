"""Measures the mean IoU per labelled image, by the way of choosing the images to label.

    python -m benchmarks.next_labels [--draws 10] [--steps 120]

In each draw, four random images of the training part are labelled first. Then 4 and 8 more images
are chosen among all others: at random, or by uncertainty and distance as `unetfx predict --rank`
does (`components.labels.next_images`). Each time, a decoder is trained anew on the features of the
frozen encoder, with the same seed for both ways. The mean IoU is that of the testing part, whose
groups are others. The output has the mean over the draws, and the difference to the random choice
in the same draw with its standard error. The data sets are two of `benchmarks.data_sets`; the third
has too few images.
"""

import argparse
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import pipeline  # noqa: F401, first: it sets environment variables for TensorFlow
from benchmarks.data_sets import Pair, data_sets, number_of_classes
from benchmarks.frozen_encoder import Decoder, Features, encode, train_decoder
from components.evaluator.metrics import class_areas, iou, mean_of_defined
from components.labels.image_features import features_of
from components.labels.next_images import choose_next

_TITLES = ("Blue Marble", "ICBM 152")
_SIZES = (4, 8, 16)  # numbers of labelled images


class _Images(NamedTuple):
    """Images with their features and masks.

    Attributes:
      features: Features of all pixels, for the decoder.
      means: Features of the whole images, for the distances, float32 [images, D].
      masks: Class ids, uint8 [height, width] each.
    """

    features: list[Features]
    means: npt.NDArray[np.float32]
    masks: list[npt.NDArray[np.uint8]]


def main() -> None:
    """Prints the mean IoU of each way of choosing at each number of labelled images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--steps", type=int, default=120)
    arguments = parser.parse_args()
    for title, (train, test) in data_sets():
        if title in _TITLES:
            print(f"\n{title}: {len(train)} images to choose from, {len(test)} for testing")
            classes = number_of_classes([*train, *test])
            pool, held_out = _images(train), _images(test)
            _print(
                [
                    measure(pool, held_out, classes, draw, arguments.steps)
                    for draw in range(arguments.draws)
                ]
            )


def _images(pairs: Sequence[Pair]) -> _Images:
    features = encode(pair.image for pair in pairs)
    means = [features_of([skips[-1][np.newaxis]])[0].numpy() for skips in features]
    return _Images(features, np.stack(means), [pair.class_ids for pair in pairs])


def measure(
    pool: _Images, test: _Images, classes: int, draw: int, steps: int
) -> dict[str, list[float]]:
    """Returns the mean IoUs of one draw, for each number of labelled images, by way of choosing."""

    def train(labelled: Sequence[int]) -> Decoder:
        some = [pool.features[i] for i in labelled], [pool.masks[i] for i in labelled]
        return train_decoder(*some, classes, steps, seed=draw)

    random = np.random.default_rng(draw)
    first = random.permutation(len(pool.masks))[: _SIZES[0]].tolist()
    decoder = train(first)
    start = _mean_iou(decoder, test, classes)
    result = {}
    for way in ("random", "rank"):
        labelled, current, result[way] = [*first], decoder, [start]
        for size, more in itertools.pairwise(_SIZES):
            others = np.setdiff1d(np.arange(len(pool.masks)), labelled)
            if way == "random":
                labelled += random.choice(others, more - size, replace=False).tolist()
            else:
                labelled += _ranked(pool, others, labelled, more - size, current)
            current = train(labelled)
            result[way].append(_mean_iou(current, test, classes))
    return result


def _ranked(
    pool: _Images,
    others: npt.NDArray[np.int64],
    labelled: Sequence[int],
    count: int,
    decoder: Decoder,
) -> list[int]:
    """Chooses images of which the decoder is unsure, and which differ from the labelled ones."""
    confidences = []
    for i in others:
        height, width = pool.masks[i].shape
        confidences.append(decoder(pool.features[i])[:height, :width].max(-1).mean())
    uncertainty = 1 - np.array(confidences, float)
    chosen = choose_next(uncertainty, pool.means[others], pool.means[list(labelled)], count)
    return [int(others[image.number]) for image in chosen]


def _mean_iou(decoder: Decoder, test: _Images, classes: int) -> float:
    confusion = np.zeros((classes, classes), np.int64)
    for skips, class_ids in zip(test.features, test.masks, strict=True):
        height, width = class_ids.shape
        predicted = decoder(skips)[:height, :width].argmax(-1)
        np.add.at(confusion, (class_ids, predicted), 1)
    return float(mean_of_defined(iou(class_areas(confusion))))


def _print(draws: Sequence[dict[str, list[float]]]) -> None:
    print(f"{'labelled images':18}" + "".join(f"{size:<20}" for size in _SIZES))
    at_random = np.array([draw["random"] for draw in draws])
    for way in draws[0]:
        values = np.array([draw[way] for draw in draws])
        cells = [f"{mean:.3f}" for mean in values.mean(0)]
        if way != "random":
            more = values - at_random
            errors = more.std(0, ddof=1) / len(draws) ** 0.5
            cells[1:] = [
                f"{cell} ({gain:+.3f} ±{error:.3f})"
                for cell, gain, error in zip(cells[1:], more.mean(0)[1:], errors[1:], strict=True)
            ]
        print(f"{way:18}" + "".join(f"{cell:22}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
