import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from tfx import v1 as tfx

from components.trainer import run
from components.trainer.config import ModelConfig, TrainerSettings, TrainingConfig
from data.config import Augmentation, CropView, ResizeView
from data.dataset import read_batches
from data.examples import IMAGE, MASK
from serving.model import model_intensity_range

CLASSES = ["dark", "bright", "never"]
VIEW = ResizeView(kind="resize", height=16, width=16)
CROP = CropView(kind="crop", height=16, width=16)


def write_examples(path, count, seed, *, size=(16, 16), inverted=False):
    def png(pixels):
        encoded = tf.io.encode_png(pixels).numpy()
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded]))

    random = np.random.default_rng(seed)
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for _ in range(count):
            class_ids = random.integers(0, 2, size, np.uint8)
            pixels = np.repeat((class_ids * 200)[..., np.newaxis], 3, -1).astype(np.uint8)
            class_ids = 1 - class_ids if inverted else class_ids
            class_ids[:2] = 255
            features = {IMAGE: png(pixels), MASK: png(class_ids[..., np.newaxis])}
            example = tf.train.Example(features=tf.train.Features(feature=features))
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

    def train(name="one", *, view=VIEW, size=(16, 16), weights=(), inverted_val=False, **training):
        first_weights[:] = weights
        settings = TrainerSettings(
            classes=CLASSES,
            view=view,
            model=ModelConfig(weights="none"),
            training=TrainingConfig(**{"precision": "float32", "batch_size": 4} | training),
            intensity_range=(0, 4095),
            code="1",
        )
        run.run_fn(
            tfx.components.FnArgs(
                train_files=write_examples(tmp_path / "train.gz", 8, seed=1, size=size),
                eval_files=write_examples(
                    tmp_path / "val.gz", 4, seed=2, size=size, inverted=inverted_val
                ),
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
    assert model_intensity_range(str(tmp_path / "one/model")) == (0, 4095)
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


def test_an_epoch_has_the_crops_that_were_asked_for(train):
    network = train(view=CROP, size=(40, 25), epochs=2, crops_per_image=3, class_aware_crops=0.5)
    steps = 8 * 3 // 4
    # Where Keras does not know the steps beforehand, it counts the end of an epoch as one more.
    assert 2 * steps <= int(network.optimizer.iterations) <= 2 * (steps + 1)


def test_with_crops_val_and_the_served_model_see_whole_images(train, tmp_path):
    network = train(view=CROP, size=(40, 25), epochs=3, learning_rate=0.3, batch_size=2)
    truth, predicted = [], []
    for serialized in tf.data.TFRecordDataset(str(tmp_path / "val.gz"), "GZIP"):
        features = tf.train.Example.FromString(serialized.numpy()).features.feature
        image = tf.io.decode_png(features[IMAGE].bytes_list.value[0]).numpy()
        mask = tf.io.decode_png(features[MASK].bytes_list.value[0]).numpy()[..., 0]
        assert mask.shape == (40, 25)
        truth.append(mask[mask != 255])
        predicted.append(network(image[np.newaxis]).numpy()[0].argmax(-1)[mask != 255])
    counts = np.zeros((3, 3), np.int64)
    np.add.at(counts, (np.concatenate(truth), np.concatenate(predicted)), 1)
    hits, total = np.diag(counts), counts.sum(0) + counts.sum(1)
    iou = hits[total > 0] / (total - hits)[total > 0]
    best = max(network.history.history["val_mean_iou"])
    assert best == pytest.approx(iou.mean(), abs=1e-6)

    served = tf.saved_model.load(str(tmp_path / "one/model")).signatures["probabilities"]
    whole = served(images=tf.constant(image[np.newaxis]))["probabilities"].numpy()[0]
    np.testing.assert_array_equal(
        whole.argmax(-1), network(image[np.newaxis])[0].numpy().argmax(-1)
    )


def test_augmentation_changes_what_is_learnt_and_not_what_val_sees(train, tmp_path):
    # Learning next to nothing, so that `val` scores the first weights.
    weights = [np.ones((1, 1, 3, 1), np.float32) * np.float32([1, -1, -9]),
               np.float32([-0.75, 0.75, -9])]  # fmt: skip
    given = {"weights": weights, "inverted_val": True, "epochs": 1, "learning_rate": 1e-12}
    turned = {"brightness": 1, "rotation": 90, "flip": "both"}
    plain, augmented, again = (
        train(name, augmentation=Augmentation(**options), **given)
        for name, options in (("plain", {}), ("one", turned), ("two", turned))
    )
    scores = [network.history.history for network in (plain, augmented, again)]
    assert [score["val_mean_iou"] for score in scores] == [[1], [1], [1]]
    assert scores[0]["loss"] != scores[1]["loss"]
    assert scores[1]["loss"] == scores[2]["loss"]


def test_the_cache_changes_no_result_but_the_order(train, tmp_path):
    network = train(epochs=8, patience=8, learning_rate=0.3, cache="memory")
    assert network.history.history["val_mean_iou"][-1] == 1
