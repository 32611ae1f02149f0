import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tfx import v1 as tfx

from components.trainer import run
from components.trainer.config import ModelConfig, TrainerSettings, TrainingConfig
from data.config import DataConfig
from data.examples import make_example
from data.images import encode_png, load_image
from data.pairs import Pair

CLASSES = ["dark", "bright", "never"]


def write_examples(path, count, seed):
    random = np.random.default_rng(seed)
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for number in range(count):
            class_ids = random.integers(0, 2, (16, 16), np.uint8)
            pixels = np.repeat((class_ids * 200)[..., np.newaxis], 3, -1).astype(np.uint8)
            class_ids[:2] = 255
            image = load_image(encode_png(Image.fromarray(pixels)), "x")
            pair = Pair(str(number), str(number), "", "")
            example = make_example(pair, image, class_ids, source="x", classes=CLASSES)
            writer.write(example.SerializeToString())
    return [str(path)]


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Runs the Trainer with a network of one convolution, and returns the network."""
    data = DataConfig.model_validate(
        {
            "source": {"kind": "folder", "path": "x"},
            "classes": CLASSES,
            "view": {"kind": "resize", "height": 16, "width": 16},
        }
    )
    networks = []

    def one_convolution(config, num_classes):
        images = keras.Input((None, None, 3))
        scaled = keras.layers.Rescaling(1 / 255)(images)
        networks.append(keras.Model(images, keras.layers.Conv2D(num_classes, 1)(scaled)))
        return networks[-1]

    monkeypatch.setattr(run, "build_network", one_convolution)

    def train(name="one", **training):
        settings = TrainerSettings(
            data=data,
            model=ModelConfig(weights="none"),
            training=TrainingConfig(**{"precision": "float32", "batch_size": 4} | training),
            code="1",
        )
        run.run_fn(
            tfx.components.FnArgs(
                train_files=write_examples(tmp_path / "train.gz", 8, seed=1),
                eval_files=write_examples(tmp_path / "val.gz", 4, seed=2),
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


def test_the_best_epoch_is_kept(train):
    # At this rate the weights jump about; the first epoch without gain ends the training.
    network = train(epochs=30, learning_rate=0.3, patience=2)
    history = network.history.history["val_mean_iou"]
    assert len(history) < 30
    assert network.history.epoch[-1] == int(np.argmax(history)) + 2
