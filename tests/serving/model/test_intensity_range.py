"""16-bit images: training, the served model and the client convert them to the same pixels."""

import imagecodecs
import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image

from data.config import CropView, DataConfig, ResizeView
from data.rasters.images import encode_png, load_image
from pipeline.commands.predict import ModelChoice, run_predict
from pipeline.config.config import Config
from serving.model.description import model_intensity_range
from serving.model.export import export_saved_model
from serving.model.loading import ServedModel

CLASSES = ["red", "green", "blue"]
RANGE = (100, 4095)
DATA = DataConfig.model_validate(
    {
        "source": {"kind": "folder", "path": "x"},
        "classes": CLASSES,
        "intensity_range": RANGE,
    }
)
SAMPLES = np.random.default_rng(0).integers(0, 4096, (16, 24, 3), np.uint16)
PNG = imagecodecs.png_encode(SAMPLES)
VIEWS = {"resize": ResizeView(kind="resize", height=16, width=24), "crop": CropView(kind="crop")}


@pytest.fixture(scope="module", params=VIEWS)
def path(request, network, tmp_path_factory):
    path = tmp_path_factory.mktemp("serving") / "1"
    export_saved_model(
        network, str(path), classes=CLASSES, view=VIEWS[request.param], intensity_range=RANGE
    )
    return path


def answer(path, content):
    signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    return {name: value.numpy() for name, value in signature(tf.constant([content])).items()}


def test_16_bit_files_are_answered_as_their_stored_8_bit_copies(path):
    stored = load_image(PNG, "x", DATA).encoded
    assert stored != PNG
    deep, shallow = answer(path, PNG), answer(path, stored)
    for name in shallow:
        np.testing.assert_array_equal(deep[name], shallow[name], name)
    upper_bits = answer(path, encode_png(SAMPLES >> 8))
    assert upper_bits["mask_png_bytes"] != deep["mask_png_bytes"]


def test_the_range_is_written_down(path, saved_model):
    assert model_intensity_range(str(path)) == RANGE
    assert model_intensity_range(str(saved_model)) is None


def test_a_client_applies_the_models_range_once_whatever_the_config_says(path, tmp_path):
    tifffile.imwrite(tmp_path / "tiff.tif", SAMPLES, photometric="rgb")
    (tmp_path / "png.png").write_bytes(PNG)
    config = Config(
        name="deep",
        workspace=str(tmp_path / "runs"),
        data=DATA.model_copy(update={"intensity_range": None}),
        gate={"mean_iou": 0.5},
        serving={"push_to": str(path.parent)},
    )
    files = [str(tmp_path / "tiff.tif"), str(tmp_path / "png.png")]
    assert run_predict(config, files, tmp_path / "out", ModelChoice()) == 0
    mapped = np.round((SAMPLES.clip(*RANGE) - 100.0) * 255 / 3995).astype(np.uint8)
    (expected,) = ServedModel(str(path)).predict([encode_png(mapped)])
    for name in ("tiff", "png"):
        with Image.open(tmp_path / f"out/{name}_mask.png") as mask:
            np.testing.assert_array_equal(np.asarray(mask), expected.class_ids)
