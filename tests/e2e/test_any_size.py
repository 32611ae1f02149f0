"""Images of extreme sizes and shapes, from the files to training, evaluation and serving."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.trainer.config import ModelConfig
from components.trainer.network.network import build_network
from components.trainer.training.losses import SegmentationLoss
from data.config import Augmentation, CropView, DataConfig, ResizeView
from data.examples.reading import read_pair
from data.examples.writing import make_example
from data.input_pipeline.dataset import read_batches, read_training_batches
from data.listing.pairs import find_pairs
from serving.model.export import export_saved_model

pytestmark = pytest.mark.slow
CLASSES = ["dark", "bright"]
SMALL = [(1, 1), (1, 700), (501, 2), (31, 33), (64, 64), (97, 200)]
SIZES = [*SMALL, (3000, 4000)]  # height, width
VIEWS = {
    "resize": ResizeView(kind="resize", height=64, width=64),
    "crop": CropView(kind="crop", height=64, width=64),
}


@pytest.fixture(scope="module")
def network():
    return build_network(ModelConfig(weights="hed-bsds500", width=0.02), len(CLASSES))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """TFRecord files as ExampleGen writes them: one for each size, with one pair."""
    folder = tmp_path_factory.mktemp("sizes")
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for height, width in SIZES:
        bright = (np.indices((height, width)).sum(axis=0) % 50 < 20).astype(np.uint8)
        name = f"{height:04d}x{width:04d}.png"
        Image.fromarray(bright * np.uint8(200)).save(folder / "images" / name)
        Image.fromarray(bright).save(folder / "masks" / name)
    data = DataConfig.model_validate(
        {"source": {"kind": "folder", "path": str(folder)}, "classes": CLASSES}
    )
    files = {}
    for pair in find_pairs(data, name="sizes", folder="").pairs:
        files[tuple(map(int, pair.key.split("x")))] = str(folder / f"{pair.key}.gz")
        with tf.io.TFRecordWriter(str(folder / f"{pair.key}.gz"), "GZIP") as writer:
            writer.write(make_example(read_pair(pair, data), CLASSES).SerializeToString())
    return files


@pytest.fixture(scope="module")
def models(network, tmp_path_factory):
    signatures = {}
    for name, view in VIEWS.items():
        path = str(tmp_path_factory.mktemp(name))
        export_saved_model(network, path, classes=CLASSES, view=view)
        signatures[name] = tf.saved_model.load(path).signatures
    return signatures


def sizes_of(view):
    # Sliding windows take minutes on the largest image and test nothing that smaller ones do not.
    return SIZES if view == "resize" else SMALL


CASES = [(view, size) for view in VIEWS for size in sizes_of(view)]


@pytest.mark.parametrize("view", VIEWS)
def test_training_has_a_finite_loss(network, files, view):
    batches = read_training_batches(
        list(files.values()),
        VIEWS[view],
        3,
        seed=1,
        augmentation=Augmentation(flip="both", rotation=20, scale=0.2),
        class_aware_crops=0.5,
    )
    network.compile("adam", SegmentationLoss({"cross_entropy": 1, "dice": 1}, [1, 1]))
    history = network.fit(batches, shuffle=False, verbose=0).history
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize(("view", "size"), CASES, ids=str)
def test_validation_batches_have_every_labelled_pixel(files, view, size):
    masks = np.concatenate([mask for _, mask in read_batches([files[size]], VIEWS[view], 8)])
    labelled = int((masks != 255).sum())
    assert labelled == (64 * 64 if view == "resize" else size[0] * size[1])


@pytest.mark.parametrize(("view", "size"), CASES, ids=str)
def test_served_masks_have_the_size_of_the_image_and_evaluation_counts_their_pixels(
    models, files, view, size
):
    (serialized,) = tf.data.TFRecordDataset(files[size], "GZIP").as_numpy_iterator()
    features = tf.train.Example.FromString(serialized).features.feature
    (image,) = features["image/encoded"].bytes_list.value
    (truth,) = features["mask/encoded"].bytes_list.value
    result = models[view]["serving_default"](image_bytes=tf.constant([image]))
    mask = np.asarray(Image.open(io.BytesIO(result["mask_png_bytes"].numpy()[0])))
    assert mask.shape == size
    counts = models[view]["evaluation"](examples=tf.constant([serialized]))["confusion_matrix"]
    truth = np.asarray(Image.open(io.BytesIO(truth)))
    expected = [[np.sum((truth == t) & (mask == p)) for p in range(2)] for t in range(2)]
    np.testing.assert_array_equal(counts[0], expected)
