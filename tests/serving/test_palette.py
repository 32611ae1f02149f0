import itertools

import numpy as np
import pytest

from data.config import IGNORE
from serving.palette import class_marks, colour, colour_table, css_colour, pattern

OKABE_ITO = ["#0072b2", "#e69f00", "#cc79a7", "#009e73", "#d55e00", "#56b4e9", "#f0e442"]


def test_the_first_colours_are_those_of_okabe_and_ito():
    assert [css_colour(class_id) for class_id in range(7)] == OKABE_ITO


def test_all_classes_and_ignored_pixels_have_different_colours():
    colours = [colour(class_id) for class_id in range(IGNORE + 1)]
    assert len(set(colours)) == IGNORE + 1
    assert colour(IGNORE) == (128, 128, 128)
    assert colour_table().tolist() == [list(each) for each in colours]


def test_colours_are_the_same_in_every_version():
    """Masks and reports of different versions are compared with each other."""
    assert [colour(class_id) for class_id in (7, 19, 149)] == [
        (135, 0, 105),
        (135, 195, 135),
        (105, 60, 0),
    ]


@pytest.mark.parametrize(("classes", "least"), [(20, 60), (150, 19)])
def test_colours_differ_visibly(classes, least):
    colours = np.array([colour(class_id) for class_id in range(classes)], float)
    distances = [np.linalg.norm(a - b) for a, b in itertools.combinations(colours, 2)]
    assert min(distances) > least


def test_marks_have_name_colour_and_pattern():
    assert class_marks(["a b", "c"])[1] == {"name": "c", "tone": "#e69f00", "pattern": 1}
    assert [pattern(class_id) for class_id in range(5)] == [0, 1, 2, 3, 0]
