"""Chooses the distribution strategy, which determines the devices that TensorFlow trains on."""

import functools
import json
import os

import tensorflow as tf

from data.errors import InputError

_TF_CONFIG = "TF_CONFIG"


def choose_strategy(name: str) -> tf.distribute.Strategy:
    """Creates the distribution strategy for a value of `training.strategy`.

    Args:
      name: `one_device`, `mirrored` (all GPUs of this machine), `multi_worker` (the machines that
        the environment variable TF_CONFIG lists), or `auto`. `auto` uses the machines in TF_CONFIG
        if there are several, otherwise all GPUs of this machine, otherwise one device.

    Returns:
      The strategy, which determines how each batch is divided among the devices.

    Raises:
      InputError: `name` is `multi_worker` but TF_CONFIG lists no machines, or TF_CONFIG is
        malformed.
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
    # The Tuner and the Trainer share one strategy when they run in the same process. A second
    # strategy would restart the TensorFlow server, which other workers may still be using.
    return tf.distribute.MultiWorkerMirroredStrategy()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether this process is the chief worker.

    Only the chief worker exports the model and prints progress.
    """
    return worker(strategy) == 0


def worker(strategy: tf.distribute.Strategy) -> int:
    """Returns the index of this process among the strategy's workers; the chief has index 0.

    TensorFlow's `task_id` numbers the chief and the other workers separately. If TF_CONFIG lists a
    chief, the index of a worker is therefore its `task_id` plus 1.
    """
    cluster = strategy.cluster_resolver
    if cluster is None:
        return 0
    chiefs = cluster.cluster_spec().as_dict().get("chief", [])
    return int(cluster.task_id or 0) + (len(chiefs) if cluster.task_type == "worker" else 0)


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
