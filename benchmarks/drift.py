"""Measures how soon `unetfx drift` finds changed images, its false alarms, and its cost in latency.

    python -m benchmarks.drift [--days 100] [--calls 100]

The training data are the `train` split of the Blue Marble sample. A day has 200 requests, drawn
with replacement from the tiles of `val` and `test`, which are from other places. Their answers are
those of a model without errors. On clean days the tiles are unchanged; on other days all tiles have
one change. The table has, for each change and each number of requests, the share of days on which
something is found, and what is found most often.

For the latency, a network with random weights is exported with the statistics and, as the rival,
without them; both decode the image as often. Their calls alternate, and the ratios of neighbouring
calls have a median with an exact 95 % interval. Calls of the statistics alone show the cost on a
machine with other work.
"""

import argparse
import io
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf
import tensorflow_data_validation as tfdv
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.stats import quantile_test

from components.trainer.config import ModelConfig
from components.trainer.network.network import build_network
from components.validator.request_drift import request_drift
from components.validator.schema import infer_schema
from data.config import ResizeView
from data.examples.features import fraction
from data.examples.image_statistics import image_statistics
from data.listing.pairs import find_pairs
from pipeline.config.loading import load_config
from serving.model.export import export_saved_model
from serving.model.input_statistics import COUNT, input_statistics
from serving.request_log import Answer

_CONFIG = Path(__file__).parents[1] / "pipeline" / "configs" / "blue_marble.yaml"
_REQUESTS = (50, 100, 200)
_CHANGED_DAYS = 10
_NOW = datetime(2026, 11, 30, tzinfo=timezone.utc)
_Pixels = npt.NDArray[np.uint8]
_Numbers = npt.NDArray[np.float64]
_random = np.random.default_rng(0)


class _Tile(NamedTuple):
    pixels: _Pixels
    shares: Mapping[str, float]


def _scaled(factor: float) -> Callable[[_Numbers], _Numbers]:
    return lambda pixels: (pixels - pixels.mean((0, 1))) * factor + pixels.mean((0, 1))


def _blurred(sigma: float) -> Callable[[_Numbers], _Numbers]:
    return lambda pixels: gaussian_filter(pixels, (sigma, sigma, 0))


def _noisy(sigma: float) -> Callable[[_Numbers], _Numbers]:
    return lambda pixels: pixels + _random.normal(0, sigma, pixels.shape)


def _tinted(shift: float) -> Callable[[_Numbers], _Numbers]:
    return lambda pixels: pixels + np.array((shift, 0, -shift))


# A tenth of the range of values is 25.5. Contrast 0.4, blur 1 and noise 20 are the mildest of the
# five strengths of ImageNet-C, brightness +51 the second mildest; the data set has no change of
# colour.
CHANGES: Mapping[str, Callable[[_Numbers], _Numbers]] = {
    "none": lambda pixels: pixels,
    "brightness +25": lambda pixels: pixels + 25.5,
    "brightness +51": lambda pixels: pixels + 51.0,
    "Gaussian blur, sigma 0.5": _blurred(0.5),
    "Gaussian blur, sigma 1": _blurred(1),
    "Gaussian noise, sigma 5": _noisy(5),
    "Gaussian noise, sigma 20": _noisy(20),
    "contrast × 0.7": _scaled(0.7),
    "contrast × 0.4": _scaled(0.4),
    "red +10, blue -10": _tinted(10.0),
    "red +25, blue -25": _tinted(25.5),
}


def main() -> None:
    """Measures detection, false alarms and latency, and prints them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=100, help="clean days; 0 for the latency alone")
    parser.add_argument("--calls", type=int, default=100, help="calls of each model")
    arguments = parser.parse_args()
    if arguments.days:
        with patch("components.validator.request_drift.FEWEST", min(_REQUESTS)):
            _detection(arguments.days)
    for height, width, kind in ((224, 224, "PNG"), (1536, 2048, "JPEG")):
        _latency(height, width, kind, arguments.calls)


def _detection(clean_days: int) -> None:
    by_split = _tiles()
    rows = {name: [_row(tile) for tile in tiles] for name, tiles in by_split.items()}
    statistics = {
        # Examples hold numbers as float32.
        name: tfdv.generate_statistics_from_dataframe(pd.DataFrame(some).astype("float32"))
        for name, some in rows.items()
    }
    schema = infer_schema(list(statistics.values()))
    held_out = [*by_split["val"], *by_split["test"]]
    print(f"{len(rows['train'])} tiles for training, {len(held_out)} others")
    print(
        f"{'change':26}{'days':>5}" + "".join(f"{n:>6}" for n in _REQUESTS) + "  found most often"
    )
    for name, change in CHANGES.items():
        pool = _answers(held_out, change)
        days = clean_days if name == "none" else _CHANGED_DAYS
        found: Counter[int] = Counter()
        titles: Counter[str] = Counter()
        for _ in range(days):
            requests = [pool[i] for i in _random.integers(len(pool), size=max(_REQUESTS))]
            for count in _REQUESTS:
                result = request_drift(
                    requests[:count], statistics["train"], schema, ("ocean", "land", "lake")
                )
                found[count] += bool(result.sentences)
            titles.update(line.partition(" differs")[0] for line in result.sentences)
        shares = "".join(f"{found[count] / days:6.2f}" for count in _REQUESTS)
        often = ", ".join(title for title, _ in titles.most_common(2))
        print(f"{name:26}{days:5}{shares}  {often}", flush=True)


def _tiles() -> dict[str, list[_Tile]]:
    config = load_config(_CONFIG)
    tiles: dict[str, list[_Tile]] = {"train": [], "val": [], "test": []}
    with tempfile.TemporaryDirectory() as scratch:
        pairs = find_pairs(config.data, name=config.name, folder=f"{scratch}/sample").pairs
        for pair in pairs:
            with Image.open(pair.image) as image, Image.open(pair.mask) as mask:
                pixels, class_ids = np.asarray(image.convert("RGB")), np.asarray(mask)
            shares = np.bincount(class_ids.ravel(), minlength=len(config.data.classes))
            by_class = dict(
                zip(config.data.classes, (shares / class_ids.size).tolist(), strict=True)
            )
            tiles[pair.split].append(_Tile(pixels, by_class))
    return tiles


def _row(tile: _Tile) -> dict[str, float]:
    shares = {fraction(name): share for name, share in tile.shares.items()}
    return image_statistics(tile.pixels).features() | shares


def _answers(tiles: Sequence[_Tile], change: Callable[[_Numbers], _Numbers]) -> list[Answer]:
    answers = []
    for tile in tiles:
        changed = change(tile.pixels.astype(float)).round().clip(0, 255).astype(np.uint8)
        described = dict(image_statistics(changed).features())
        answers.append(
            Answer(time=_NOW, statistics=described, classes=dict(tile.shares), confidence=None)
        )
    return answers


def _latency(height: int, width: int, kind: str, calls: int) -> None:
    network = build_network(ModelConfig(weights="none", width=0.25), 3)
    noise = _random.integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((width, height)).save(file, kind)
    images = tf.constant([file.getvalue()])
    served = _exported(network)

    def without(image: tf.Tensor) -> tf.Tensor:
        return tf.fill([COUNT], tf.cast(tf.size(image), tf.float32))

    with patch("serving.model.inference.input_statistics", without):
        rival = _exported(network)
    alone = tf.function(input_statistics)
    pixels = tf.constant(np.asarray(Image.open(file).convert("RGB")))
    calls_of: Mapping[str, Callable[[], object]] = {
        "with statistics": lambda: served(image_bytes=images),
        "without": lambda: rival(image_bytes=images),
        "statistics alone": lambda: alone(pixels),
    }
    times: dict[str, list[tuple[float, float]]] = {title: [] for title in calls_of}
    order = list(calls_of)
    for repeat in range(calls + 3):
        order.reverse()  # so that none of them gains by what it follows
        for title in order:
            wall, cpu = time.perf_counter(), time.process_time()
            calls_of[title]()
            if repeat >= 3:  # the first calls allocate memory
                times[title].append((time.perf_counter() - wall, time.process_time() - cpu))
    print(f"{width}×{height} {kind}, {os.cpu_count()} cores, median of {calls} calls in ms:")
    for title, some in times.items():
        median = 1000 * np.median(some, axis=0)
        print(f"  {title:18} latency {median[0]:.2f}   processor time {median[1]:.2f}")
    ratios = np.array(times["with statistics"]) / np.array(times["without"])
    for title, some in zip(("latency", "processor time"), ratios.T, strict=True):
        low, high = quantile_test(some, p=0.5).confidence_interval()
        print(f"  {title} with / without: {np.median(some):.3f} ({low:.3f} to {high:.3f})")


def _exported(network: tf.keras.Model) -> Callable[..., Mapping[str, tf.Tensor]]:
    view = ResizeView(kind="resize", height=224, width=224)
    with tempfile.TemporaryDirectory() as folder:
        export_saved_model(network, folder, classes=["ocean", "land", "lake"], view=view)
        signature: Callable[..., Mapping[str, tf.Tensor]] = tf.saved_model.load(folder).signatures[
            "serving_default"
        ]
    return signature


if __name__ == "__main__":
    main()
