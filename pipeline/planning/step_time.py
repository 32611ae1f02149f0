"""Measures the duration of a training step on this machine, in a process of its own.

The command is `python -m pipeline.planning.step_time`, which reads the config as JSON from standard
input and prints the seconds. TensorFlow may use more memory than there is; then the kernel kills
that process, not this one.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.jobs.safe_path import environment_of_module
from pipeline.config.config import Config

_REPOSITORY = Path(__file__).parents[2]  # from there, `-m` imports the same code as this process
_TIMEOUT = 180  # in seconds; most of the usual time is the start of TensorFlow
_NO_MEMORY = "ResourceExhaustedError"


class TooLargeError(Exception):
    """A training step needs more memory than there is."""


def seconds_per_step(config: Config) -> float | None:
    """Measures the duration of a training step, with random weights.

    Args:
      config: The config of the pipeline.

    Returns:
      The duration in seconds; None if it cannot be measured.

    Raises:
      TooLargeError: The step needs more memory than there is.
    """
    try:
        done = subprocess.run(  # noqa: S603, the command is a module of this package
            [sys.executable, "-m", __name__],
            input=config.model_dump_json(),
            cwd=_REPOSITORY,
            env=environment_of_module(),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        if error.returncode == -signal.SIGKILL or _NO_MEMORY in error.stderr:
            raise TooLargeError from error
        return None
    except (subprocess.TimeoutExpired, OSError):
        return None
    return float(done.stdout.split()[-1])


def _measure(config: Config) -> float:
    # TensorFlow is imported only in the process that measures.
    import keras
    import tensorflow as tf

    from components.trainer.network.network import build_network, split_network
    from components.trainer.training.losses import SegmentationLoss
    from components.trainer.training.precision import dtype_policy

    training, view, classes = config.training, config.data.view, len(config.data.classes)
    with dtype_policy(training.precision):
        network = build_network(config.model.model_copy(update={"weights": "none"}), classes)
    encoder, decoder = split_network(network)
    loss, optimizer = SegmentationLoss(training.loss, [1.0] * classes), keras.optimizers.Adam()
    images = tf.zeros([training.batch_size, view.height, view.width, 3])
    masks = tf.zeros([training.batch_size, view.height, view.width], tf.uint8)
    frozen = config.model.freeze == "all"

    @tf.function(autograph=False)
    def encode() -> Any:
        return encoder(images)

    @tf.function(autograph=False)
    def train(skips: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = (
                decoder([images, *skips], training=True)
                if frozen
                else network(images, training=True)
            )
            value = loss(masks, logits)
        weights = network.trainable_variables
        optimizer.apply(tape.gradient(value, weights), weights)
        return value

    skips = encode()
    seconds = _timed(lambda: train(skips).numpy())
    if frozen:  # the encoder runs once for several steps
        seconds += _timed(lambda: [skip.numpy() for skip in encode()]) / training.feature_uses
    return seconds


def _timed(run: Callable[[], object]) -> float:
    run()  # compiles the graph
    began = time.monotonic()
    run()
    return time.monotonic() - began


if __name__ == "__main__":
    print(_measure(Config.model_validate_json(sys.stdin.read())))
