import json

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_model_analysis.slicer import slicer_lib

from components.evaluator.evaluated_images import read_images, write_images

COUNTS = {
    "confusion_matrix": np.array([[3, 1], [0, 2]]),
    "boundary": np.array([[2, 3], [1, 1]]),
    "calibration": np.array([[6, 4.5, 5.0]]),
}


def evaluate(folder, predictions):
    names = {"image/key": b"a/1", "image/group": b"a", "image/source": b"discs"}
    extracts = {
        tfma.FEATURES_KEY: {name: np.array([value]) for name, value in names.items()},
        tfma.PREDICTIONS_KEY: predictions,
        tfma.SLICE_KEY_TYPES_KEY: slicer_lib.slice_keys_to_numpy_array(
            [(), (("image/size", "1-256"),), (("mask/disc", "present"),)]
        ),
    }
    options = PipelineOptions(["--runner=FnApiRunner", "--direct_running_mode=in_memory"])
    with beam.Pipeline(options=options) as pipeline:
        _ = pipeline | beam.Create([extracts]) | write_images(str(folder)).ptransform
    return list(read_images(str(folder)))


def test_an_image_without_a_baseline(tmp_path):
    (image,) = evaluate(tmp_path, COUNTS)
    assert image[:3] == ("a/1", "a", "discs")
    assert image.slices == ["image/size=1-256", "mask/disc=present"]
    assert image.candidate.images == 1
    for name, counts in COUNTS.items():
        assert getattr(image.candidate, name).tolist() == counts.tolist()
    assert image.baseline is None


def test_an_image_with_a_baseline(tmp_path):
    baseline = COUNTS | {"confusion_matrix": np.array([[4, 0], [0, 2]])}
    (image,) = evaluate(tmp_path, {"candidate": COUNTS, "baseline": baseline})
    assert image.candidate.confusion_matrix.tolist() == [[3, 1], [0, 2]]
    assert image.baseline.confusion_matrix.tolist() == [[4, 0], [0, 2]]
    assert image.baseline.boundary.tolist() == [[2, 3], [1, 1]]
    (file,) = tmp_path.glob("images-*.jsonl")
    assert json.loads(file.read_text())["key"] == "a/1"


def test_an_older_evaluation_has_only_the_confusion_matrix(tmp_path):
    row = {"key": "a/1", "group": "a", "source": "s", "candidate": [[3, 1], [0, 2]]}
    (tmp_path / "images-00000-of-00001.jsonl").write_text(json.dumps(row))
    (image,) = read_images(str(tmp_path))
    assert image.candidate.confusion_matrix.tolist() == [[3, 1], [0, 2]]
    assert (image.candidate.boundary.shape, image.candidate.calibration.shape) == ((2, 2), (15, 3))
    assert not image.candidate.boundary.any()


def test_the_file_of_many_classes_holds_no_zeros(tmp_path):
    confusion, boundary = np.zeros((150, 150), np.int64), np.zeros((150, 2), np.int64)
    confusion[149, 3], boundary[149] = 70_000_000_000, (0, 4)
    (image,) = evaluate(tmp_path, COUNTS | {"confusion_matrix": confusion, "boundary": boundary})
    np.testing.assert_array_equal(image.candidate.confusion_matrix, confusion)
    np.testing.assert_array_equal(image.candidate.boundary, boundary)
    (file,) = tmp_path.glob("images-*.jsonl")
    assert file.stat().st_size < 1000
