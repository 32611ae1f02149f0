import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tfx import v1 as tfx

from components.trainer import run
from components.trainer.config import ModelConfig, TrainerSettings, TrainingConfig
from components.trainer.inputs import read_batches
from data.config import ResizeView
from data.examples import make_example
from data.images import encode_png, load_image
from data.pairs import Pair

CLASSES = ["dark", "bright", "never"]
VIEW = ResizeView(height=16, width=16)


def write_examples(path, count, seed, *, inverted=False):
    random = np.random.default_rng(seed)
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for number in range(count):
            class_ids = random.integers(0, 2, (16, 16), np.uint8)
            pixels = np.repeat((class_ids * 200)[..., np.newaxis], 3, -1).astype(np.uint8)
            class_ids = 1 - class_ids if inverted else class_ids
            class_ids[:2] = 255
            image = load_image(encode_png(Image.fromarray(pixels)), "x")
            pair = Pair(str(number), str(number), "", "")
            example = make_example(pair, image, class_ids, source="x", classes=CLASSES)
            writer.write(example.SerializeToString())
    return [str(path)]


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Runs the Trainer with a network of one convolution, and returns the network."""
    networks, first_weights = [], []

    def one_convolution(config, num_classes):
        images = keras.Input((None, None, 3))
        scaled = keras.layers.Rescaling(1 / 255)(images)
        networks.append(keras.Model(images, keras.layers.Conv2D(num_classes, 1)(scaled)))
        if first_weights:
            networks[-1].set_weights(first_weights)
        return networks[-1]

    monkeypatch.setattr(run, "build_network", one_convolution)

    def train(name="one", *, weights=(), inverted_val=False, **training):
        first_weights[:] = weights
        settings = TrainerSettings(
            classes=CLASSES,
            view=VIEW,
            model=ModelConfig(weights="none"),
            training=TrainingConfig(**{"precision": "float32", "batch_size": 4} | training),
            code="1",
        )
        run.run_fn(
            tfx.components.FnArgs(
                train_files=write_examples(tmp_path / "train.gz", 8, seed=1),
                eval_files=write_examples(tmp_path / "val.gz", 4, seed=2, inverted=inverted_val),
                serving_model_dir=str(tmp_path / name / "model"),
                model_run_dir=str(tmp_path / name / "logs"),
                custom_config={run.SETTINGS: settings.model_dump_json()},
            )
        )
        return networks[-1]

    return train


def test_it_learns_exports_and_logs(train, tmp_path, capsys):
    network = train(epochs=8, patience=8, learning_rate=0.3)
    scores = network(np.full((1, 1, 1, 3), 200.0)).numpy()[0, 0, 0]
    assert scores.argmax() == 1
    assert (tmp_path / "one/model/saved_model.pb").is_file()
    assert list((tmp_path / "one/logs").rglob("events.out.tfevents.*"))
    served = tf.saved_model.load(str(tmp_path / "one/model")).signatures["probabilities"]
    probabilities = served(images=tf.fill([1, 2, 3, 3], tf.constant(200, tf.uint8)))
    expected = tf.nn.softmax(scores).numpy()
    np.testing.assert_allclose(probabilities["probabilities"][0, 1, 2], expected, atol=1e-4)
    progress = capsys.readouterr().out.split("\n")
    assert any("8/8" in line and "val mean IoU 1.000" in line for line in progress)


def test_ignored_pixels_weigh_nothing_in_the_loss(train):
    loss = train(epochs=1).loss
    truth = np.array([[[0, 1, 255], [2, 255, 255]]])
    logits = np.zeros((1, 2, 3, 3), np.float32)
    logits[0, 0, 0] = [math.log(2), 0, 0]  # probability 1/2 of the truth
    logits[0, 0, 1] = [0, math.log(6), 0]  # 3/4
    # The third labelled pixel has 1/3: the mean is -log(1/2 · 3/4 · 1/3) / 3 = log(8) / 3.
    assert float(loss(truth, logits)) == pytest.approx(math.log(8) / 3, rel=1e-5)
    logits[0, 0, 2] = [50, -50, 0]
    logits[0, 1, 1:] = [-50, 50, 0]
    assert float(loss(truth, logits)) == pytest.approx(math.log(8) / 3, rel=1e-5)


def test_one_seed_gives_one_model_and_another_seed_another(train):
    one, two, other = (
        train(name, epochs=2, seed=seed).get_weights()
        for name, seed in (("one", 1), ("two", 1), ("other", 2))
    )
    for left, right in zip(one, two, strict=True):
        np.testing.assert_array_equal(left, right)
    assert any((left != right).any() for left, right in zip(one, other, strict=True))


def test_a_loss_that_is_no_number_stops_the_training_and_nothing_is_exported(train, tmp_path):
    with pytest.raises(RuntimeError, match="NaN"):
        train(epochs=3, learning_rate=1e38)
    assert not (tmp_path / "one/model").exists()


def test_the_best_epoch_is_kept(train, tmp_path):
    # It begins with the opposite of what it is taught, and `val` asks for the opposite.
    kernel = np.array([1, -1, -9], np.float32) * np.ones((1, 1, 3, 1), np.float32)
    weights = [kernel, np.array([-0.75, 0.75, -9], np.float32)]
    network = train(weights=weights, inverted_val=True, epochs=30, patience=3, learning_rate=0.2)
    scores = network.history.history["val_mean_iou"]
    assert scores[0] == 1
    assert scores[-1] < 0.5
    assert len(scores) == int(np.argmax(scores)) + 1 + 3
    batches = read_batches([str(tmp_path / "val.gz")], VIEW, 4)
    assert network.evaluate(batches, return_dict=True, verbose=0)["mean_iou"] == 1
