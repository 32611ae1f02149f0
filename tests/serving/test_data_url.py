import base64
import io

import numpy as np
from PIL import Image

from serving.data_url import class_ids_url, picture_url


def opened(url):
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def test_a_picture_is_in_the_url():
    picture = Image.new("RGB", (3, 2), (1, 2, 3))
    assert np.asarray(opened(picture_url(picture))).tolist() == [[[1, 2, 3]] * 3] * 2
    assert opened(picture_url(picture, "JPEG")).format == "JPEG"


def test_class_ids_stay_class_ids_when_they_shrink():
    class_ids = np.repeat(np.array([[7, 149]], np.uint8), 200, axis=1).repeat(100, axis=0)
    small = np.asarray(opened(class_ids_url(class_ids)))
    assert small.shape == (24, 96)
    assert set(small.ravel()) == {7, 149}
    assert (small[:, :48] == 7).all()
