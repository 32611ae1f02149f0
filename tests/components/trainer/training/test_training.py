import math
import re

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from components.trainer.network.network import build_network
from components.trainer.training import training as training_module
from components.trainer.training.metrics import ClassIoU
from components.trainer.training.training import Training
from data.config import Augmentation, ResizeView
from data.input_pipeline.dataset import read_batches
from tests.components.trainer.conftest import CLASSES, CROP, VIEW


@pytest.fixture
def train(tmp_path, networks, inputs):
    """Trains a network of one convolution, and returns the network."""

    def train(name="one", *, weights=(), **options):
        networks.first_weights = weights
        settings, train_files, val_files = inputs(**options)
        training = Training(
            settings,
            tf.distribute.get_strategy(),
            train_files,
            val_files,
            folder=str(tmp_path / name / "unfinished"),
            log_dir=str(tmp_path / name / "logs"),
        )
        training.run()
        return training.network

    return train


def test_one_seed_gives_one_model_and_another_seed_another(train):
    one, two, other = (
        train(name, epochs=2, seed=seed).get_weights()
        for name, seed in (("one", 1), ("two", 1), ("other", 2))
    )
    for left, right in zip(one, two, strict=True):
        np.testing.assert_array_equal(left, right)
    assert any((left != right).any() for left, right in zip(one, other, strict=True))


@pytest.mark.parametrize(
    "options",
    [{"cache": "none"}, {"cache": "memory"}, {"feature_memory_mib": 1, "feature_uses": 3}],
    ids=["files", "cache", "features"],
)
def test_a_non_finite_loss_stops_and_names_the_images(train, tmp_path, monkeypatch, options):
    steps_an_epoch = 8 // 2 + 4 // 2

    class Broken(training_module.SegmentationLoss):
        """NaN for a batch with the marked image, from the second epoch on."""

        def __init__(self, *args):
            super().__init__(*args)
            self.calls = tf.Variable(0)

        def call(self, y_true, y_pred):
            late = self.calls.assign_add(1) > 1 + steps_an_epoch
            marked = tf.reduce_any(y_true[:, 0, 0] == CLASSES.index("never"))
            return super().call(y_true, y_pred) + tf.where(late & marked, np.nan, 0.0)

    monkeypatch.setattr(training_module, "SegmentationLoss", Broken)
    with pytest.raises(training_module.FailedTrainingError) as caught:
        train(epochs=9, batch_size=2, marked=5, **options)
    message = str(caught.value)
    assert re.match(
        r"the loss is NaN or infinite in epoch [2-9], batch \d, of the images ", message
    )
    assert "train/5" in message
    assert message.count("train/") == 2


def test_the_best_epoch_is_kept(train, tmp_path, history):
    # The first weights predict the opposite of `train`, and the masks of `val` are inverted.
    kernel = np.array([1, -1, -9], np.float32) * np.ones((1, 1, 3, 1), np.float32)
    weights = [kernel, np.array([-0.75, 0.75, -9], np.float32)]
    rate = {"learning_rate": 0.2, "schedule": "constant"}
    network = train(weights=weights, inverted_val=True, epochs=30, patience=3, **rate)
    scores = history("val_mean_iou")
    assert scores[0] == 1
    assert scores[-1] < 0.5
    assert len(scores) == int(np.argmax(scores)) + 1 + 3
    iou = ClassIoU(CLASSES)
    for images, masks in read_batches([str(tmp_path / "val.gz")], VIEW, 4):
        iou.update_state(masks, network(images))
    assert iou.result()["mean_iou"] == 1


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ({"schedule": "constant"}, [0.1, 0.1, 0.1, 0.1]),
        ({"schedule": "cosine"}, [0.05 * (1 + math.cos(math.pi * t / 8)) for t in (1, 3, 5, 7)]),
        ({"schedule": "constant", "warmup_epochs": 2}, [0.025, 0.075, 0.1, 0.1]),
        (
            {"schedule": "cosine", "warmup_epochs": 2},
            [0.025, 0.075, *(0.05 * (1 + math.cos(math.pi * t / 4)) for t in (1, 3))],
        ),
        ({"schedule": "cooldown"}, [0.1, 0.1, 0.1, 0.0625]),
    ],
    ids=["constant", "cosine", "warm-up", "cosine after warm-up", "cooldown"],
)
def test_the_learning_rate_of_the_last_step_of_each_epoch(
    train, tmp_path, schedule, rates, history
):
    train(epochs=4, patience=4, learning_rate=0.1, **schedule)
    found = history("learning_rate")
    assert found == pytest.approx(rates, abs=1e-6)


def test_the_average_of_the_weights_is_validated_and_kept(train, tmp_path, history):
    """At this rate, the weights jump from step to step, so only their average is a good model."""
    kept = {}
    for momentum in (0, 0.9):
        name = f"momentum {momentum}"
        network = train(name, epochs=6, patience=6, learning_rate=5.0, ema_momentum=momentum)
        scores = history("val_mean_iou", name)
        iou = ClassIoU(CLASSES)
        for images, masks in read_batches([str(tmp_path / "val.gz")], VIEW, 4):
            iou.update_state(masks, network(images))
        assert float(iou.result()["mean_iou"]) == pytest.approx(max(scores))
        kept[momentum] = network.get_weights()
    assert not np.allclose(kept[0][0], kept[0.9][0])


def test_training_ends_after_the_score_has_settled(train, tmp_path, capsys, history):
    weights = [np.zeros((1, 1, 3, 3), np.float32), np.float32([0, 0.1, 0])]
    train(weights=weights, epochs="auto", patience=3, learning_rate=0.1, schedule="cooldown")
    scores = history("val_mean_iou")
    settled = int(np.argmax(scores)) + 1 + 3
    total = math.ceil(settled * 5 / 4)
    assert len(scores) == total
    steps = 50  # in each epoch: 25 passes over 8 images
    expected = [
        0.1 * min(1, (total - epoch + 1 / steps) / (0.2 * total)) for epoch in range(1, total + 1)
    ]
    assert history("learning_rate") == pytest.approx(expected, rel=1e-5)
    output = capsys.readouterr().out
    assert "50 training steps per epoch" in output
    assert f"epoch {settled}   " in output
    assert f"epoch {total}/{total}   " in output


def test_the_history_is_a_table(train, tmp_path, history):
    network = train(epochs=2, patience=2)
    assert history("epoch") == [1, 2]
    losses = history("loss")
    assert losses[1] < losses[0]
    iou, loss, examples = ClassIoU(CLASSES), 0.0, 0
    for images, masks in read_batches([str(tmp_path / "val.gz")], VIEW, 4):
        logits = network(images)
        iou.update_state(masks, logits)
        loss += float(network.loss(masks, logits)) * len(images)
        examples += len(images)
    best = int(np.argmax(history("val_mean_iou")))
    assert history("val_loss")[best] == pytest.approx(loss / examples)
    for name, score in iou.result().items():
        found = history(f"val_{name}")[best]
        assert found == pytest.approx(float(score), nan_ok=True)


def test_balanced_class_weights_are_those_of_the_training_pixels(train):
    network = train(epochs=1, class_weights="balanced")
    dark, bright, never = network.loss.class_weights
    assert never == max(dark, bright)
    assert dark * bright > 1  # the mean over the pixels is 1
    assert train("two", epochs=1, class_weights={"bright": 3}).loss.class_weights == [1, 3, 1]


def test_class_shares_are_computed_for_balanced_class_weights_only(train, monkeypatch):
    def refuse(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(training_module, "class_shares", refuse)
    train(epochs=1, class_weights={"bright": 3})
    with pytest.raises(ZeroDivisionError):
        train("two", epochs=1, class_weights="balanced")


@pytest.mark.parametrize("feature_memory_mib", [0, 64], ids=["network", "decoder"])
def test_tensorboard_shows_images(train, tmp_path, feature_memory_mib):
    train(epochs=2, feature_memory_mib=feature_memory_mib)
    reader = EventAccumulator(str(tmp_path / "one/logs/phase1/validation"))
    reader.Reload()
    shown = reader.Tensors("image, truth, prediction")
    assert [panels.step for panels in shown] == [0, 1]
    width, height, *pictures = shown[0].tensor_proto.string_val
    assert (width, height, len(pictures)) == (b"48", b"16", 4)


def test_a_warm_start_without_a_base_model_starts_cold(train, capsys):
    train(epochs=1, warm_start=True)
    assert "  Starts cold: no model with these classes" in capsys.readouterr().out


@pytest.mark.slow
def test_in_the_second_phase_a_part_of_the_encoder_learns_and_the_rest_stays(
    train, monkeypatch, capsys
):
    made = []

    def tiny(config, num_classes):
        made.append(build_network(config.model_copy(update={"width": 0.02}), num_classes))
        made.append(made[-1].get_layer("vgg16").get_weights())
        return made[0]

    monkeypatch.setattr(training_module, "build_network", tiny)
    second = {"unfreeze_from": "block5", "epochs": 2, "learning_rate": 1e-3}
    train(
        epochs=1,
        second_phase=second,
        feature_memory_mib=64,
        size=(32, 32),
        view=ResizeView(kind="resize", height=32, width=32),
    )
    # Features are kept in the first phase only.
    assert capsys.readouterr().out.count("The frozen encoder's features of ") == 1
    network, before = made
    encoder = network.get_layer("vgg16")
    names = [variable.path.split("/")[-2] for variable in encoder.weights]
    changed = {
        name
        for name, old, new in zip(names, before, encoder.get_weights(), strict=True)
        if (old != new).any()
    }
    assert changed == {"block5_conv1", "block5_conv2"}


def test_an_epoch_has_the_configured_number_of_crops(train):
    network = train(view=CROP, size=(40, 25), epochs=2, crops_per_image=3, class_aware_crops=0.5)
    steps = 8 * 3 // 4
    assert int(network.optimizer.iterations) == 2 * steps


def test_augmentation_changes_what_is_learnt_and_not_what_val_sees(train, tmp_path, history):
    # Learning next to nothing, so that `val` scores the first weights.
    weights = [np.ones((1, 1, 3, 1), np.float32) * np.float32([1, -1, -9]),
               np.float32([-0.75, 0.75, -9])]  # fmt: skip
    given = {"weights": weights, "inverted_val": True, "epochs": 1, "learning_rate": 1e-12}
    turned = {"brightness": 1, "rotation": 90, "flip": "both"}
    losses = []
    for name, options in (("plain", {}), ("one", turned), ("two", turned)):
        train(name, augmentation=Augmentation(**options), **given)
        assert history("val_mean_iou", name) == [1]
        losses.append(history("loss", name))
    plain, augmented, again = losses
    assert plain != augmented
    assert augmented == again


def test_the_cache_changes_no_result_but_the_order(train, tmp_path, history):
    train(epochs=8, patience=8, learning_rate=0.3, cache="memory")
    assert history("val_mean_iou")[-1] == 1
