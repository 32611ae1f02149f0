import keras_tuner

from components.tuner.config import SearchSpace
from components.tuner.search_space import hyperparameters


def test_lists_are_choices_and_ranges_are_floats():
    search = SearchSpace.model_validate(
        {
            "learning_rate": {"min": 1e-5, "max": 1e-3},
            "loss": ["dice", {"dice": 1}, {"cross_entropy": 1, "dice": 2}],
            "dropout": {"min": 0, "max": 0.3},
        }
    )
    rate, loss, dropout = hyperparameters(search).space
    assert [rate.name, loss.name, dropout.name] == ["learning_rate", "loss", "dropout"]
    assert isinstance(rate, keras_tuner.engine.hyperparameters.Float)
    assert (rate.min_value, rate.max_value, rate.sampling) == (1e-5, 1e-3, "log")
    assert (dropout.min_value, dropout.max_value, dropout.sampling) == (0, 0.3, "linear")
    assert loss.values == ['{"dice": 1.0}', '{"cross_entropy": 1.0, "dice": 2.0}']
