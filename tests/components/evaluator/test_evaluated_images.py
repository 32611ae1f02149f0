import json

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_model_analysis.slicer import slicer_lib

from components.evaluator.evaluated_images import read_images, write_images

COUNTS = {"confusion_matrix": np.array([[3, 1], [0, 2]])}


def evaluate(folder, predictions):
    names = {"image/key": b"a/1", "image/group": b"a", "image/source": b"discs"}
    extracts = {
        tfma.FEATURES_KEY: {name: np.array([value]) for name, value in names.items()},
        tfma.PREDICTIONS_KEY: predictions,
        tfma.SLICE_KEY_TYPES_KEY: slicer_lib.slice_keys_to_numpy_array(
            [(), (("image/size", "1-256"),), (("mask/disc", "present"),)]
        ),
    }
    options = PipelineOptions(["--runner=DirectRunner", "--direct_running_mode=in_memory"])
    with beam.Pipeline(options=options) as pipeline:
        _ = pipeline | beam.Create([extracts]) | write_images(str(folder)).ptransform
    return list(read_images(str(folder)))


def test_an_image_without_a_baseline(tmp_path):
    (image,) = evaluate(tmp_path, COUNTS)
    assert image[:3] == ("a/1", "a", "discs")
    assert image.slices == ["image/size=1-256", "mask/disc=present"]
    assert image.candidate.tolist() == [[3, 1], [0, 2]]
    assert image.baseline is None


def test_an_image_with_a_baseline(tmp_path):
    baseline = {"confusion_matrix": np.array([[4, 0], [0, 2]])}
    (image,) = evaluate(tmp_path, {"candidate": COUNTS, "baseline": baseline})
    assert image.candidate.tolist() == [[3, 1], [0, 2]]
    assert image.baseline.tolist() == [[4, 0], [0, 2]]
    (file,) = tmp_path.glob("images-*.jsonl")
    assert json.loads(file.read_text())["key"] == "a/1"
