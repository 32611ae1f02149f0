import pytest
import tensorflow_model_analysis as tfma

from tests.components.evaluator.conftest import counted

ONE = [[6, 2, 0], [1, 7, 0], [0, 0, 0]]


def test_candidate_and_baseline_are_kept_apart(evaluate):
    evaluation = evaluate([counted(ONE)], [counted([[8, 0, 0], [0, 8, 0], [0, 0, 0]])])
    assert evaluation.candidate[""].metrics["pixel_accuracy"] == pytest.approx(13 / 16)
    assert evaluation.baseline[""].metrics["pixel_accuracy"] == 1


def test_tfmas_own_reader_reads_the_evaluation(evaluate, tmp_path):
    evaluate([counted(ONE)])
    (record,) = tfma.load_metrics(str(tmp_path / "evaluation"))
    assert "iou/land" in {item.key.name for item in record.metric_keys_and_values}
