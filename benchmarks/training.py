"""Compares training with plain Keras, and inference with OpenVINO.

    python -m benchmarks.training [--size 224] [--batch 4] [--steps 50]

The rival for training is the reference VGG16 U-Net as in a notebook: plain Keras, float32, `fit` on
arrays, frozen encoder. unetfx trains the decoders `notebook` (the same architecture and initial
weights) and `unet`, compiled as in the Trainer. All networks train on the same tiles of the sample
in the same order. The rival for inference is OpenVINO with the same weights, in bfloat16 if the CPU
supports bfloat16.

Each side runs in its own process. Plain Keras runs first and last, because the load of a shared
machine varies.
"""

import argparse
import itertools
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.fresh_process import measure
from benchmarks.rivals import notebook_network
from data.sources.blue_marble import write_blue_marble

CLASSES = ["ocean", "land", "lake"]
LEARNING_RATE = 1e-4
_UNTIMED = 2  # first steps, which trace graphs and allocate memory
_INFERENCES = 8  # number of batches


def main() -> None:
    """Writes the tiles, runs every side, and prints rates, memory and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=224, help="height and width, at most 224")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--side", choices=_SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(_SIDES[arguments.side](arguments.folder, arguments.batch)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _write_tiles(folder, arguments.size, arguments.batch * arguments.steps)
        options = ("--folder", str(folder), "--batch", str(arguments.batch))
        results = [
            (side, measure("benchmarks.training", "--side", side, *options))
            for side in ("keras", "notebook", "unet", "keras", "exported", "openvino")
        ]
    print(
        f"{arguments.size}×{arguments.size} pixels, batch {arguments.batch}, {arguments.steps} "
        f"steps, {os.cpu_count()} cores, computing in {dict(results)['notebook']['precision']}"
    )
    _print_training(results)
    _print_inference(dict(results))


def _print_training(results: list[tuple[str, dict[str, Any]]]) -> None:
    titles = {
        "keras": "plain Keras",
        "notebook": "decoder: notebook",
        "unet": "decoder: unet",
    }
    rivals = [facts for side, facts in results if side == "keras"]
    wall = float(np.mean([facts["wall"] for facts in rivals]))
    cpu = float(np.mean([facts["cpu"] for facts in rivals]))
    print(f"{'training':22}images/s   × Keras   CPU s/image   × Keras   peak GiB")
    for side, facts in results:
        if side in titles:
            print(
                f"{titles[side]:22}{1 / facts['wall']:8.2f}{wall / facts['wall']:10.2f}"
                f"{facts['cpu']:14.3f}{cpu / facts['cpu']:10.2f}{facts['gigabytes']:11.2f}"
            )
    rival, own = (np.array(dict(results)[side]["losses"]) for side in ("keras", "notebook"))
    difference = np.abs(_running_mean(own) / _running_mean(rival) - 1).max()
    print(f"running means of the loss, same architecture: at most {difference:.2%} apart")


def _print_inference(results: dict[str, dict[str, Any]]) -> None:
    own, rival = results["exported"], results["openvino"]
    print(f"{'inference':22}images/s   × OpenVINO   CPU s/image   × OpenVINO")
    for title, facts in (("OpenVINO", rival), ("the exported graph", own)):
        print(
            f"{title:22}{1 / facts['wall']:8.2f}{rival['wall'] / facts['wall']:13.2f}"
            f"{facts['cpu']:14.3f}{rival['cpu'] / facts['cpu']:13.2f}"
        )


def _running_mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.cumsum(values) / np.arange(1, len(values) + 1)


def _write_tiles(folder: Path, size: int, count: int) -> None:
    write_blue_marble(folder / "sample")
    tiles = sorted((folder / "sample" / "images").rglob("*.png"))
    chosen = list(itertools.islice(itertools.cycle(tiles), count))
    for kind in ("images", "masks"):
        pixels = []
        for tile in chosen:
            parts = [kind if part == "images" else part for part in tile.parts]
            with Image.open(Path(*parts)) as picture:
                pixels.append(np.asarray(picture)[:size, :size])
        np.save(folder / f"{kind}.npy", np.stack(pixels))


def _plain_keras(folder: Path, batch: int) -> dict[str, Any]:
    import keras

    images = np.load(folder / "images.npy")
    keras.utils.set_random_seed(1)
    network = notebook_network(images.shape[1:], len(CLASSES))
    network.compile(keras.optimizers.Adam(LEARNING_RATE), "sparse_categorical_crossentropy")
    np.savez(folder / "first_weights.npz", *network.get_weights())
    return _train(network, images, np.load(folder / "masks.npy"), batch) | {"precision": "float32"}


def _unetfx(decoder: str) -> Callable[[Path, int], dict[str, Any]]:
    def train(folder: Path, batch: int) -> dict[str, Any]:
        import pipeline  # noqa: F401, first: it sets environment variables for TensorFlow

        # isort: split
        import tensorflow as tf

        from components.trainer.training.losses import SegmentationLoss
        from components.trainer.training.metrics import ClassIoU
        from components.trainer.training.optimizer import Adam

        network = _network(decoder, "auto")
        tf.config.experimental.enable_op_determinism()
        if decoder == "notebook":
            with np.load(folder / "first_weights.npz") as file:
                network.set_weights([file[name] for name in file.files])
        network.compile(
            Adam(LEARNING_RATE),
            SegmentationLoss({"cross_entropy": 1.0}, [1.0] * len(CLASSES)),
            metrics=[ClassIoU(CLASSES)],
            jit_compile=False,
        )
        images, masks = np.load(folder / "images.npy"), np.load(folder / "masks.npy")
        precision = network.get_layer("head").compute_dtype
        return _train(network, images, masks, batch) | {"precision": precision}

    return train


def _train(
    network: Any, images: npt.NDArray[np.uint8], masks: npt.NDArray[np.uint8], batch: int
) -> dict[str, Any]:
    import keras

    class StepTimes(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.steps: list[tuple[float, float, float]] = []

        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            self.steps.append((time.perf_counter(), time.process_time(), (logs or {})["loss"]))

    step_times = StepTimes()
    network.fit(
        images.astype(np.float32),
        masks,
        batch_size=batch,
        shuffle=False,
        verbose=0,
        callbacks=[step_times],
    )
    wall, cpu, means = np.array(step_times.steps).T
    # Keras reports the mean of the losses up to each step.
    losses = np.diff(means * np.arange(1, len(means) + 1), prepend=0)
    timed = batch * (len(wall) - _UNTIMED)
    return {
        "wall": (wall[-1] - wall[_UNTIMED - 1]) / timed,
        "cpu": (cpu[-1] - cpu[_UNTIMED - 1]) / timed,
        "losses": losses.tolist(),
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def _infer_exported(folder: Path, batch: int) -> dict[str, Any]:
    import pipeline  # noqa: F401, first: it sets environment variables for TensorFlow

    # isort: split
    import tensorflow as tf

    from data.config import ResizeView
    from serving.model.export import export_saved_model

    images = np.load(folder / "images.npy")
    height, width = images.shape[1:3]
    network = _network("unet", "auto")
    network.save_weights(folder / "network.weights.h5")
    view = ResizeView(kind="resize", height=height, width=width)
    export_saved_model(network, str(folder / "model"), classes=CLASSES, view=view)
    served = tf.saved_model.load(str(folder / "model")).signatures["probabilities"]
    return _time(
        lambda batch_images: served(images=tf.constant(batch_images))["probabilities"].numpy(),
        images,
        batch,
    )


def _infer_openvino(folder: Path, batch: int) -> dict[str, Any]:
    import openvino
    import tensorflow as tf

    images = np.load(folder / "images.npy")
    network = _network("unet", "float32")
    network.load_weights(folder / "network.weights.h5")
    spec = tf.TensorSpec([batch, *images.shape[1:]], tf.float32, "images")
    graph = tf.function(lambda x: tf.nn.softmax(network(x, training=False)), input_signature=[spec])
    module = tf.Module()
    module.graph = graph
    module.variables_to_save = [variable.value for variable in network.variables]
    tf.saved_model.save(module, str(folder / "plain"), signatures=graph)
    core = openvino.Core()
    capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    hint = {"INFERENCE_PRECISION_HINT": "bf16" if "BF16" in capabilities else "f32"}
    compiled = core.compile_model(openvino.convert_model(str(folder / "plain")), "CPU", hint)
    return _time(lambda batch_images: compiled([batch_images.astype(np.float32)])[0], images, batch)


def _time(
    infer: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]],
    images: npt.NDArray[np.uint8],
    batch: int,
) -> dict[str, Any]:
    infer(images[:batch])
    wall, cpu = time.perf_counter(), time.process_time()
    for i in range(_INFERENCES):
        first = i * batch % (len(images) - batch + 1)
        infer(images[first : first + batch])
    timed = _INFERENCES * batch
    return {
        "wall": (time.perf_counter() - wall) / timed,
        "cpu": (time.process_time() - cpu) / timed,
    }


def _network(decoder: str, precision: str) -> Any:
    import keras

    from components.trainer.config import ModelConfig
    from components.trainer.network.network import build_network
    from components.trainer.training.precision import dtype_policy

    keras.utils.set_random_seed(1)
    with dtype_policy(precision):
        config = ModelConfig.model_validate({"decoder": decoder, "width": 1})
        return build_network(config, len(CLASSES))


_SIDES: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "keras": _plain_keras,
    "notebook": _unetfx("notebook"),
    "unet": _unetfx("unet"),
    "exported": _infer_exported,
    "openvino": _infer_openvino,
}


if __name__ == "__main__":
    main()
