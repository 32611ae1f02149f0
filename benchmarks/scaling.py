"""Measures each step on one core, and how its time grows with pairs, pixels and classes.

    python -m benchmarks.scaling [--pairs 50000]

The generated images show noisy discs, one for each class except the background. The corpora have
1,000 and 10,000 pairs (and `--pairs`) of 64×64 pixels and 2 classes, 1,000 pairs with more pixels,
and 1,000 pairs with more classes. Each step runs in its own process on one core, and reads files
from the page cache. Ingestion, statistics and evaluation are the whole executors of the components;
training is four steps of the default network. The evaluation covers 5 % of the pairs and uses
untrained weights, which do not change its time.
"""

import argparse
import json
import os
import re
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from benchmarks.fresh_process import measure

_SPLITS = {"train": 94, "val": 1, "test": 5}
_STEPS_TRAINED, _BATCH = 4, 8


class Corpus(NamedTuple):
    """A generated data set: number of pairs, side length in pixels, and number of classes."""

    pairs: int
    size: int
    classes: int


def main() -> None:
    """Generates each corpus, runs every step on the corpus, and prints a line of results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, help="number of pairs of an additional corpus")
    parser.add_argument("--step", choices=_STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--corpus", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(_measure(arguments.step, arguments.folder, Corpus(*arguments.corpus))))
        return
    corpora = [Corpus(1000, 64, 2), Corpus(10_000, 64, 2)]
    corpora += [Corpus(arguments.pairs, 64, 2)] if arguments.pairs else []
    corpora += [Corpus(1000, size, 2) for size in (128, 256)]
    corpora += [Corpus(1000, 64, classes) for classes in (8, 32)]
    print("one core; seconds of each step, and peak GiB of its process and of its worker")
    print(
        f"{'pairs':>7}{'pixels':>8}{'classes':>8}{'MB':>7} │ {'ingestion s':>11}{'pairs/s':>8}"
        f"{'MB/s':>6}{'GiB':>6}{'worker':>7} │ {'statistics s':>12}{'GiB':>6} │ "
        f"{'evaluated':>9}{'s':>7}{'images/s':>9}{'GiB':>6} │ {'training images/s':>17}{'GiB':>6}"
    )
    for corpus in corpora:
        print(_line(corpus), flush=True)


def _line(corpus: Corpus) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        megabytes = _write(folder / "data", corpus) / 1e6
        options = ("--folder", str(folder), "--corpus", json.dumps(corpus))
        results = {step: measure("benchmarks.scaling", "--step", step, *options) for step in _STEPS}
    ingestion, statistics = results["ingestion"], results["statistics"]
    evaluation, training = results["evaluation"], results["training"]
    return (
        f"{corpus.pairs:7}{corpus.size:8}{corpus.classes:8}{megabytes:7.0f} │ "
        f"{ingestion['seconds']:11.1f}{corpus.pairs / ingestion['seconds']:8.0f}"
        f"{megabytes / ingestion['seconds']:6.1f}{ingestion['gigabytes']:6.2f}"
        f"{ingestion['worker']:7.2f} │ {statistics['seconds']:12.1f}{statistics['gigabytes']:6.2f}"
        f" │ {evaluation['images']:9}{evaluation['seconds']:7.1f}"
        f"{evaluation['images'] / evaluation['seconds']:9.1f}{evaluation['gigabytes']:6.2f} │ "
        f"{training['images'] / training['seconds']:17.2f}{training['gigabytes']:6.2f}"
    )


def _write(folder: Path, corpus: Corpus) -> int:
    """Writes the pairs and returns the size of all files in bytes."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    with ProcessPoolExecutor() as pool:
        jobs = [(folder, corpus, number) for number in range(corpus.pairs)]
        return sum(pool.map(_write_pair, jobs, chunksize=64))


def _write_pair(job: tuple[Path, Corpus, int]) -> int:
    folder, corpus, number = job
    random = np.random.default_rng(number)
    rows, columns = np.mgrid[: corpus.size, : corpus.size] / corpus.size
    mask = np.zeros(rows.shape, np.uint8)
    for class_id in range(1, corpus.classes):
        row, column, radius = random.uniform(0.2, 0.8, 3) * (1, 1, 0.3)
        mask[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = class_id
    brightness = 60 + 160 * mask[..., None] / corpus.classes
    image = (brightness + random.normal(0, 12, (*mask.shape, 3))).clip(0, 255).astype(np.uint8)
    paths = [folder / kind / f"{number:06d}.png" for kind in ("images", "masks")]
    for path, pixels in zip(paths, (image, mask), strict=True):
        Image.fromarray(pixels).save(path, compress_level=1)
    return sum(path.stat().st_size for path in paths)


def _measure(step: str, folder: Path, corpus: Corpus) -> dict[str, Any]:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    result = _STEPS[step](folder, corpus)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return result | {"gigabytes": own, "worker": _peak_of_children()}


def _peak_of_children() -> float:
    """Returns the peak memory in GiB of the largest running child process.

    `getrusage` would include the memory of the forked process before it started another program.
    """
    peaks = [0]
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            status = Path(f"/proc/{child}/status").read_text()
            peaks += [int(size) for size in re.findall(r"VmHWM:\s+(\d+) kB", status)]
    return max(peaks) / 2**20


def _ingest(folder: Path, corpus: Corpus) -> dict[str, Any]:
    from tfx.types import standard_artifacts as types

    return _run("ExampleGen", folder, corpus, {}, {"examples": types.Examples})


def _compute_statistics(folder: Path, corpus: Corpus) -> dict[str, Any]:
    from tfx.types import standard_artifacts as types

    outputs = {"statistics": types.ExampleStatistics}
    return _run("StatisticsGen", folder, corpus, {"examples": types.Examples}, outputs)


def _evaluate(folder: Path, corpus: Corpus) -> dict[str, Any]:
    from tfx.types import standard_artifacts as types

    from components.example_gen.artifact import read_records
    from data.config import ResizeView
    from serving.model.export import export_saved_model

    view = ResizeView(kind="resize", height=corpus.size, width=corpus.size)
    export_saved_model(
        _network(corpus),
        str(folder / "model/Format-Serving"),
        classes=_names(corpus),
        view=view,
    )
    inputs = {"examples": types.Examples, "model": types.Model}
    outputs = {"evaluation": types.ModelEvaluation, "blessing": types.ModelBlessing}
    result = _run("Evaluator", folder, corpus, inputs, outputs)
    examples = types.Examples()
    examples.uri = str(folder / "examples")
    return result | {"images": sum(1 for _ in read_records(examples, "test"))}


def _train(folder: Path, corpus: Corpus) -> dict[str, Any]:
    from components.trainer.training.losses import SegmentationLoss
    from components.trainer.training.optimizer import Adam
    from data.config import Augmentation, ResizeView
    from data.input_pipeline.dataset import read_training_batches

    network = _network(corpus)
    loss = SegmentationLoss({"cross_entropy": 1.0}, [1.0] * corpus.classes)
    network.compile(Adam(1e-4), loss, jit_compile=False)
    batches = read_training_batches(
        [str(folder / "examples/Split-train/*")],
        ResizeView(kind="resize", height=corpus.size, width=corpus.size),
        _BATCH,
        seed=1,
        augmentation=Augmentation(),
    )
    network.fit(batches.take(2), verbose=0)  # traces the graph
    began = time.monotonic()
    network.fit(batches.take(_STEPS_TRAINED), verbose=0)
    return {"seconds": time.monotonic() - began, "images": _STEPS_TRAINED * _BATCH}


def _run(
    step: str,
    folder: Path,
    corpus: Corpus,
    inputs: dict[str, type],
    outputs: dict[str, type],
) -> dict[str, Any]:
    """Measures the executor of a component; the folder of each artifact is named after its key."""
    from pipeline.config.config import Config
    from pipeline.create_pipeline import create_pipeline

    config = Config.model_validate(
        {
            "name": "corpus",
            "workspace": str(folder / "runs"),
            "data": {
                "source": {"kind": "folder", "path": str(folder / "data")},
                "classes": _names(corpus),
                "splits": _SPLITS,
            },
            "gate": {"mean_iou": 0.5},
        }
    )
    component = next(node for node in create_pipeline(config).components if node.id == step)

    def artifacts(types: dict[str, type]) -> dict[str, list[Any]]:
        by_key = {key: [artifact_type()] for key, artifact_type in types.items()}
        for key, (artifact,) in by_key.items():
            artifact.uri = str(folder / key)
            if key == "examples" and types is inputs:
                artifact.split_names = json.dumps(list(_SPLITS))
            (folder / key).mkdir(exist_ok=True)
        return by_key

    executor = component.executor_spec.executor_class
    context = executor.Context(
        beam_pipeline_args=config.beam.arguments(), tmp_dir=str(folder / "scratch"), unique_id="1"
    )
    began = time.monotonic()
    executor(context).Do(artifacts(inputs), artifacts(outputs), dict(component.exec_properties))
    return {"seconds": time.monotonic() - began}


def _network(corpus: Corpus) -> Any:
    from components.trainer.config import ModelConfig
    from components.trainer.network.network import build_network
    from components.trainer.training.precision import dtype_policy

    with dtype_policy("auto"):
        return build_network(ModelConfig(width=1), corpus.classes)


def _names(corpus: Corpus) -> list[str]:
    return [f"class{number}" for number in range(corpus.classes)]


_STEPS: dict[str, Callable[[Path, Corpus], dict[str, Any]]] = {
    "ingestion": _ingest,
    "statistics": _compute_statistics,
    "evaluation": _evaluate,
    "training": _train,
}


if __name__ == "__main__":
    main()
