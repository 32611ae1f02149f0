import base64
import io

import numpy as np
from PIL import Image

from components.report.confusions import Confusion, confusion_picture, greatest_confusions


def test_the_greatest_confusions_come_first_without_what_is_right():
    matrix = [[90, 6, 4], [0, 50, 50], [0, 0, 7]]
    assert greatest_confusions(matrix) == [
        Confusion(1, 2, 50, 0.5),
        Confusion(0, 1, 6, 0.06),
        Confusion(0, 2, 4, 0.04),
    ]


def test_at_most_twenty_are_listed_and_none_of_a_perfect_model():
    assert len(greatest_confusions(np.full((150, 150), 3).tolist())) == 20
    assert greatest_confusions((9 * np.eye(150, dtype=int)).tolist()) == []


def test_a_picture_has_a_pixel_for_each_pair_of_classes():
    url = confusion_picture([[75, 25], [0, 0]])
    picture = Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,"))))
    pixels = np.asarray(picture)
    assert pixels[..., 3].tolist() == [[221, 128], [0, 0]]  # 255 √0.75 and 255 √0.25
    assert (pixels[0, 0, :3] == (0, 114, 178)).all()
    assert (pixels[0, 1, :3] == (200, 50, 40)).all()
