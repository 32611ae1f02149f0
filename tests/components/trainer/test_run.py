import numpy as np
import pytest
import tensorflow as tf
from tfx import v1 as tfx

from components.trainer import run
from components.trainer.training import training as training_module
from data.errors import InputError
from data.examples.features import IMAGE, MASK
from serving.model.description import model_description, model_intensity_range
from tests.components.trainer.conftest import CROP


@pytest.fixture
def train(tmp_path, networks, inputs):
    """Runs the Trainer with a network of one convolution, and returns the network."""

    def train(name="one", *, weights=(), base_model=None, hyperparameters=None, **options):
        networks.first_weights = weights
        settings, train_files, val_files = inputs(**options)
        run.run_fn(
            tfx.components.FnArgs(
                train_files=train_files,
                eval_files=val_files,
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
        return networks[-1]

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


def test_a_batch_too_large_for_memory_says_what_to_lower(train, tmp_path, monkeypatch):
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
    assert not (tmp_path / "one/model").exists()


def test_a_collapsed_network_is_reported_and_not_exported(train, tmp_path, capsys):
    weights = [np.zeros((1, 1, 3, 3), np.float32), np.float32([0, 9, 0])]
    with pytest.raises(InputError, match=r"^The network predicts one class only\. Lower training"):
        train(weights=weights, epochs=3, learning_rate=1e-12)
    assert not (tmp_path / "one/model").exists()
    lines = capsys.readouterr().out.splitlines()
    positions = [i for i, line in enumerate(lines) if "predicts one class only" in line]
    second = next(i for i, line in enumerate(lines) if "epoch 2/3" in line)
    assert positions == [second + 1]


def test_the_best_hyperparameters_replace_the_config(train, tmp_path, capsys, history):
    values = {"learning_rate": 0.25, "loss": '{"dice": 1.0, "focal": 0.5}'}
    network = train(epochs=1, learning_rate=1e-3, hyperparameters=values)
    assert history("learning_rate") == [0.25]
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


def test_with_crops_val_and_the_served_model_see_whole_images(train, tmp_path, history):
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
    best = max(history("val_mean_iou"))
    assert best == pytest.approx(iou.mean(), abs=1e-6)

    served = tf.saved_model.load(str(tmp_path / "one/model")).signatures["probabilities"]
    whole = served(images=tf.constant(image[np.newaxis]))["probabilities"].numpy()[0]
    np.testing.assert_array_equal(
        whole.argmax(-1), network(image[np.newaxis])[0].numpy().argmax(-1)
    )
