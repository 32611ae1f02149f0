"""Measures what the evaluation of many classes costs.

    python -m benchmarks.many_classes [--classes 150] [--images 10000]

The pixel counts of the images are simulated; each image shows 12 of the classes, and each is a
group of its own. They go through the functions of the Evaluator and of the report, each step in a
new process: `write` writes the counts of each image by Beam, and prints the size of the files;
`sum` adds them up as TFMA does, for the whole split and for a slice; `intervals` computes the
confidence intervals; `rank` chooses the images of the report. Then `boundary` counts the pixels
near boundaries in an image of 512×512 pixels with 12 classes.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fresh_process import measure
from serving.model.pixel_counts import CALIBRATION_BINS

_PRESENT = 12  # classes in an image
_PIXELS = 224 * 224
_STEPS = ("write", "sum", "intervals", "rank", "boundary")


def main() -> None:
    """Runs each step in a new process, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=150)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--step", choices=_STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        run = globals()[f"_{arguments.step}"]
        print(json.dumps(run(arguments.folder, arguments.classes, arguments.images)))
        return
    print(f"{arguments.classes} classes, {arguments.images:,} images")
    size = [f"--classes={arguments.classes}", f"--images={arguments.images}"]
    with tempfile.TemporaryDirectory() as folder:
        for step in _STEPS:
            cost = measure("benchmarks.many_classes", *size, f"--step={step}", f"--folder={folder}")
            print(f"{step:10} {cost['seconds']:8.1f} s {cost['mib']:8,.0f} MiB {cost['note']}")


def _cost(began: float, memory: int, note: str = "") -> dict[str, Any]:
    """Returns the processor time, and the memory beyond that of the libraries."""
    seconds = time.process_time() - began
    return {"seconds": seconds, "mib": (_memory() - memory) / 1024, "note": note}


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _outputs(number: int, classes: int) -> dict[str, Any]:
    """Simulates what the signature `evaluation` returns for one image."""
    random = np.random.default_rng(number)
    present = random.choice(classes, min(_PRESENT, classes), replace=False)
    confusion = np.zeros((classes, classes), np.int64)
    shares = random.dirichlet(np.ones(len(present)), len(present)) + 4 * np.eye(len(present))
    confusion[np.ix_(present, present)] = shares * _PIXELS / shares.sum()
    boundary = np.zeros((classes, 2), np.int64)
    boundary[present] = random.integers(1, 500, (len(present), 2)).cumsum(1)
    calibration = random.uniform(0, 500, (CALIBRATION_BINS, 3))
    return {
        "confusion_matrix": confusion,
        "boundary": boundary,
        "calibration": calibration,
        "raw_calibration": calibration,
    }


def _extracts(number: int, classes: int) -> Mapping[str, Any]:
    import tensorflow_model_analysis as tfma
    from tensorflow_model_analysis.slicer import slicer_lib

    key = np.array([str(number).encode()])
    names = {"image/key": key, "image/group": key, "image/source": np.array([b"a"])}
    slices: list[Any] = [(), (("image/source", "ab"[number % 2]),)]
    return {
        tfma.FEATURES_KEY: names,
        tfma.PREDICTIONS_KEY: _outputs(number, classes),
        tfma.SLICE_KEY_TYPES_KEY: slicer_lib.slice_keys_to_numpy_array(slices),
    }


def _write(folder: str, classes: int, images: int) -> dict[str, Any]:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from components.evaluator.evaluated_images import write_images

    began, memory = time.process_time(), _memory()
    options = PipelineOptions(["--runner=FnApiRunner", "--direct_running_mode=in_memory"])
    with beam.Pipeline(options=options) as pipeline:
        numbers = pipeline | beam.Create(range(images))
        _ = numbers | beam.Map(_extracts, classes) | write_images(folder).ptransform
    size = sum(file.stat().st_size for file in Path(folder).glob("images-*"))
    return _cost(began, memory, f"{size / 2**20:,.0f} MiB of files")


def _sum(folder: str, classes: int, images: int) -> dict[str, Any]:
    import tensorflow_model_analysis as tfma
    from tensorflow_model_analysis.metrics import metric_types

    from components.evaluator.tfma_metrics import SegmentationMetrics

    names = [f"class {number}" for number in range(classes)]
    (computation, _) = SegmentationMetrics(names).computations()
    combiner = computation.combiner
    began, memory = time.process_time(), _memory()
    for _ in range(2):
        total = combiner.create_accumulator()
        for number in range(images):
            outputs = _outputs(number, classes)
            element = metric_types.StandardMetricInputs({tfma.PREDICTIONS_KEY: outputs})
            total = combiner.add_input(total, element)
        combiner.extract_output(combiner.merge_accumulators([total]))
    return _cost(began, memory)


def _read(folder: str) -> Iterator[Any]:
    from components.evaluator.evaluated_images import read_images

    return read_images(folder)


def _intervals(folder: str, classes: int, images: int) -> dict[str, Any]:
    from components.evaluator.intervals import measure_intervals

    began, memory = time.process_time(), _memory()
    measure_intervals(_read(folder), [f"class {number}" for number in range(classes)])
    return _cost(began, memory)


def _rank(folder: str, classes: int, images: int) -> dict[str, Any]:
    from components.report.ranking import choose

    began, memory = time.process_time(), _memory()
    chosen = choose(lambda: _read(folder), [f"class {number}" for number in range(classes)])
    return _cost(began, memory, f"{sum(len(part) for _, part in chosen)} images")


def _boundary(folder: str, classes: int, images: int) -> dict[str, Any]:
    import tensorflow as tf

    from serving.model.pixel_counts import boundary_counts

    rows, columns = np.indices((512, 512)) // 128
    truth = tf.constant((rows * 4 + columns) % min(_PRESENT, classes), tf.uint8)
    count = tf.function(lambda mask: boundary_counts(mask, tf.roll(mask, 9, 0), classes))
    count(truth)
    began, memory = time.process_time(), _memory()
    count(truth)
    return _cost(began, memory)


if __name__ == "__main__":
    main()
