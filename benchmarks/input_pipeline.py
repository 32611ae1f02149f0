"""Compares the speed of the input pipeline with the speed of training.

    python -m benchmarks.input_pipeline

The examples are the 224×224 tiles of the Blue Marble sample, in the same form as from ExampleGen.
The network is the default U-Net with batches of 8, compiled as in the Trainer. Training is measured
twice: on one batch in memory, and on the batches of the pipeline.
"""

import os
import tempfile
import time
from pathlib import Path

import keras
import tensorflow as tf

from components.trainer.config import ModelConfig, TrainingConfig
from components.trainer.network.network import build_network
from components.trainer.training.optimizer import Adam
from components.trainer.training.precision import dtype_policy
from data.config import IGNORE, Augmentation, CropView, DataConfig, ResizeView, View
from data.examples.reading import read_pair
from data.examples.writing import make_example
from data.input_pipeline.dataset import read_training_batches
from data.listing.pairs import find_pairs

CLASSES = ["ocean", "land", "lake"]
BATCH = 8
STEPS = 4  # training steps, each of which takes seconds on a CPU
WHOLE = ResizeView(kind="resize", height=224, width=224)
CROPS = CropView(kind="crop", height=160, width=160)
ALL_AUGMENTATION = Augmentation(
    flip="both",
    rotation=15,
    scale=0.2,
    brightness=0.1,
    contrast=0.2,
    saturation=0.2,
    hue=0.05,
)


def main() -> None:
    """Writes the examples, measures pipeline and training, and prints the rates and ratios."""
    keras.utils.set_random_seed(1)
    tf.config.experimental.enable_op_determinism()  # as in the Trainer
    with tempfile.TemporaryDirectory() as scratch:
        file = str(Path(scratch) / "train.gz")
        count = _write_examples(Path(scratch) / "sample", file)
        print(f"{count} tiles, {os.cpu_count()} cores; images per second")
        pipeline_rates = {
            "no augmentation": _pipeline_rate(_batches(file, WHOLE, Augmentation())),
            "all augmentation": _pipeline_rate(_batches(file, WHOLE, ALL_AUGMENTATION)),
            "all augmentation, cached": _pipeline_rate(
                _batches(file, WHOLE, ALL_AUGMENTATION, cache=True)
            ),
            "crops of 160, all augmentation": _pipeline_rate(
                _batches(file, CROPS, ALL_AUGMENTATION)
            ),
        }
        from_pipeline, from_memory = _training_rates(_batches(file, WHOLE, ALL_AUGMENTATION))
    print(f"{'training on one batch in memory':54}{from_memory:8.2f}")
    print(
        f"{'training on the pipeline, all augmentation':54}{from_pipeline:8.2f}"
        f"{from_pipeline / from_memory:8.0%} of it"
    )
    for name, rate in pipeline_rates.items():
        title = f"pipeline without training, {name}"
        print(f"{title:54}{rate:8.1f}{rate / from_memory:8.0f} × training")


def _write_examples(folder: Path, file: str) -> int:
    data = DataConfig.model_validate(
        {"source": {"kind": "sample", "name": "blue_marble"}, "classes": CLASSES}
    )
    pairs = find_pairs(data, name="blue_marble", folder=str(folder)).pairs
    with tf.io.TFRecordWriter(file, "GZIP") as writer:
        for pair in pairs:
            writer.write(make_example(read_pair(pair, data), CLASSES).SerializeToString())
    return len(pairs)


def _batches(
    file: str, view: View, augmentation: Augmentation, *, cache: bool = False
) -> tf.data.Dataset:
    return read_training_batches(
        [file], view, BATCH, seed=1, augmentation=augmentation, cache=cache
    )


def _pipeline_rate(batches: tf.data.Dataset) -> float:
    """Returns images per second in the second pass.

    During the first pass, the cache is filled, and tf.data tunes its parallelism.
    """
    for _ in range(2):
        began, count = time.monotonic(), 0
        for images, _ in batches:
            count += len(images)
        seconds = time.monotonic() - began
    return count / seconds


def _training_rates(batches: tf.data.Dataset) -> tuple[float, float]:
    """Returns images per second of training on the pipeline and on one batch in memory."""
    training = TrainingConfig()
    with dtype_policy(training.precision):
        network = build_network(ModelConfig(width=1), len(CLASSES))
    network.compile(
        optimizer=Adam(training.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=IGNORE),
        jit_compile="auto" if tf.config.list_logical_devices("GPU") else False,
    )
    in_memory = batches.take(1).cache().repeat(STEPS)
    network.fit(in_memory, steps_per_epoch=1, shuffle=False, verbose=0)  # traces the graph

    def rate(dataset: tf.data.Dataset) -> float:
        began = time.monotonic()
        network.fit(dataset, steps_per_epoch=STEPS, shuffle=False, verbose=0)
        return STEPS * BATCH / (time.monotonic() - began)

    before, from_pipeline, after = rate(in_memory), rate(batches.take(STEPS)), rate(in_memory)
    return from_pipeline, (before + after) / 2  # two runs, because the machine's load varies


if __name__ == "__main__":
    main()
