"""Measures what it gains and costs to use the features of a frozen encoder several times.

    python -m benchmarks.feature_reuse [--uses 1 2 4 8] [--epochs 5] [--seeds 2]

The data sets are those of `benchmarks.decoders`. For each number of uses (`training.feature_uses`),
the Trainer's own code trains a decoder of width 0.25 twice: for the same number of steps, and for
about the same processor time as the first number of uses. The score is the mean IoU on whole images
of groups that are not in the training set, after the last epoch. The output is the mean of the
scores over the seeds, half of their range, and the processor time relative to the first row. The
features of the test images are kept in memory in all rows.
"""

import argparse
import csv
import io
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

import pipeline  # noqa: F401, first: it sets environment variables for TensorFlow
from benchmarks.decoders import Pair, data_sets
from components.trainer.config import ModelConfig, TrainerSettings, TrainingConfig
from components.trainer.training.checkpoints import MONITOR
from components.trainer.training.devices import choose_strategy
from components.trainer.training.training import Training
from data.config import Augmentation, CropView
from data.examples import features

_VIEW = CropView(kind="crop", height=128, width=128)
_BATCH = 4
_STEPS = 60  # minimum number of steps in an epoch


class _Result(NamedTuple):
    score: float  # mean IoU
    seconds: float  # processor time


class _DataSet(NamedTuple):
    folder: Path  # has train.gz and test.gz
    num_classes: int
    crops_per_image: int


def main() -> None:
    """Trains with every number of uses on every data set, and prints a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uses", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    seeds = range(1, arguments.seeds + 1)
    for title, (train, test) in data_sets():
        with tempfile.TemporaryDirectory() as scratch:
            data = _write(Path(scratch), train, test)
            steps = -(-len(train) * data.crops_per_image // _BATCH)
            print(
                f"\n{title}: {len(train)} images to train, {len(test)} to test, "
                f"{data.num_classes} classes; {arguments.epochs} epochs of {steps} steps"
            )
            print("uses        same steps, time        same time, time")
            reference = 0.0
            for uses in arguments.uses:
                results = [_train(data, uses, arguments.epochs, seed) for seed in seeds]
                seconds = float(np.mean([result.seconds for result in results]))
                reference = reference or seconds
                epochs = round(arguments.epochs * reference / seconds)
                longer = (
                    results
                    if epochs == arguments.epochs
                    else [_train(data, uses, epochs, seed) for seed in seeds]
                )
                columns = "".join(_column(some, reference) for some in (results, longer))
                print(f"{uses:4}{columns}", flush=True)


def _column(results: list[_Result], reference: float) -> str:
    scores = [result.score for result in results]
    seconds = np.mean([result.seconds for result in results])
    return f"{np.mean(scores):11.3f} ± {np.ptp(scores) / 2:.3f}{seconds / reference:7.2f}"


def _write(folder: Path, train: list[Pair], test: list[Pair]) -> _DataSet:
    for split, pairs in (("train", train), ("test", test)):
        with tf.io.TFRecordWriter(str(folder / f"{split}.gz"), "GZIP") as writer:
            for pair in pairs:
                example = tf.train.Example()
                feature = example.features.feature
                feature[features.KEY].bytes_list.value.append(b"")
                feature[features.IMAGE].bytes_list.value.append(_png(pair.image))
                feature[features.MASK].bytes_list.value.append(_png(pair.class_ids))
                writer.write(example.SerializeToString())
    num_classes = 1 + max(int(pair.class_ids.max()) for pair in train)
    return _DataSet(folder, num_classes, crops_per_image=-(-_STEPS * _BATCH // len(train)))


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def _train(data: _DataSet, uses: int, epochs: int, seed: int) -> _Result:
    keras.utils.clear_session()
    settings = TrainerSettings(
        classes=[f"class {number}" for number in range(data.num_classes)],
        view=_VIEW,
        model=ModelConfig(width=0.25),
        training=TrainingConfig(
            batch_size=_BATCH,
            epochs=epochs,
            patience=epochs,
            learning_rate=2e-3,
            schedule="cosine",
            warmup_epochs=0.5,
            loss={"cross_entropy": 1.0, "dice": 1.0},
            augmentation=Augmentation(flip="both"),
            crops_per_image=data.crops_per_image,
            class_aware_crops=0.5,
            cache="memory",
            feature_uses=uses,
            feature_memory_mib=2048,
            seed=seed,
        ),
        code="",
    )
    with tempfile.TemporaryDirectory() as scratch:
        training = Training(
            settings,
            choose_strategy("one_device"),
            [str(data.folder / "train.gz")],
            [str(data.folder / "test.gz")],
            folder=f"{scratch}/checkpoints",
            log_dir=f"{scratch}/logs",
            shown=False,
        )
        began = time.process_time()
        training.run()
        seconds = time.process_time() - began
        history = Path(scratch, "logs", "phase1", "history.csv").read_text()
    last_epoch = list(csv.DictReader(io.StringIO(history)))[-1]
    return _Result(float(last_epoch[MONITOR]), seconds)


if __name__ == "__main__":
    main()
