"""What the served model should compute in, by what the processor has.

    python -m benchmarks.precision [--size 224] [--batch 4] [--batches 4]

The signature `serving_default` of a default network with a narrow decoder, exported in each
precision, on this processor as it is, and with oneDNN told that it has AVX-512 but nothing for
bfloat16, as many in clouds. Float32 is the rival. Each runs in a process of its own.
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
_PROCESSORS = {"as it is": "DEFAULT", "AVX-512, no bfloat16": "AVX512_CORE"}
_CLASSES = ["ocean", "land", "lake"]


def main() -> None:
    """Runs every precision on every processor, and prints its time and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=224, help="height and width")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--precision", choices=_PRECISIONS, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.precision:
        print(json.dumps(_time(told.precision, told.size, told.batch, told.batches)))
        return
    print(f"{told.size}×{told.size} pixels, batch {told.batch}, {os.cpu_count()} cores")
    print(f"{'processor':24}{'precision':12}CPU s/image   of float32   s/image")
    for processor, most in _PROCESSORS.items():
        rival = None
        for precision in _PRECISIONS:
            cpu, wall = measure(
                "benchmarks.precision",
                *sys.argv[1:],
                "--precision",
                precision,
                ONEDNN_MAX_CPU_ISA=most,
            )
            rival = rival or cpu
            print(f"{processor:24}{precision:12}{cpu:11.3f}{cpu / rival:13.2f}{wall:10.3f}")


def _time(precision: Precision, size: int, batch: int, batches: int) -> tuple[float, float]:
    """Processor seconds and seconds of an image, the fastest batch's."""
    import pipeline  # noqa: F401, I001, its settings of TensorFlow
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
    signature(image_bytes=images)  # finds memory
    times = []
    for _ in range(batches):
        cpu, wall = time.process_time(), time.perf_counter()
        signature(image_bytes=images)
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    cpu, wall = np.min(times, axis=0) / batch
    return float(cpu), float(wall)


if __name__ == "__main__":
    main()
