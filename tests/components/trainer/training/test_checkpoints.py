import keras
import numpy as np
import pytest

from components.trainer.training.checkpoints import MONITOR, Checkpoints


@pytest.fixture
def network():
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    network.compile(keras.optimizers.SGD(0.5), "mse")
    return network


@pytest.fixture
def save(tmp_path, network):
    """Saves epochs with these scores; the weights of an epoch are all equal to its number."""

    def save(*scores):
        checkpoints = Checkpoints(str(tmp_path / "folder"), str(tmp_path / "logs"))
        for score in scores:
            epoch = float(len(checkpoints.history))
            network.set_weights([np.full((1, 1), epoch), np.full(1, epoch)])
            checkpoints.save(network, {"loss": 1.0, MONITOR: score})
        return checkpoints

    return save


def test_the_best_and_the_last_epoch_are_kept(save, network, tmp_path):
    checkpoints = save(0.1, 0.3, 0.2)
    names = sorted(path.name for path in (tmp_path / "folder").iterdir())
    assert names == ["best-00001.npz", "last-00002.npz", "scores.json"]
    assert checkpoints.best == 0.3
    checkpoints.load_best(network)
    assert network.get_weights()[1] == 1
    checkpoints.load_last(network)
    assert network.get_weights()[1] == 2


def test_the_last_epoch_restores_everything_that_training_changes_and_nothing_frozen(tmp_path):
    frozen = keras.layers.Dense(1000, trainable=False)
    layers = [frozen, keras.layers.Dropout(0.5), keras.layers.BatchNormalization()]
    network = keras.Sequential([keras.Input((50,)), *layers, keras.layers.Dense(1)])
    network.compile(keras.optimizers.Adam(0.1), "mse")
    network.fit(np.ones((8, 50)), np.ones(8), batch_size=2, verbose=0)

    def state():
        variables = [*network.variables, *network.optimizer.variables]
        others = {id(variable) for variable in (*frozen.weights, *network.metrics_variables)}
        return [variable.numpy() for variable in variables if id(variable) not in others]

    before, checkpoints = state(), Checkpoints(str(tmp_path), str(tmp_path / "logs"))
    checkpoints.save(network, {MONITOR: 0.5})
    frozen.kernel.assign(frozen.kernel * 2)
    network.fit(np.ones((8, 50)), np.zeros(8), batch_size=2, verbose=0)
    kernel = frozen.kernel.numpy()
    checkpoints.load_last(network)
    for expected, restored in zip(before, state(), strict=True):
        np.testing.assert_array_equal(restored, expected)
    np.testing.assert_array_equal(frozen.kernel, kernel)


def test_of_equal_epochs_the_first_is_the_best(save, network):
    save(0.3, 0.3).load_best(network)
    assert network.get_weights()[1] == 0


def test_a_new_process_knows_the_history(save, tmp_path):
    save(0.1, 0.3)
    checkpoints = save(0.2)
    assert checkpoints.val_scores == [0.1, 0.3, 0.2]
    lines = (tmp_path / "logs/history.csv").read_text().splitlines()
    assert lines[0] == f"epoch,loss,{MONITOR},learning_rate"
    assert lines[2] == "2,1.0,0.3,0.5"
