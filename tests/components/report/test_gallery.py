import numpy as np
import tensorflow as tf

from components.evaluator.evaluated_images import EvaluatedImage
from components.evaluator.metrics import Counts
from components.report.gallery import draw
from components.report.ranking import RankedImage
from data.examples.pair_statistics import PairStatistics
from data.examples.reading import ReadPair
from data.examples.records import Record
from data.examples.writing import make_example
from data.listing.pair import Pair
from data.rasters.images import encode_png

CLASSES = ["ground", "disc", "rim"]
MANY = 5000


def ranked(key, right, wrong, *, baseline=None):
    counts = np.array([[right, wrong, 0], [0, 0, 0], [0, 0, 0]])
    none = np.zeros((3, 2), np.int64), np.zeros((15, 3))
    before = None if baseline is None else Counts(1, baseline, *none)
    image = EvaluatedImage(key, key, "s", [], Counts(1, counts, *none), before)
    return RankedImage(image, np.array([0.25, -0.05, np.nan]), wrong, right + wrong)


def example(key, size=(8, 6)):
    pair = Pair(key, "", "", key, "s", 0, "test")
    facts = PairStatistics("", "", *size, (0.0, 0.0, 0.0), 0.0, (1.0, 0.0, 0.0), 1.0, None)
    image, mask = np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint8)
    read = ReadPair(Record(pair, facts, None, ()), encode_png(image), encode_png(mask))
    return tf.train.Example.FromString(make_example(read, CLASSES).SerializeToString())


def test_pictures_are_of_the_chosen_images_and_no_more_is_read_than_needed():
    baseline = np.array([[1, 1, 0], [0, 0, 0], [0, 0, 0]])
    chosen = [
        ("Worst", [ranked("7", 1, 3, baseline=baseline)]),
        ("Best", [ranked("2", 3, 1), ranked("4", 4, 0)]),
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
    assert (worst.cost, worst.costs) == (0.1, [0.25, -0.05, None])
    assert (worst.wrong, worst.share) == (3, 0.75)
    assert (large.width, large.height) == (256, 512)
    layers = ("image.jpg", "truth.png", "prediction.png", "prediction_errors.png")
    assert {card.error for group in groups for card in group.cards} == {None}
    assert set(saved) == {
        f"{card.folder}/{name}" for group in groups for card in group.cards for name in layers
    }
    assert {saved[f"{large.folder}/{name}"].size for name in layers} == {(256, 512)}


def predict(encoded):
    return tf.io.decode_image(encoded).numpy()[..., 0]


def test_the_largest_error_is_drawn_at_full_resolution():
    saved = {}

    def wrong(encoded):
        class_ids = predict(encoded).copy()
        class_ids[700:740, 100:150] = 2
        class_ids[5, 5] = 1
        return class_ids

    examples = [example("4", (1200, 600))]
    [group] = draw([("Worst", [ranked("4", 3, 1)])], examples, wrong, saved.__setitem__)
    (card,) = group.cards
    error = card.error
    assert (error.pixels, error.truth, error.predicted) == (40 * 50, 0, 2)
    assert error.folder == f"{card.folder}/error"
    assert (error.width, error.height) == (75, 75)
    pictures = {name.rpartition("/")[2]: saved[name] for name in saved if "/error/" in name}
    assert {picture.size for picture in pictures.values()} == {(75, 75)}
    marked = np.asarray(pictures["prediction_errors.png"])[..., 3] > 0
    assert marked.sum() == 40 * 50
