"""Sets the precision (dtype) in which a network computes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import keras
import tensorflow as tf

from serving.config import Precision


@contextmanager
def dtype_policy(precision: str) -> Iterator[None]:
    """Sets Keras' dtype policy inside the `with` block, then restores the previous policy.

    Args:
      precision: `float32`, `bfloat16`, `float16`, or `auto` for the fastest dtype on this machine.
        The policies for `bfloat16` and `float16` keep the weights in float32.
    """
    if precision == "auto":
        precision = _fastest_precision()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def set_precision(network: keras.Model, precision: Precision | Literal["auto"]) -> None:
    """Changes the precision in which a network computes; its weights stay the same.

    Args:
      network: The network from `build_network`.
      precision: The new precision; `auto` for the fastest one on this machine.
    """
    with dtype_policy(precision):
        policy = keras.config.dtype_policy()
    for layer in _all_layers(network):
        # The logits stay in float32 (see `build_network`).
        if layer.name != "logits":
            layer.dtype_policy = policy


def _all_layers(layer: keras.Layer) -> Iterator[keras.Layer]:
    yield layer
    for inner in getattr(layer, "layers", ()):
        yield from _all_layers(inner)


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
    """Returns whether a CPU trains the network faster in bfloat16 than in float32.

    The choice is based on the measured training speed at 224×224 pixels. On a CPU with AMX,
    bfloat16 was 3.4 times as fast as float32. On CPUs with AVX512_BF16 but without AMX, bfloat16
    was 1.5 times as fast on AMD cores, which multiply bfloat16 at twice the rate of float32, but
    only 0.9 times as fast on Intel cores, which do not.

    Args:
      cpuinfo: Text of `/proc/cpuinfo`, or an empty string on systems without this file.
    """
    flags = set(cpuinfo.split())
    return "amx_bf16" in flags or {"avx512_bf16", "AuthenticAMD"} <= flags


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
