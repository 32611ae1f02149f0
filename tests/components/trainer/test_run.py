import csv
import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tfx import v1 as tfx

from components.trainer import run
from components.trainer.config import ModelConfig, TrainerSettings, TrainingConfig
from components.trainer.network.network import build_network
from components.trainer.training import training as training_module
from components.trainer.training.metrics import ClassIoU
from data.config import Augmentation, CropView, ResizeView
from data.errors import InputError
from data.examples.features import IMAGE, MASK
from data.input_pipeline.dataset import read_batches
from serving.model.description import model_description, model_intensity_range

CLASSES = ["dark", "bright", "never"]
VIEW = ResizeView(kind="resize", height=16, width=16)
CROP = CropView(kind="crop", height=16, width=16)
PLAIN = {
    "precision": "float32",
    "batch_size": 4,
    "feature_memory_mib": 0,
    "warmup_epochs": 0,
    "ema_momentum": 0,
}


@pytest.fixture
def train(tmp_path, monkeypatch, write_examples):
    """Runs the Trainer with a network of one convolution, and returns the network."""
    networks, first_weights = [], []

    def one_convolution(config, num_classes):
        images = keras.Input((None, None, 3))
        encoder = keras.layers.Rescaling(1 / 255, name=config.encoder)
        scaled = encoder(images)
        skips = [keras.layers.Identity(name=f"skip{level}")(scaled) for level in range(1, 6)]
        convolution = keras.layers.Conv2D(num_classes, 1, name="convolution")
        networks.append(keras.Model(images, convolution(keras.layers.Average()(skips))))
        if first_weights:
            networks[-1].set_weights(first_weights)
        return networks[-1]

    monkeypatch.setattr(training_module, "build_network", one_convolution)

    def train(
        name="one",
        *,
        view=VIEW,
        size=(16, 16),
        weights=(),
        inverted_val=False,
        marked=None,
        base_model=None,
        hyperparameters=None,
        serving_precision=None,
        **training,
    ):
        first_weights[:] = weights
        settings = TrainerSettings(
            classes=CLASSES,
            view=view,
            model=ModelConfig(weights="none"),
            training=TrainingConfig(**PLAIN | training),
            intensity_range=(0, 4095),
            serving_precision=serving_precision,
            code="1",
        )
        run.run_fn(
            tfx.components.FnArgs(
                train_files=write_examples(
                    tmp_path / "train.gz", 8, seed=1, classes=CLASSES, size=size, marked=marked
                ),
                eval_files=write_examples(
                    tmp_path / "val.gz",
                    4,
                    seed=2,
                    classes=CLASSES,
                    size=size,
                    inverted=inverted_val,
                ),
                serving_model_dir=str(tmp_path / name / "model"),
                model_run_dir=str(tmp_path / name / "logs"),
                base_model=base_model,
                hyperparameters=hyperparameters and {"space": [], "values": hyperparameters},
                custom_config={
                    run.SETTINGS: settings.model_dump_json(),
                    run.UNFINISHED: str(tmp_path / name / "unfinished"),
                },
            )
        )
        return networks[-1] if networks else None

    return train


def test_it_learns_exports_and_logs(train, tmp_path, capsys):
    network = train(epochs=8, patience=8, learning_rate=0.3)
    scores = network(np.full((1, 1, 1, 3), 200.0)).numpy()[0, 0, 0]
    assert scores.argmax() == 1
    assert (tmp_path / "one/model/saved_model.pb").is_file()
    assert list((tmp_path / "one/logs").rglob("events.out.tfevents.*"))
    assert model_intensity_range(str(tmp_path / "one/model")) == (0, 4095)
    description = model_description(str(tmp_path / "one/model"))
    assert description["flops"] > 2 * 9 * 16 * 16
    assert description["temperature"] == pytest.approx(
        0.125
    )  # every pixel of val is right, so surer is better
    served = tf.saved_model.load(str(tmp_path / "one/model")).signatures["probabilities"]
    probabilities = served(images=tf.fill([1, 2, 3, 3], tf.constant(200, tf.uint8)))
    expected = tf.nn.softmax(scores / 0.125).numpy()
    np.testing.assert_allclose(probabilities["probabilities"][0, 1, 2], expected, atol=1e-4)
    progress = capsys.readouterr().out.split("\n")
    assert any("8/8" in line and "val mean IoU 1.000" in line for line in progress)


@pytest.mark.parametrize(
    ("serving_precision", "computes", "tolerance"),
    [(None, "bfloat16", 0.02), ("float32", "float32", 1e-5)],
)
def test_the_model_computes_in_the_serving_precision(
    train, tmp_path, serving_precision, computes, tolerance
):
    network = train(epochs=1, precision="bfloat16", serving_precision=serving_precision)
    served = tf.saved_model.load(str(tmp_path / "one/model")).signatures["probabilities"]
    graph = served.graph.as_graph_def()
    nodes = [
        *graph.node,
        *(node for function in graph.library.function for node in function.node_def),
    ]
    [found] = {node.attr["T"].type for node in nodes if node.op == "Conv2D"}
    assert tf.as_dtype(found) == computes
    kernel, bias = network.get_weights()
    temperature = model_description(str(tmp_path / "one/model"))["temperature"]
    expected = tf.nn.softmax((kernel.sum((0, 1, 2)) * 200 / 255 + bias) / temperature)
    probabilities = served(images=tf.fill([1, 2, 3, 3], tf.constant(200, tf.uint8)))
    found = probabilities["probabilities"][0, 1, 2]
    np.testing.assert_allclose(found, expected, rtol=tolerance)


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
    assert not (tmp_path / "one/model").exists()


def test_a_batch_too_large_for_memory_says_what_to_lower(train, monkeypatch):
    class Greedy(training_module.SegmentationLoss):
        def call(self, y_true, y_pred):
            petabyte = tf.random.uniform([tf.size(y_true, tf.int64) * 2**40])
            return super().call(y_true, y_pred) + tf.reduce_sum(petabyte)

    monkeypatch.setattr(training_module, "SegmentationLoss", Greedy)
    with pytest.raises(training_module.FailedTrainingError) as caught:
        train(epochs=1)
    assert str(caught.value) == (
        "a batch does not fit into memory. Lower training.batch_size (now 4), data.view, or "
        "model.width."
    )


def test_the_best_epoch_is_kept(train, tmp_path):
    # The first weights predict the opposite of `train`, and the masks of `val` are inverted.
    kernel = np.array([1, -1, -9], np.float32) * np.ones((1, 1, 3, 1), np.float32)
    weights = [kernel, np.array([-0.75, 0.75, -9], np.float32)]
    rate = {"learning_rate": 0.2, "schedule": "constant"}
    network = train(weights=weights, inverted_val=True, epochs=30, patience=3, **rate)
    scores = history(tmp_path, "val_mean_iou")
    assert scores[0] == 1
    assert scores[-1] < 0.5
    assert len(scores) == int(np.argmax(scores)) + 1 + 3
    iou = ClassIoU(CLASSES)
    for images, masks in read_batches([str(tmp_path / "val.gz")], VIEW, 4):
        iou.update_state(masks, network(images))
    assert iou.result()["mean_iou"] == 1


def test_a_collapsed_network_is_reported_and_not_exported(train, tmp_path, capsys):
    weights = [np.zeros((1, 1, 3, 3), np.float32), np.float32([0, 9, 0])]
    with pytest.raises(InputError, match=r"^The network predicts one class only\. Lower training"):
        train(weights=weights, epochs=3, learning_rate=1e-12)
    assert not (tmp_path / "one/model").exists()
    lines = capsys.readouterr().out.splitlines()
    positions = [i for i, line in enumerate(lines) if "predicts one class only" in line]
    second = next(i for i, line in enumerate(lines) if "epoch 2/3" in line)
    assert positions == [second + 1]


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
def test_the_learning_rate_of_the_last_step_of_each_epoch(train, tmp_path, schedule, rates):
    train(epochs=4, patience=4, learning_rate=0.1, **schedule)
    found = history(tmp_path, "learning_rate")
    assert found == pytest.approx(rates, abs=1e-6)


def test_the_average_of_the_weights_is_validated_and_exported(train, tmp_path):
    """At this rate, the weights jump from step to step, so only their average is a good model."""
    kept = {}
    for momentum in (0, 0.9):
        name = f"momentum {momentum}"
        network = train(name, epochs=6, patience=6, learning_rate=5.0, ema_momentum=momentum)
        with (tmp_path / name / "logs/phase1/history.csv").open() as file:
            scores = [float(row["val_mean_iou"]) for row in csv.DictReader(file)]
        iou = ClassIoU(CLASSES)
        for images, masks in read_batches([str(tmp_path / "val.gz")], VIEW, 4):
            iou.update_state(masks, network(images))
        assert float(iou.result()["mean_iou"]) == pytest.approx(max(scores))
        kept[momentum] = network.get_weights()
    assert not np.allclose(kept[0][0], kept[0.9][0])


def test_training_ends_after_the_score_has_settled(train, tmp_path, capsys):
    weights = [np.zeros((1, 1, 3, 3), np.float32), np.float32([0, 0.1, 0])]
    train(weights=weights, epochs="auto", patience=3, learning_rate=0.1, schedule="cooldown")
    scores = history(tmp_path, "val_mean_iou")
    settled = int(np.argmax(scores)) + 1 + 3
    total = math.ceil(settled * 5 / 4)
    assert len(scores) == total
    steps = 50  # in each epoch: 25 passes over 8 images
    expected = [
        0.1 * min(1, (total - epoch + 1 / steps) / (0.2 * total)) for epoch in range(1, total + 1)
    ]
    assert history(tmp_path, "learning_rate") == pytest.approx(expected, rel=1e-5)
    output = capsys.readouterr().out
    assert "50 training steps per epoch" in output
    assert f"epoch {settled}   " in output
    assert f"epoch {total}/{total}   " in output


def test_the_history_is_a_table(train, tmp_path):
    network = train(epochs=2, patience=2)
    assert history(tmp_path, "epoch") == [1, 2]
    losses = history(tmp_path, "loss")
    assert losses[1] < losses[0]
    iou, loss, examples = ClassIoU(CLASSES), 0.0, 0
    for images, masks in read_batches([str(tmp_path / "val.gz")], VIEW, 4):
        logits = network(images)
        iou.update_state(masks, logits)
        loss += float(network.loss(masks, logits)) * len(images)
        examples += len(images)
    best = int(np.argmax(history(tmp_path, "val_mean_iou")))
    assert history(tmp_path, "val_loss")[best] == pytest.approx(loss / examples)
    for name, score in iou.result().items():
        found = history(tmp_path, f"val_{name}")[best]
        assert found == pytest.approx(float(score), nan_ok=True)


def history(tmp_path, column, name="one"):
    with (tmp_path / name / "logs/phase1/history.csv").open(newline="") as file:
        return [float(row[column]) for row in csv.DictReader(file)]


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


def test_the_best_hyperparameters_replace_the_config(train, tmp_path, capsys):
    values = {"learning_rate": 0.25, "loss": '{"dice": 1.0, "focal": 0.5}'}
    network = train(epochs=1, learning_rate=1e-3, hyperparameters=values)
    assert history(tmp_path, "learning_rate") == [0.25]
    assert network.loss.terms == {"dice": 1, "focal": 0.5}
    words = "\n  hyperparameters of the best trial: learning_rate 0.25, loss dice + 0.5 focal\n"
    assert words in capsys.readouterr().out


def test_a_warm_start_uses_the_base_model_s_weights(train, tmp_path, capsys):
    source = train("base", epochs=2, learning_rate=0.3)
    base_model = str(tmp_path / "base/model")
    given = {"epochs": 1, "learning_rate": 1e-12, "base_model": base_model}
    capsys.readouterr()
    cold = train("cold", **given).get_weights()
    assert "Starts" not in capsys.readouterr().out
    warm = train("warm", warm_start=True, **given).get_weights()
    for found, expected, other in zip(warm, source.get_weights(), cold, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert np.abs(other - expected).max() > 0.1
    assert "\n  Starts with the weights of the last blessed model, " in capsys.readouterr().out


def test_a_warm_start_without_a_base_model_starts_cold(train, capsys):
    train(epochs=1, warm_start=True)
    assert "\n  Starts cold: no model with these classes" in capsys.readouterr().out


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
    best = max(history(tmp_path, "val_mean_iou"))
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
    losses = []
    for name, options in (("plain", {}), ("one", turned), ("two", turned)):
        train(name, augmentation=Augmentation(**options), **given)
        assert history(tmp_path, "val_mean_iou", name) == [1]
        losses.append(history(tmp_path, "loss", name))
    plain, augmented, again = losses
    assert plain != augmented
    assert augmented == again


def test_the_cache_changes_no_result_but_the_order(train, tmp_path):
    train(epochs=8, patience=8, learning_rate=0.3, cache="memory")
    assert history(tmp_path, "val_mean_iou")[-1] == 1
