import json

import numpy as np
import pytest

from data.errors import MissingFileError
from data.examples.features import IMAGE_STATISTICS
from serving.model.description import count_parameters, model_weights


def test_classes_and_view_lie_beside_the_model(saved_model):
    description = json.loads((saved_model / "assets.extra/unetfx.json").read_text())
    assert description["classes"] == ["red", "green", "blue"]
    assert description["view"] == {"kind": "resize", "height": 16, "width": 24}
    assert description["image_statistics"] == list(IMAGE_STATISTICS)


def test_the_description_tells_a_crop(sliding_model):
    description = json.loads((sliding_model / "assets.extra/unetfx.json").read_text())
    assert description["view"] == {"kind": "crop", "height": 16, "width": 24}


def test_the_weights_can_be_read_by_name(network, saved_model):
    found = model_weights(str(saved_model))
    assert list(found) == [weight.path for weight in network.weights]
    for value, expected in zip(found.values(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)
    with pytest.raises(MissingFileError):
        model_weights(str(saved_model / "nowhere"))


def test_parameters_are_counted_without_loading(network, saved_model):
    assert count_parameters(str(saved_model)) == network.count_params()
