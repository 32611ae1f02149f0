"""The gallery; its memory must not grow with the number of images."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from components.evaluator.evaluated_images import EvaluatedImage
from components.evaluator.metrics import Counts
from components.report.gallery import choose, draw
from data.examples.pair_statistics import PairStatistics
from data.examples.reading import ReadPair
from data.examples.records import Record
from data.examples.writing import make_example
from data.listing.pair import Pair
from data.rasters.images import encode_png

CLASSES = ["ground", "disc", "rim"]
MANY = 5000


def evaluated(key, right, wrong, *, class_id=0, baseline=None):
    counts = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    counts[class_id, class_id] = right
    counts[class_id, (class_id + 1) % len(CLASSES)] = wrong
    return EvaluatedImage(key, key, "s", [], with_none(counts), baseline and with_none(baseline))


def with_none(confusion):
    return Counts(1, np.asarray(confusion), np.zeros((3, 2), np.int64), np.zeros((15, 3)))


def example(key, size=(8, 6)):
    pair = Pair(key, "", "", key, "s", 0, "test")
    facts = PairStatistics("", "", *size, (0.0, 0.0, 0.0), 0.0, (1.0, 0.0, 0.0), 1.0, False, None)
    image, mask = np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint8)
    read = ReadPair(Record(pair, facts, None, ()), encode_png(image), encode_png(mask))
    return tf.train.Example.FromString(make_example(read, CLASSES).SerializeToString())


def keys(chosen):
    return {title: [image.key for image in images] for title, images in chosen}


def test_the_worst_the_median_and_the_best_and_each_class_s_worst():
    images = [evaluated(f"{score:03d}", score, 100 - score) for score in range(1, 100)]
    images.append(evaluated("disc", 98, 2, class_id=1))
    images.append(evaluated("nothing labelled", 0, 0))
    assert keys(choose(lambda: reversed(images), CLASSES)) == {
        "Worst": [f"{score:03d}" for score in range(1, 7)],
        "Worst of disc": ["disc"],
        "Median": [f"{score:03d}" for score in range(48, 54)],
        "Best": ["099", "098", "097", "096", "095"],
    }


def test_an_image_may_be_the_only_one():
    assert keys(choose(lambda: [evaluated("a", 1, 1)], CLASSES)) == {"Worst": ["a"]}
    assert choose(lambda: [], CLASSES) == []


@pytest.mark.parametrize("classes", [3, 100])
def test_thousands_of_images_are_read_one_by_one_and_few_are_shown(classes):
    names = [f"class {number}" for number in range(classes)]
    alive, most = set(), 0

    def read():
        nonlocal most
        random = np.random.default_rng(0)
        for number in range(MANY):
            counts = np.zeros((classes, classes), np.int64)
            present = random.choice(classes, 3, replace=False)
            counts[np.ix_(present, present)] = random.integers(1, 99, (3, 3))
            alive.add(id(counts))
            weakref.finalize(counts, alive.discard, id(counts))
            most = max(most, len(alive))
            yield EvaluatedImage(str(number), "", "", [], with_none(counts), None)

    chosen = choose(read, names)
    shown = sum(len(images) for _, images in chosen)
    assert shown <= 3 * 6 + max(60, classes)
    gc.collect()
    assert len(alive) == shown
    assert most <= shown + 5


def test_pictures_are_of_the_chosen_images_and_no_more_is_read_than_needed():
    baseline = [[1, 1, 0], [0, 0, 0], [0, 0, 0]]
    chosen = [
        ("Worst", [evaluated("7", 1, 3, baseline=baseline)]),
        ("Best", [evaluated("2", 3, 1), evaluated("4", 4, 0)]),
    ]
    read, saved = [], {}

    def examples():
        for number in range(MANY):
            read.append(number)
            yield example(str(number), (1200, 600) if number == 4 else (8, 6))

    groups = draw(chosen, examples(), predict, saved.__setitem__)
    assert read == list(range(8))
    assert [(group.title, [card.key for card in group.cards]) for group in groups] == [
        ("Worst", ["7"]),
        ("Best", ["2", "4"]),
    ]
    (worst,), (_, large) = (group.cards for group in groups)
    assert (worst.mean, worst.before) == (0.125, 0.25)
    assert worst.ious == [0.25, 0.0, None]
    assert worst.present == [0, 1]
    assert (large.width, large.height) == (256, 512)
    layers = ("image.jpg", "truth.png", "prediction.png", "prediction_errors.png")
    assert set(saved) == {
        f"{card.folder}/{name}" for group in groups for card in group.cards for name in layers
    }
    assert {saved[f"{large.folder}/{name}"].size for name in layers} == {(256, 512)}


def predict(encoded):
    return tf.io.decode_image(encoded).numpy()[..., 0]
