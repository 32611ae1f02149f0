"""The input pipeline against the training step it feeds.

    python -m benchmarks.input_pipeline

The examples are the Blue Marble sample's tiles of 224×224 pixels, ingested by the project's own
reading; the network is the default U-Net at batch 8, compiled as the Trainer does. The pipeline is
timed alone; training once on a batch that lies in memory, and once fed by the pipeline.
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
from data.sources.pairs import find_pairs

CLASSES = ["ocean", "land", "lake"]
BATCH = 8
STEPS = 4  # of training, each way; a step of the default network takes seconds on a CPU
WHOLE = ResizeView(kind="resize", height=224, width=224)
CROPS = CropView(kind="crop", height=160, width=160)
EVERYTHING = Augmentation(
    flip="both",
    rotation=15,
    scale=0.2,
    brightness=0.1,
    contrast=0.2,
    saturation=0.2,
    hue=0.05,
)


def main() -> None:
    """Writes the examples, times both, and prints the rates and their ratios."""
    keras.utils.set_random_seed(1)
    tf.config.experimental.enable_op_determinism()  # as the Trainer does
    with tempfile.TemporaryDirectory() as scratch:
        file = str(Path(scratch) / "train.gz")
        count = _write_examples(Path(scratch) / "sample", file)
        print(f"{count} tiles, {os.cpu_count()} cores; images a second")
        alone = {
            "as they are": _pipeline_rate(_batches(file, WHOLE, Augmentation())),
            "all augmentation": _pipeline_rate(_batches(file, WHOLE, EVERYTHING)),
            "the same, cached": _pipeline_rate(_batches(file, WHOLE, EVERYTHING, cache=True)),
            "crops of 160, all augmentation": _pipeline_rate(_batches(file, CROPS, EVERYTHING)),
        }
        fed, from_memory = _training_rates(_batches(file, WHOLE, EVERYTHING))
    print(f"{'training on one batch in memory':54}{from_memory:8.2f}")
    print(f"{'training fed with all augmentation':54}{fed:8.2f}{fed / from_memory:8.0%} of it")
    for name, rate in alone.items():
        print(
            f"{f'input pipeline alone, {name}':54}{rate:8.1f}{rate / from_memory:8.0f} × training"
        )


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
    """Of the second pass: the first one fills the cache and finds out what to do in parallel."""
    for _ in range(2):
        began, count = time.monotonic(), 0
        for images, _ in batches:
            count += len(images)
        seconds = time.monotonic() - began
    return count / seconds


def _training_rates(batches: tf.data.Dataset) -> tuple[float, float]:
    training = TrainingConfig()
    with dtype_policy(training.precision):
        network = build_network(ModelConfig(), len(CLASSES))
    network.compile(
        optimizer=Adam(training.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=IGNORE),
        jit_compile="auto" if tf.config.list_logical_devices("GPU") else False,
    )
    in_memory = batches.take(1).cache().repeat(STEPS)
    network.fit(in_memory, steps_per_epoch=1, shuffle=False, verbose=0)  # traces the graph

    def rate(fed_by: tf.data.Dataset) -> float:
        began = time.monotonic()
        network.fit(fed_by, steps_per_epoch=STEPS, shuffle=False, verbose=0)
        return STEPS * BATCH / (time.monotonic() - began)

    before, fed, after = rate(in_memory), rate(batches.take(STEPS)), rate(in_memory)
    return fed, (before + after) / 2  # before and after, since machines are shared


if __name__ == "__main__":
    main()
