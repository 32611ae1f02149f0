import pytest

from components.trainer.training.collapse import has_collapsed


@pytest.mark.parametrize(
    ("predicted", "true", "collapsed"), [(1, 3, True), (2, 3, False), (1, 1, False)]
)
def test_one_predicted_class_of_several_is_a_collapse(predicted, true, collapsed):
    scores = {"val_predicted_classes": predicted, "val_true_classes": true}
    assert has_collapsed(scores) == collapsed
