"""Measures a served model in each precision on two kinds of processors.

    python -m benchmarks.precision [--size 224] [--batch 4] [--batches 4]

The model is a default network with a narrow decoder, called by the signature `serving_default`. The
model runs on this processor, and again with oneDNN limited to AVX-512 without bfloat16, as on many
cloud machines. Float32 is the rival. Each measurement runs in its own process.
"""

import argparse
import io
import json
import os
import sys
import tempfile
import time
from typing import get_args

import numpy as np
from PIL import Image

from benchmarks.fresh_process import measure
from serving.config import Precision

_PRECISIONS = get_args(Precision)
_PROCESSORS = {"this processor": "DEFAULT", "AVX-512, no bfloat16": "AVX512_CORE"}  # oneDNN's names
_CLASSES = ["ocean", "land", "lake"]


def main() -> None:
    """Measures every precision on both kinds of processors, and prints times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=224, help="height and width")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--precision", choices=_PRECISIONS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.precision:
        print(
            json.dumps(
                _time(arguments.precision, arguments.size, arguments.batch, arguments.batches)
            )
        )
        return
    print(
        f"{arguments.size}×{arguments.size} pixels, batch {arguments.batch}, {os.cpu_count()} cores"
    )
    print(f"{'processor':24}{'precision':12}CPU s/image   of float32   s/image")
    for processor, instructions in _PROCESSORS.items():
        rival = None
        for precision in _PRECISIONS:
            cpu, wall = measure(
                "benchmarks.precision",
                *sys.argv[1:],
                "--precision",
                precision,
                ONEDNN_MAX_CPU_ISA=instructions,
            )
            rival = rival or cpu
            print(f"{processor:24}{precision:12}{cpu:11.3f}{cpu / rival:13.2f}{wall:10.3f}")


def _time(precision: Precision, size: int, batch: int, batches: int) -> tuple[float, float]:
    """Returns CPU seconds and wall seconds per image of the fastest batch."""
    import pipeline  # noqa: F401, I001, it sets environment variables
    import tensorflow as tf

    from components.trainer.config import ModelConfig
    from components.trainer.training.precision import dtype_policy
    from components.trainer.network.network import build_network
    from data.config import ResizeView
    from serving.model.export import export_saved_model

    with dtype_policy(precision):
        network = build_network(ModelConfig(weights="none", width=0.25), len(_CLASSES))
    with tempfile.TemporaryDirectory() as folder:
        view = ResizeView(kind="resize", height=size, width=size)
        export_saved_model(network, folder, classes=_CLASSES, view=view)
        loaded = tf.saved_model.load(folder)
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    images = tf.constant(batch * [file.getvalue()])
    signature = loaded.signatures["serving_default"]
    signature(image_bytes=images)  # allocates memory
    times = []
    for _ in range(batches):
        cpu, wall = time.process_time(), time.perf_counter()
        signature(image_bytes=images)
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    cpu, wall = np.min(times, axis=0) / batch
    return float(cpu), float(wall)


if __name__ == "__main__":
    main()
