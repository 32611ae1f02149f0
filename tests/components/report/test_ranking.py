"""The choice of images; its memory must not grow with the number of images."""

import gc
import weakref

import numpy as np
import pytest

from components.evaluator.evaluated_images import EvaluatedImage
from components.evaluator.metrics import Counts, class_areas, iou, mean_of_defined
from components.report.ranking import COSTLIEST, choose

CLASSES = ["ground", "disc", "rim"]
MANY = 5000


def evaluated(key, confusion):
    confusion = np.asarray(confusion)
    none = np.zeros((len(confusion), 2), np.int64), np.zeros((15, 3))
    return EvaluatedImage(key, key, "s", [], Counts(1, confusion, *none), None)


def keys(chosen):
    return {title: [ranked.image.key for ranked in images] for title, images in chosen}


def test_a_cost_is_the_gain_of_the_metric_without_the_image():
    random = np.random.default_rng(0)
    images = [evaluated(str(number), random.integers(1, 99, (3, 3))) for number in range(9)]
    total = sum(image.candidate.confusion_matrix for image in images)
    ranked = [ranked for _, members in choose(lambda: images, CLASSES) for ranked in members]
    assert len(ranked) == 9
    for one in ranked:
        confusion = one.image.candidate.confusion_matrix
        others = sum(image.candidate.confusion_matrix for image in images if image is not one.image)
        assert one.costs.tolist() == pytest.approx(
            (iou(class_areas(others)) - iou(class_areas(total))).tolist()
        )
        gain = mean_of_defined(iou(class_areas(others))) - mean_of_defined(iou(class_areas(total)))
        assert one.cost == pytest.approx(gain)
        assert one.wrong == confusion.sum() - np.trace(confusion)
        assert one.share == one.wrong / confusion.sum()


def test_one_stray_pixel_does_not_make_an_image_the_worst():
    stray = evaluated("stray", [[99, 0, 1], [0, 0, 0], [0, 0, 0]])
    assert mean_of_defined(iou(class_areas(stray.candidate.confusion_matrix))) < 0.5
    images = [stray, evaluated("bad", [[60, 40, 0], [0, 50, 0], [0, 0, 0]])]
    images.append(evaluated("good", [[90, 0, 0], [0, 80, 0], [0, 9, 90]]))
    assert keys(choose(lambda: images, CLASSES))[COSTLIEST][0] == "bad"


def test_an_image_that_alone_has_a_class_costs_what_the_class_lacks():
    images = [
        evaluated("alone", [[50, 0, 0], [0, 20, 0], [30, 0, 0]]),
        evaluated("other", [[90, 0, 0], [0, 20, 0], [0, 0, 0]]),
    ]
    ranked = {one.image.key: one for _, some in choose(lambda: images, CLASSES) for one in some}
    assert ranked["alone"].costs[2] == 1
    assert ranked["other"].costs[2] == 0


def test_images_are_under_the_first_title_that_fits():
    # The classes have the same IoU, except rims, which are never wrong.
    images = [
        evaluated(f"{wrong:03d}", [[900 - wrong, wrong, 0], [wrong, 900 - wrong, 0], [0, 0, 9]])
        for wrong in range(0, 100)
    ]
    images.append(evaluated("large", [[10_000, 100, 0], [100, 10_000, 0], [0, 0, 9]]))
    images.append(evaluated("nothing labelled", np.zeros((3, 3), int)))
    found = keys(choose(lambda: reversed(images), CLASSES))
    assert found == {
        COSTLIEST: ["099", "098", "097", "096", "095", "094"],
        "Most wrong pixels": ["large"],
        "Median share of wrong pixels": ["049", "050", "048", "051", "047", "052"],
        "Smallest share of wrong pixels": ["000", "001", "002", "003", "004", "005"],
    }


def test_a_class_has_the_images_that_cost_it_most():
    images = [
        evaluated(f"disc {number}", [[1000, 900, 0], [0, 1000, 0], [0, 0, 0]])
        for number in range(6)
    ]
    images.append(evaluated("good", [[9000, 0, 0], [0, 9000, 0], [0, 0, 0]]))
    images += [
        evaluated(f"rim {number}", [[9, 0, 0], [0, 9, 0], [0, 3 + number, 900]])
        for number in range(9)
    ]
    found = keys(choose(lambda: images, CLASSES))
    assert found["Cost the IoU of rim most"] == ["rim 8", "rim 7", "rim 6"]


def test_an_image_may_be_the_only_one():
    only = evaluated("a", [[1, 1, 0], [0, 0, 0], [0, 0, 0]])
    assert keys(choose(lambda: [only], CLASSES)) == {COSTLIEST: ["a"]}
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
            yield evaluated(str(number), counts)

    chosen = choose(read, names)
    shown = sum(len(images) for _, images in chosen)
    assert shown <= 4 * 6 + max(60, classes)
    gc.collect()
    assert len(alive) == shown
    assert most <= 4 * 6 + max(60, classes) + 5


def test_of_many_classes_the_twenty_lowest_have_titles():
    classes = [f"class {number}" for number in range(150)]
    images = []
    for number in range(150):
        confusion = np.zeros((150, 150), np.int64)
        confusion[number, number], confusion[number, (number + 1) % 150] = 1000, number
        images.append(evaluated(str(number), confusion))
    titles = [title for title, _ in choose(lambda: images, classes)]
    of_classes = [title for title in titles if title.startswith("Cost the IoU of")]
    assert len(of_classes) <= 20
    assert "Cost the IoU of class 5 most" not in of_classes
    assert "Cost the IoU of class 140 most" in of_classes
