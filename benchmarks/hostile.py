"""Sends damaged and hostile files through ingestion, the exported graph and the server.

    python -m benchmarks.hostile [--cases 100] [--first 0]

The files are changed copies of small files of every format (see `benchmarks.mutations`). Every case
is always the same, so a finding can be repeated by its format and number. Ingestion reads each file
as an image and as a mask. The graph and the server get the file as it is and, if it is not a PNG or
JPEG, as ingestion stored it. The model is a network of a single convolution.

A size is wrong if a mask differs in size from its image. Pixels are different if TensorFlow decodes
what ingestion stored to other values than ingestion.
"""

import argparse
import functools
import os
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from benchmarks.mutations import mutated, real_files
from data.config import DataConfig, ResizeView
from data.errors import PairError, one_line
from data.examples.parsing import decode_image, decode_mask
from data.rasters.images import load_image
from data.rasters.masks import load_mask
from serving.model.export import export_saved_model
from serving.server.errors import Code, RequestError
from serving.server.limits import check_pixels
from serving.server.loaded_model import LoadedModel
from serving.signature import IMAGES, MASKS, SIGNATURE

MAX_PIXELS = 1_000_000
_DATA = DataConfig.model_validate(
    {
        "source": {"kind": "folder", "path": "x"},
        "classes": [f"class_{i}" for i in range(255)],
        "max_pixels": MAX_PIXELS,
    }
)
_SECONDS = 60.0  # timeout of a request, the default of the server
_STAGES = ("ingestion", "graph", "server")

Result = TypeVar("Result")


@dataclass
class Stage:
    """Results of all files in a stage.

    Attributes:
      accepted: Number of files that were read.
      refused: Number of files that were refused with the error that is meant for it.
      exceptions: Number of files with any other error.
      wrong_sizes: Number of files with a result of a wrong size.
      different: Number of files with different pixels.
      seconds: Longest processor time for a file, and the name of the case.
      mebibytes: Largest growth of memory during a file, and the name of the case.
    """

    accepted: int = 0
    refused: int = 0
    exceptions: int = 0
    wrong_sizes: int = 0
    different: int = 0
    seconds: tuple[float, str] = (0.0, "")
    mebibytes: tuple[float, str] = (0.0, "")


class Trial:
    """Runs cases through all stages.

    Attributes:
      stages: Results so far, by stage.
      findings: One line for each exception, wrong size or difference.
    """

    def __init__(self, folder: str) -> None:
        """Exports a model, and loads it as TensorFlow and as the server do.

        Args:
          folder: Folder for the SavedModel.
        """
        images = keras.Input((None, None, 3))
        network = keras.Model(images, keras.layers.Conv2D(3, 1)(images))
        view = ResizeView(kind="resize", height=32, width=32)
        classes = ["ocean", "land", "lake"]
        export_saved_model(network, folder, classes=classes, view=view, max_pixels=MAX_PIXELS)
        self._loaded = tf.saved_model.load(folder)
        self._server = LoadedModel(folder)
        self.stages = {name: Stage() for name in _STAGES}
        self.findings: list[str] = []

    def run(self, case: str, content: bytes) -> None:
        """Runs one case through all stages.

        Args:
          case: Name of the case.
          content: Bytes of the file.
        """
        image = self._try("ingestion", case, PairError, lambda: load_image(content, "x", _DATA))
        mask = self._try("ingestion", case, PairError, lambda: load_mask(content, "x", _DATA))
        if image:
            self._compare(case, decode_image, image.encoded, image.pixels)
        if mask:
            self._compare(case, decode_mask, mask.encoded, mask.class_ids)
        for file in {content, image.encoded} if image else {content}:
            for stage, error, serve in (
                ("graph", tf.errors.InvalidArgumentError, self._run_graph),
                ("server", RequestError, self._run_server),
            ):
                encoded = self._try(stage, case, error, functools.partial(serve, file))
                if encoded is None:
                    if image and file == image.encoded:
                        self._find("exceptions", stage, case, "refuses what ingestion stored")
                elif decode_mask(encoded).shape != decode_image(file).shape[:2]:
                    self._find("wrong_sizes", stage, case, f"{decode_mask(encoded).shape}")

    def _try(
        self, stage: str, case: str, expected: type[Exception], call: Callable[[], Result]
    ) -> Result | None:
        """Calls a function, measures it and counts its result; returns None after an error."""
        counts = self.stages[stage]
        processes = _start_of_peaks()
        began = _cpu_seconds()
        result = None
        try:
            result = call()
            counts.accepted += 1
        except expected:
            counts.refused += 1
        except Exception as error:
            self._find("exceptions", stage, case, f"{type(error).__name__}: {error}")
        seconds = _cpu_seconds() - began
        counts.seconds = max(counts.seconds, (seconds, case))
        counts.mebibytes = max(counts.mebibytes, (_growth(processes) / 2**20, case))
        return result

    def _run_graph(self, file: bytes) -> bytes:
        outputs = self._loaded.signatures[SIGNATURE](image_bytes=tf.constant([file]))
        return bytes(outputs[MASKS].numpy()[0])

    def _run_server(self, file: bytes) -> bytes:
        inputs = {IMAGES: np.array([file], object)}
        try:
            check_pixels(SIGNATURE, inputs, MAX_PIXELS)
            return bytes(self._server.run(SIGNATURE, inputs, _SECONDS)[MASKS][0])
        except RequestError as error:
            if error.code != Code.INVALID_ARGUMENT:
                raise ValueError(error.code.name) from error
            raise

    def _compare(
        self,
        case: str,
        decode: Callable[[bytes], tf.Tensor],
        encoded: bytes,
        pixels: npt.NDArray[np.uint8],
    ) -> None:
        try:
            stored = decode(encoded).numpy()
        except tf.errors.OpError as error:
            self._find("exceptions", "ingestion", case, f"TensorFlow cannot decode it: {error}")
            return
        if stored.shape != pixels.shape:
            self._find("wrong_sizes", "ingestion", case, f"{stored.shape}, not {pixels.shape}")
        elif (stored != pixels).any():
            share = (stored != pixels).mean()
            self._find("different", "ingestion", case, f"{share:.2%} of the values differ")

    def _find(self, kind: str, stage: str, case: str, text: str) -> None:
        counts = self.stages[stage]
        setattr(counts, kind, getattr(counts, kind) + 1)
        self.findings.append(f"{case}: {stage}: {one_line(text, 160)}")


def main() -> None:
    """Runs all cases, and prints a table of the stages, and the findings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100, help="changed copies of each file")
    parser.add_argument("--first", type=int, default=0, help="number of the first copy")
    arguments = parser.parse_args()
    began = time.monotonic()
    trial = run_cases(range(arguments.first, arguments.first + arguments.cases))
    files = len(real_files()) * arguments.cases
    print(f"{files} files in {time.monotonic() - began:.0f} s, {os.cpu_count()} cores")
    print(f"{'':10}     read  refused  exceptions  wrong sizes  different pixels")
    for name, stage in trial.stages.items():
        counts = f"{stage.accepted:9}{stage.refused:9}{stage.exceptions:12}{stage.wrong_sizes:13}"
        print(f"{name:10}{counts}{stage.different:18}")
        print(f"{'':10} worst: {stage.seconds[0]:.2f} s of processor time ({stage.seconds[1]})")
        print(f"{'':10} worst: {stage.mebibytes[0]:.0f} MiB ({stage.mebibytes[1]})")
    print(*trial.findings, sep="\n")


def run_cases(numbers: Iterable[int]) -> Trial:
    """Runs changed copies of each file through all stages.

    Args:
      numbers: Numbers of the copies.

    Returns:
      The results.
    """
    files = real_files()
    names = sorted(files)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of damaged metadata
        trial = Trial(folder)
        for number in numbers:
            for place, name in enumerate(names):
                other = files[names[(place + number) % len(names)]]
                seed = (number, zlib.crc32(name.encode()))
                trial.run(f"{name} {number}", mutated(files[name], other, seed))
    return trial


def _processes() -> list[int]:
    """Returns the ids of this process and of the processes that it started."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [os.getpid(), *map(int, children)]


def _start_of_peaks() -> dict[int, int]:
    """Resets the peaks of memory, and returns the present memory of each process, in bytes."""
    for process in _processes():
        Path(f"/proc/{process}/clear_refs").write_text("5")
    return {process: _status(process, "VmRSS") for process in _processes()}


def _growth(before: Mapping[int, int]) -> int:
    return sum(_status(p, "VmHWM") - before.get(p, _status(p, "VmRSS")) for p in _processes())


def _status(process: int, key: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(key)), 0)


def _cpu_seconds() -> float:
    """Returns the processor time of this process and of those that it started, in seconds."""
    ticks = 0
    for process in _processes():
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))  # also of its ended children
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
