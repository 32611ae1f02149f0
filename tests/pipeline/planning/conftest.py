import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def write_pair(tmp_path):
    """Writes an image and a mask with the given values, in stripes, to paths below a folder."""

    def write_pair(image, mask, values=(0, 1), size=(64, 96)):
        for path in (image, mask):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(len(image)).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / image)
        stripes = np.resize(np.array(values, np.uint8), (size[0], size[1], *np.shape(values)[1:]))
        if np.ndim(values) > 1:
            stripes = np.array(values, np.uint8)[np.arange(size[1]) % len(values)]
            stripes = np.broadcast_to(stripes, (*size, 3))
        Image.fromarray(np.ascontiguousarray(stripes)).save(tmp_path / mask)

    return write_pair
