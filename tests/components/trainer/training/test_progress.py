import types

import pytest

from components.trainer.training import progress
from components.trainer.training.collapse import COLLAPSED
from components.trainer.training.progress import Progress

SCORES = {"loss": 0.5, "val_loss": 0.25, "val_mean_iou": 0.125}


def run(predicted_classes, *, shown=True):
    shown_progress = Progress(2, shown=shown)
    for epoch, count in enumerate(predicted_classes):
        with shown_progress.bar(epoch, len(predicted_classes)):
            shown_progress.advance(0.5)
        classes = {"val_predicted_classes": count, "val_true_classes": 3}
        shown_progress.print_epoch(SCORES | classes)


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


@pytest.mark.parametrize(
    ("epochs", "line"),
    [
        (
            10,
            "100 training steps per epoch, which take about 50 seconds; about 8.3 minutes in all.",
        ),
        (
            None,
            "100 training steps per epoch, which take about 50 seconds. Training ends when val "
            "mean IoU has settled.",
        ),
    ],
)
def test_the_first_epoch_says_how_long_training_takes(epochs, line, capsys, monkeypatch):
    step_times = iter([0.0, 100.0, 104.0])  # start of the epoch; the third and the eleventh step
    clock = types.SimpleNamespace(monotonic=lambda: next(step_times))
    monkeypatch.setattr(progress, "time", clock)
    bar = Progress(100, shown=True)
    with bar.bar(0, epochs):
        for _ in range(100):
            bar.advance(0.5)
    assert capsys.readouterr().out == f"  {line}\n"


def test_an_epoch_of_unknown_number_has_no_total(capsys):
    shown = Progress(1, shown=True)
    with shown.bar(2, None):
        shown.advance(0.5)
    shown.print_epoch(SCORES | {"val_predicted_classes": 3, "val_true_classes": 3})
    assert capsys.readouterr().out.startswith("  epoch 3   loss")
