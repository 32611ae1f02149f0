"""Measures the processor time that the search for wrong masks adds to an evaluation.

    python -m benchmarks.evaluation [--calls 12] [--masks 100000]

The default network with random weights is exported with the search and, as the rival, without it.
Each evaluates the same image, in turns; the table has the least time of all calls. The last column
is the time that the Evaluator takes to find the regions in what the model returns. Then, the memory
of a whole process that ranks a tenth of `--masks` scored masks and all of them, as the report does.
"""

import argparse
import io
import json
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

import pipeline  # noqa: F401, first: it sets environment variables for TensorFlow
from benchmarks.fresh_process import measure
from components.evaluator.evaluated_masks import read_masks
from components.labels.ranking import ScoredMask, rank_masks
from components.labels.scores import LabelScores, Region, score_mask
from components.trainer.config import ModelConfig
from components.trainer.network.network import build_network
from data.config import ResizeView
from data.examples.features import IMAGE, MASK
from serving.doubts import doubts_of
from serving.model.export import export_saved_model
from serving.model.label_doubts import LABEL_DOUBTS, LABEL_QUALITY
from serving.signature import EVALUATION

_CASES = ((224, 3), (1024, 3), (1024, 20))
_PATCH = 32  # side of the squares of which the masks consist, in pixels


def main() -> None:
    """Prints the processor time of an evaluation, with the search and without it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=12)
    parser.add_argument("--masks", type=int, default=100_000)
    parser.add_argument("--rank", help=argparse.SUPPRESS)  # measured in a new process
    arguments = parser.parse_args()
    if arguments.rank:
        print(json.dumps(_rank(arguments.rank)))
        return
    print(f"{'CPU ms':24}{'with the search':>17}{'without':>9}{'regions':>9}")
    for side, classes in _CASES:
        row = _measure(side, classes, arguments.calls)
        cells = "".join(f"{ms:{width}.1f}" for ms, width in zip(row, (17, 9, 9), strict=True))
        print(f"{f'{side}×{side}, {classes} classes':24}{cells}", flush=True)
    print(f"\n{'masks':>10}{'peak MiB':>10}{'CPU ms/mask':>13}")
    for count in (arguments.masks // 10, arguments.masks):
        with tempfile.TemporaryDirectory() as folder:
            _write_masks(Path(folder, "masks-test-00000-of-00001.jsonl"), count)
            peak, milliseconds = measure("benchmarks.evaluation", "--rank", folder)
        print(f"{count:10,}{peak:10.0f}{milliseconds:13.3f}", flush=True)


def _measure(side: int, classes: int, calls: int) -> list[float]:
    random = np.random.default_rng(0)
    network = build_network(ModelConfig(weights="none", width=0.25), classes)
    pixels = random.integers(0, 256, (side // 8, side // 8, 3), np.uint8)
    squares = random.integers(0, classes, (side // _PATCH, side // _PATCH), np.uint8)
    mask = squares.repeat(_PATCH, 0).repeat(_PATCH, 1)
    files = {IMAGE: Image.fromarray(pixels).resize((side, side)), MASK: Image.fromarray(mask)}
    example = tf.train.Example()
    for name, picture in files.items():
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        example.features.feature[name].bytes_list.value.append(buffer.getvalue())
    examples = tf.constant([example.SerializeToString()])
    evaluate = _exported(network, classes)
    with (
        patch("serving.model.graph.label_quality", lambda *_: tf.zeros([])),
        patch("serving.model.graph.label_doubts", lambda *_: tf.zeros([1, 1, 2], tf.uint8)),
    ):
        rival = _exported(network, classes)
    found = evaluate(examples=examples)
    quality, png = (found[name][0].numpy() for name in (LABEL_QUALITY, LABEL_DOUBTS))
    runs: Sequence[Callable[[], object]] = (
        lambda: evaluate(examples=examples),
        lambda: rival(examples=examples),
        lambda: score_mask(doubts_of(quality, png), mask),
    )
    times: list[list[float]] = [[], [], []]
    for call in range(3 * calls):
        began = time.process_time()
        runs[call % 3]()
        times[call % 3].append(1000 * (time.process_time() - began))
    return list(map(min, times))


def _write_masks(path: Path, count: int) -> None:
    random = np.random.default_rng(0)
    with path.open("w") as file:
        for number, suspicion in enumerate(random.random(count).tolist()):
            scores = LabelScores(0.5, suspicion, 3, Region(0, 1, 2, 3, 6, 8, 20, 0.9))
            mask = ScoredMask(f"{number:08d}", "test", f"{number:064x}", scores)
            file.write(json.dumps(mask) + "\n")


def _rank(folder: str) -> tuple[float, float]:
    """Returns the peak of this process in MiB, and the CPU ms per mask."""
    began = time.process_time()
    scored = rank_masks(read_masks(folder), set(), 20).scored
    milliseconds = 1000 * (time.process_time() - began) / scored
    # Unlike `ru_maxrss`, this peak does not begin with the memory of the parent process.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak) / 1024, milliseconds


def _exported(network: keras.Model, classes: int) -> Any:
    view = ResizeView(kind="resize", height=224, width=224)
    names = [str(number) for number in range(classes)]
    with tempfile.TemporaryDirectory() as folder:
        export_saved_model(network, folder, classes=names, view=view)
        return tf.saved_model.load(folder).signatures[EVALUATION]


if __name__ == "__main__":
    main()
