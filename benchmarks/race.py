"""Races unetfx against the reference notebook and segmentation-models-pytorch, on one machine.

    python -m benchmarks.race [--seconds 300] [--seeds 1] [--picture docs/race.png]

All train a U-Net on the same tiles of Blue Marble, with the same frozen VGG16 encoder (weights
`hed-bsds500`), and are scored by the mean IoU on the same tiles of other regions. The sides:

- the reference notebook: plain Keras, float32, cross-entropy, Adam; once as it is, and once with
  batch normalisation in the decoder, since it may predict one class only;
- `smp.Unet("vgg16")` of segmentation-models-pytorch with its own decoder: Dice and cross-entropy,
  AdamW, cosine, flips, bfloat16, channels last;
- unetfx, by the defaults of its config.

All train for about the given processor time, in which the scores are not counted. The time of
unetfx includes all that its Trainer does: its own validation, the features that it keeps, and the
tracing of graphs. Each side runs in a process of its own, in turns; all use all cores.
"""

import argparse
import contextlib
import json
import math
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import vl_convert

from benchmarks.fresh_process import measure
from benchmarks.rivals import BATCH, TIMED, UNTIMED, Scores, latency, notebook, smp, smp_step

_SECONDS, _SCORE = "processor seconds of training", "mean IoU on tiles of other regions"
_ENOUGH = 0.95  # share of the best rival's score


def main() -> None:
    """Runs every side, prints the table, and draws the scores over the processor time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300, help="processor time of a rival")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", choices=_SIDES, nargs="+", default=list(_SIDES))
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--side", choices=_SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        result = _SIDES[arguments.side](arguments.folder, arguments.seed, arguments.seconds)
        result["gigabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps(result))
        return
    results: dict[str, list[dict[str, Any]]] = {side: [] for side in arguments.only}
    with tempfile.TemporaryDirectory() as scratch:
        _write_data(Path(scratch))
        for seed in range(1, arguments.seeds + 1):
            for side in arguments.only:
                options = ("--side", side, "--seed", str(seed), "--folder", scratch)
                seconds = ("--seconds", str(arguments.seconds))
                results[side].append(measure("benchmarks.race", *options, *seconds))
                print(f"{side}, seed {seed}: {json.dumps(results[side][-1])}", flush=True)
    _print(results)
    if arguments.picture:
        _draw(results, arguments.picture)


def _write_data(folder: Path) -> None:
    """Writes images, masks and the encoder's weights, since PyTorch cannot be beside TensorFlow."""
    import keras

    from benchmarks.data_sets import data_sets, write_examples
    from components.trainer.network.weights import load_weights

    _, (train, held_out) = next(data_sets())
    for name, pairs in (("train", train), ("val", held_out)):
        write_examples(pairs, folder / f"{name}.gz")
        np.save(folder / f"{name}_images.npy", np.stack([pair.image for pair in pairs]))
        np.save(folder / f"{name}_masks.npy", np.stack([pair.class_ids for pair in pairs]))
    vgg = keras.applications.VGG16(include_top=False, weights=None)
    load_weights(vgg, vgg, "hed-bsds500", keras.applications.VGG16)
    np.savez(folder / "vgg16.npz", *vgg.get_weights())


def _print(results: dict[str, list[dict[str, Any]]]) -> None:
    trained = {side: runs for side, runs in results.items() if "points" in runs[0]}
    final = {
        side: float(np.mean([run["points"][-1][1] for run in runs]))
        for side, runs in trained.items()
    }
    goal = _ENOUGH * max(score for side, score in final.items() if side != "unetfx")
    print(
        f"\n{'':26}mean IoU   CPU s   CPU s to {goal:.3f}   CPU s/image   ms to predict   peak GiB"
    )
    for side, runs in results.items():
        step = statistics.mean(run["step"] for run in runs)
        memory = max(run["gigabytes"] for run in runs)
        if side not in trained:
            print(f"{side:26}{'':33}{step:14.3f}{'':16}{memory:11.1f}")
            continue
        seconds = statistics.mean(run["points"][-1][0] for run in runs)
        reached = [_reached(run["points"], goal) for run in runs]
        to_goal = "never" if math.inf in reached else f"{statistics.mean(reached):.0f}"
        milliseconds = statistics.mean(run["latency"] for run in runs)
        print(
            f"{side:26}{final[side]:8.3f}{seconds:8.0f}{to_goal:>17}{step:14.3f}{milliseconds:16.0f}"
            f"{memory:11.1f}"
        )


def _reached(points: list[tuple[float, float]], goal: float) -> float:
    return next((seconds for seconds, score in points if score >= goal), math.inf)


def _draw(results: dict[str, list[dict[str, Any]]], path: Path) -> None:
    rows = [
        {"side": side, "seed": seed, _SECONDS: seconds, _SCORE: score}
        for side, runs in results.items()
        for seed, run in enumerate(runs)
        for seconds, score in run.get("points", [])
    ]
    colour = {"field": "side", "type": "nominal", "sort": list(results), "title": None}
    chart = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 560,
        "height": 320,
        "padding": 12,
        "background": "white",
        "data": {"values": rows},
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {"field": _SECONDS, "type": "quantitative", "scale": {"zero": True}},
            "y": {"field": _SCORE, "type": "quantitative", "scale": {"domain": [0, 1]}},
            "color": colour,
            "strokeDash": {**colour, "legend": None},
            "detail": {"field": "seed", "type": "nominal"},
        },
    }
    path.write_bytes(vl_convert.vegalite_to_png(chart, scale=2))


class _FinishedError(Exception):
    pass


def _training(folder: Path, seed: int, **model: Any) -> Any:
    """Returns a training run by the defaults of the config, except for these keys of `model`."""
    import pipeline  # noqa: F401, first: it sets environment variables for TensorFlow

    # isort: split
    from components.trainer.config import ModelConfig, TrainerSettings, TrainingConfig
    from components.trainer.training.devices import choose_strategy
    from components.trainer.training.training import Training
    from data.config import ResizeView

    masks = np.load(folder / "train_masks.npy")
    height, width = masks.shape[1:]
    scratch = Path(tempfile.mkdtemp(dir=folder))
    return Training(
        TrainerSettings(
            classes=[f"class {number}" for number in range(1 + masks.max())],
            view=ResizeView(kind="resize", height=height, width=width),
            model=ModelConfig(**model),
            training=TrainingConfig(batch_size=BATCH, seed=seed),
            code="",
        ),
        choose_strategy("one_device"),
        [str(folder / "train.gz")],
        [str(folder / "val.gz")],
        folder=str(scratch / "checkpoints"),
        log_dir=str(scratch / "logs"),
        shown=False,
    )


def _run(training: Any, after_step: Callable[[], bool]) -> None:
    """Trains until `after_step`, which is called after each step, returns False."""
    from components.trainer.training import training as module
    from components.trainer.training.steps import Steps

    class ObservedSteps(Steps):
        def train(self, batch: Any) -> float:
            loss = super().train(batch)
            if not after_step():
                raise _FinishedError
            return loss

    with mock.patch.object(module, "Steps", ObservedSteps), contextlib.suppress(_FinishedError):
        training.run()


def _unetfx(folder: Path, seed: int, seconds: float) -> dict[str, Any]:
    training = _training(folder, seed)
    import tensorflow as tf

    network = training.network
    infer = tf.function(lambda x: tf.argmax(network(x, training=False), -1))

    def predict(images: Any) -> Any:
        return infer(tf.constant(images, tf.float32))

    def predict_with_averages(images: Any) -> Any:
        network.optimizer.swap_averages()
        class_ids = predict(images)
        network.optimizer.swap_averages()
        return class_ids

    scores = Scores(predict_with_averages, folder, seconds)
    _run(training, scores.finish_step)
    return {
        "points": scores.points,
        "step": scores.points[-1][0] / scores.steps / BATCH,
        "latency": latency(predict, folder),
    }


def _unetfx_step(folder: Path, seed: int, _: float) -> dict[str, Any]:
    training, times = _training(folder, seed, width=1), []

    def after_step() -> bool:
        times.append(time.process_time())
        return len(times) <= UNTIMED + TIMED

    _run(training, after_step)
    return {"step": (times[-1] - times[UNTIMED]) / TIMED / BATCH}


_SIDES: dict[str, Callable[[Path, int, float], dict[str, Any]]] = {
    "the notebook": notebook(normalised=False),
    "the notebook, normalised": notebook(normalised=True),
    "smp": smp,
    "unetfx": _unetfx,
    "smp, channels 512…64": smp_step,
    "unetfx, channels 512…64": _unetfx_step,
}


if __name__ == "__main__":
    main()
