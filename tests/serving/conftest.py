import keras
import numpy as np
import pytest

from data.config import CropView, ResizeView
from serving.graph import export_saved_model

CLASSES = ["red", "green", "blue"]
VIEW = ResizeView(kind="resize", height=16, width=24)
CROP = CropView(kind="crop", height=16, width=24)


@pytest.fixture(scope="session")
def network():
    """One 1×1 convolution: the logits of the three classes are red, green and blue, over 20."""
    images = keras.Input((None, None, 3))
    convolution = keras.layers.Conv2D(3, 1)
    network = keras.Model(images, convolution(images))
    convolution.set_weights([np.eye(3).reshape(1, 1, 3, 3) / 20, np.zeros(3)])
    return network


@pytest.fixture(scope="session")
def saved_model(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("serving") / "7"
    export_saved_model(network, str(path), classes=CLASSES, view=VIEW)
    return path


@pytest.fixture(scope="session")
def sliding_model(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("serving") / "8"
    export_saved_model(network, str(path), classes=CLASSES, view=CROP)
    return path
