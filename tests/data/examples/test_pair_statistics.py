import numpy as np
import pytest

from data.examples.pair_statistics import pair_statistics
from data.rasters.images import LoadedImage
from data.rasters.masks import LoadedMask


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (80_000, 2), (2, 80_000)])
def test_brightness_is_exact_for_images_of_any_shape(shape):
    pixels = np.random.default_rng(1).integers(240, 256, (*shape, 3), np.uint8)
    mask = LoadedMask(np.zeros(shape, np.uint8), (0,), b"", np.bincount([0], minlength=256))
    found = pair_statistics(LoadedImage(b"", pixels, None, False), mask, num_classes=1)
    values = pixels.astype(np.int64)
    assert found.means == tuple((values.sum(axis=(0, 1)) / values[..., 0].size).tolist())
    assert found.std == pytest.approx(values.std(), rel=1e-9, abs=1e-9)
