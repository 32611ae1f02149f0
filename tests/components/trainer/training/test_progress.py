import pytest

from components.trainer.training.collapse import COLLAPSED
from components.trainer.training.progress import Progress

SCORES = {"loss": 0.5, "val_loss": 0.25, "val_mean_iou": 0.125}


def run(predicted_classes, *, shown=True):
    progress = Progress(2, len(predicted_classes), shown=shown)
    for epoch, count in enumerate(predicted_classes):
        with progress.bar(epoch):
            progress.advance(0.5)
        classes = {"val_predicted_classes": count, "val_true_classes": 3}
        progress.print_epoch(epoch, SCORES | classes)


def test_an_epoch_is_one_line(capsys):
    run([2])
    line = "  epoch 1/1   loss 0.500   val loss 0.250   val mean IoU 0.125   0 s\n"
    assert capsys.readouterr().out == line


@pytest.mark.parametrize(
    ("predicted_classes", "warnings"), [([1, 2, 1], 0), ([1, 1, 1], 1), ([1, 1, 2, 1, 1], 2)]
)
def test_two_collapsed_epochs_in_a_row_are_a_warning(predicted_classes, warnings, capsys):
    run(predicted_classes)
    assert capsys.readouterr().out.count(COLLAPSED) == warnings


def test_without_a_reader_nothing_is_printed(capsys):
    run([1, 1], shown=False)
    assert capsys.readouterr().out == ""
