"""Where the training runs: devices, their strategy, and the precision they are fast in."""

import functools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from data.errors import InputError

_TF_CONFIG = "TF_CONFIG"


def choose_strategy(name: str) -> tf.distribute.Strategy:
    """Makes the strategy that a config asks for.

    Args:
      name: `one_device`, `mirrored`, `multi_worker`, or `auto`: several machines if TF_CONFIG names
        them, else all GPUs there are, else one device.

    Returns:
      The strategy. Whatever it is, a batch is dealt out among its replicas.

    Raises:
      InputError: `multi_worker` without TF_CONFIG, or with one that cannot be read.
    """
    if name == "multi_worker" or (name == "auto" and len(_workers()) > 1):
        if not _workers():
            raise InputError(
                f"training.strategy: multi_worker needs the environment variable {_TF_CONFIG}, "
                'for instance {"cluster": {"worker": ["host1:12345", "host2:12345"]}, '
                '"task": {"type": "worker", "index": 0}}.'
            )
        return _multi_worker()
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        return tf.distribute.MirroredStrategy(gpus or tf.config.list_logical_devices("CPU"))
    return tf.distribute.get_strategy()


@functools.cache
def _multi_worker() -> tf.distribute.MultiWorkerMirroredStrategy:
    # One for a search and the training after it: with the second, TensorFlow would start its server
    # anew, while the other workers may still talk to the first.
    return tf.distribute.MultiWorkerMirroredStrategy()


def prepare_for_fit(network: keras.Model, strategy: tf.distribute.Strategy, classes: int) -> None:
    """Spares a compiled network what `fit` would do beforehand, and do wrong.

    Keras would draw a batch to see what it looks like, so that each other one came too early; and
    with several machines it fails at that, and at averaging the scalars that a step reports
    (keras-team/keras#20585).

    Args:
      network: Compiled, in the strategy's scope.
      strategy: The strategy.
      classes: Number of classes.
    """
    truth = np.zeros((1, 1, 1), np.uint8)
    logits = np.zeros((1, 1, 1, classes), np.float32)
    network.compute_loss(y=truth, y_pred=logits)
    network.compute_metrics(None, truth, logits)
    network.optimizer.build(network.trainable_variables)
    network._maybe_symbolic_build = lambda **_: None
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        for name in ("train_step", "test_step"):
            setattr(network, name, _with_vectors(getattr(type(network), name), network))


def _with_vectors(
    step: Callable[..., dict[str, Any]], network: keras.Model
) -> Callable[..., dict[str, Any]]:
    """Keras averages along the first axis, which a scalar has not."""

    def with_vectors(data: object) -> dict[str, Any]:
        scores = step(network, data)
        return tf.nest.map_structure(lambda score: score[tf.newaxis], scores)

    return with_vectors


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether this process is the one that writes the model."""
    cluster = strategy.cluster_resolver
    return cluster is None or cluster.task_type in (None, "chief") or not cluster.task_id


def worker(strategy: tf.distribute.Strategy) -> int:
    """Returns this process's number among those that train together, from 0."""
    cluster = strategy.cluster_resolver
    return 0 if cluster is None else int(cluster.task_id or 0)


@contextmanager
def dtype_policy(precision: str) -> Iterator[None]:
    """Sets Keras' dtype policy for the layers built inside, and puts the old one back.

    Args:
      precision: `float32`, `bfloat16`, `float16`, or `auto`: what the hardware is fastest in.
    """
    if precision == "auto":
        precision = _fastest_precision()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _fastest_precision() -> str:
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "bfloat16" if cpu_is_faster_in_bfloat16(_cpuinfo()) else "float32"
    details = (tf.config.experimental.get_device_details(gpu) for gpu in gpus)
    capability = min(detail.get("compute_capability", (0, 0)) for detail in details)
    if capability >= (8, 0):
        return "bfloat16"
    return "float16" if capability >= (7, 0) else "float32"


def cpu_is_faster_in_bfloat16(cpuinfo: str) -> bool:
    """Returns whether a CPU trains this network faster in bfloat16 than in float32.

    Measured, at 224×224: with AMX 3.4 times as fast; with AVX512_BF16 alone 1.5 times on AMD's
    cores, which multiply bfloat16 at twice the rate, and 0.9 times on Intel's, which do not.

    Args:
      cpuinfo: What Linux says in `/proc/cpuinfo`.
    """
    words = set(cpuinfo.split())
    return "amx_bf16" in words or {"avx512_bf16", "AuthenticAMD"} <= words


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""


def _workers() -> list[str]:
    text = os.environ.get(_TF_CONFIG)
    if not text:
        return []
    try:
        cluster = json.loads(text).get("cluster", {})
        return [*cluster.get("chief", []), *cluster.get("worker", [])]
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"{_TF_CONFIG}: not the JSON object that TensorFlow expects ({error})."
        ) from error
