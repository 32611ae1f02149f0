import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer.training.losses import SegmentationLoss
from components.trainer.training.metrics import ClassIoU
from components.trainer.training.optimizer import Adam
from components.trainer.training.steps import Steps

CLASSES = ["dark", "bright"]


@pytest.fixture
def batches():
    random = np.random.default_rng(1)
    images = random.uniform(0, 1, (6, 8, 8, 3)).astype(np.float32)
    masks = random.choice(np.uint8([0, 1, 255]), (6, 8, 8))
    return tf.data.Dataset.from_tensor_slices((images, masks)).batch(4)


def network():
    keras.utils.set_random_seed(1)
    network = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(4, 3, padding="same", activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Conv2D(len(CLASSES), 1),
        ]
    )
    loss = SegmentationLoss({"cross_entropy": 1.0, "dice": 0.5}, [1.0, 2.0])
    network.compile(Adam(0.01), loss, metrics=[ClassIoU(CLASSES)])
    network.optimizer.build(network.trainable_variables)
    return network


def test_two_epochs_equal_those_of_fit(batches):
    theirs = network()
    expected = theirs.fit(batches, validation_data=batches, epochs=2, shuffle=False, verbose=0)

    ours = network()
    steps = Steps(ours, ClassIoU(CLASSES), tf.distribute.get_strategy(), None, batches.element_spec)
    for epoch in range(2):
        scores = {}
        for prefix, step in (("", steps.train), ("val_", steps.validate)):
            steps.reset_scores()
            for batch in batches:
                step(batch)
            scores |= {f"{prefix}{name}": score for name, score in steps.scores().items()}
        history = {name: values[epoch] for name, values in expected.history.items()}
        assert scores == pytest.approx(history, rel=1e-6)
    for mine, yours in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, yours, rtol=1e-6)


def test_training_returns_the_mean_loss_of_the_pass_so_far(batches):
    trained = network()
    steps = Steps(
        trained, ClassIoU(CLASSES), tf.distribute.get_strategy(), None, batches.element_spec
    )
    losses = [steps.train(batch) for batch in batches]
    assert losses[-1] == pytest.approx(steps.scores()["loss"])
    assert losses[0] != losses[1]


def test_the_smaller_last_batch_is_not_traced_anew(batches):
    calls = []
    trained = network()
    inner = trained.loss.call
    trained.loss.call = lambda *tensors: calls.append(1) or inner(*tensors)
    steps = Steps(
        trained, ClassIoU(CLASSES), tf.distribute.get_strategy(), None, batches.element_spec
    )
    for batch in batches:
        steps.validate(batch)
    assert len(calls) == 1
