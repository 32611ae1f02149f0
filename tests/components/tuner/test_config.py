from components.tuner.config import TunerConfig


def test_a_search_has_ranges_and_lists():
    space = {
        "learning_rate": {"min": 1e-4, "max": 1e-3},
        "loss": ["dice", {"cross_entropy": 1, "dice": 0.5}],
        "width": [1, 0.5],
        "dropout": {"min": 0, "max": 0.3},
    }
    tuner = TunerConfig.model_validate({"search": space})
    assert tuner.search.model_dump() == space | {
        "loss": [{"dice": 1}, {"cross_entropy": 1, "dice": 0.5}]
    }
    assert (tuner.trials, tuner.epochs, tuner.algorithm) == (10, 3, "random")
