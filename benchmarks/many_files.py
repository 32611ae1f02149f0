"""Measures whether memory stays constant and time grows linearly with the number of pairs.

    python -m benchmarks.many_files [--pairs 10000 100000 1000000] [--steps night] [--manifest]
    python -m benchmarks.many_files --flat
    python -m benchmarks.many_files --beam '{profile: flink, master: "flink:8081"}'

The generated corpus consists of pairs of PNG files of 8×8 pixels, with 1,000 pairs in each folder,
or all in one folder. No two images are equal, and the masks are hard links to a few files. For each
number of pairs, every step runs in a new process:

- `names`: the part of the search for changes that lists the files, without reading them. It runs in
  one process; the time is CPU time.
- `first`: the search for changes at the start of the first retraining, which lists all pairs and
  hashes all files.
- `night`: the command `unetfx retrain` when nothing has changed since the last retraining.
- `tenth`: the search for changes after every tenth image has changed.
- `check`: the command `unetfx check`, which reads every pair.
- `ingestion`: the executor of ExampleGen, without the time to import TensorFlow and TFX.

The peak memory is printed for the process of the step (MiB), and for the largest process that the
step starts (others MiB). With `--beam`, the jobs of the steps run on that Beam runner.
"""

import argparse
import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import struct
import tempfile
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from benchmarks.fresh_process import measure

_SIDE = 8  # width and height of the images, in pixels
_A_FOLDER = 1000  # number of pairs in each folder, unless all are in one
_MOST_LINKS = 50_000  # maximum number of hard links to a file; ext4 allows 65,000
_INTERVAL = 0.1  # seconds between two measurements of the other processes' memory
_LINE = "{:>9}  {:<10}{:>9}{:>10}{:>8}{:>12}"


def main() -> None:
    """Writes each corpus, runs the steps on the corpus, and prints a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--steps", nargs="+", choices=_STEPS, default=list(_STEPS))
    parser.add_argument("--manifest", action="store_true", help="list the pairs in a CSV file")
    parser.add_argument("--flat", action="store_true", help="all pairs in one folder")
    parser.add_argument("--beam", type=yaml.safe_load, help="section `beam` of the config")
    parser.add_argument("--folder", type=Path, help="folder for the corpus")
    parser.add_argument("--step", choices=_STEPS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(_measure(arguments.step, arguments.folder)))
        return
    print(_LINE.format("pairs", "step", "s", "µs/pair", "MiB", "others MiB"))
    for pairs in arguments.pairs:
        folder = Path(tempfile.mkdtemp(dir=arguments.folder))
        try:
            names = _names(pairs, pairs if arguments.flat else _A_FOLDER)
            _write(folder, names)
            _write_config(folder, names if arguments.manifest else [], arguments.beam)
            for step in arguments.steps:
                if step == "tenth":
                    _change_every_tenth(folder)
                options = ("--step", step, "--folder", str(folder))
                seconds, own, others = measure("benchmarks.many_files", *options)
                per_pair = f"{1e6 * seconds / pairs:.1f}"
                cells = (f"{pairs:,}", step, f"{seconds:.1f}", per_pair, own, others)
                print(_LINE.format(*cells), flush=True)
        finally:
            shutil.rmtree(folder)


def _names(pairs: int, a_folder: int) -> list[str]:
    return [f"{number // a_folder:04d}/{number:07d}.png" for number in range(pairs)]


def _write(folder: Path, names: Sequence[str]) -> None:
    mask = _png(bytes([0, 1] * (_SIDE * _SIDE // 2)))
    for number in range(-(-len(names) // _MOST_LINKS)):
        (folder / f"mask-{number}.png").write_bytes(mask)
    for inner in {os.path.dirname(name) for name in names}:
        for kind in ("images", "masks"):
            (folder / "data" / kind / inner).mkdir(parents=True)
    with ProcessPoolExecutor() as pool:
        starts = range(0, len(names), _A_FOLDER)
        parts = [names[start : start + _A_FOLDER] for start in starts]
        list(pool.map(functools.partial(_write_pairs, folder), parts))


def _write_config(folder: Path, listed: Sequence[str], beam: dict[str, Any] | None) -> None:
    source: dict[str, Any] = {"kind": "folder", "path": str(folder / "data")}
    if listed:
        source = {"kind": "manifest", "path": str(folder / "data/pairs.csv")}
        with (folder / "data/pairs.csv").open("w") as table:
            table.write("image,mask,scanner\n")
            table.writelines(f"images/{name},masks/{name},A\n" for name in listed)
    config = {
        "name": "corpus",
        "workspace": str(folder / "runs"),
        "data": {"source": source, "classes": ["ground", "disc"]},
        "gate": {"mean_iou": 0.5},
        "beam": beam or {"profile": "local"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def _write_pairs(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        image = folder / "data/images" / name
        _write_image(image, salt=b"")
        mask = folder / f"mask-{int(image.stem) // _MOST_LINKS}.png"
        os.link(mask, folder / "data/masks" / name)


def _write_image(path: Path, salt: bytes) -> None:
    pixels = 2 * hashlib.sha256(path.stem.encode() + salt).digest()
    path.write_bytes(_png(pixels))


def _change_every_tenth(folder: Path) -> None:
    for image in sorted((folder / "data/images").glob("*/*0.png")):
        _write_image(image, salt=b"changed")


def _png(pixels: bytes) -> bytes:
    rows = b"".join(b"\0" + pixels[start : start + _SIDE] for start in range(0, _SIDE**2, _SIDE))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows, 1)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def _measure(step: str, folder: Path) -> tuple[float, int, int]:
    """Returns a step's time in seconds, and the peak MiB of this process and of any other."""
    with _peak_of_others() as others:
        seconds = _STEPS[step](folder)
    return seconds, _peak(os.getpid()) >> 10, others() >> 10


@contextlib.contextmanager
def _peak_of_others() -> Iterator[Callable[[], int]]:
    """Yields a function that returns the highest peak memory of any descendant process, in kB.

    Until a new process starts its program, it has the memory of its parent. Only processes that
    were seen more than three times are therefore counted, with the last two measurements.
    """
    peaks: dict[int, list[int]] = defaultdict(list)
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_INTERVAL):
            for process in _descendants(os.getpid()):
                peaks[process].append(_peak(process))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: max((max(seen[-2:]) for seen in peaks.values() if len(seen) > 3), default=0)
    finally:
        done.set()
        thread.join()


def _descendants(process: int) -> list[int]:
    found = []
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended
            for child in map(int, children.read_text().split()):
                found += [child, *_descendants(child)]
    return found


def _peak(process: int) -> int:
    """Returns the peak resident memory of a process in kB; 0 if it has ended."""
    with contextlib.suppress(OSError):
        match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
        return int(match[1]) if match else 0
    return 0


def _list_names(folder: Path) -> float:
    from data.listing.stages import ListSettings, find_rows
    from data.sources.registry import SOURCES
    from pipeline.config.loading import load_config

    data = load_config(folder / "config.yaml").data
    parts = SOURCES[data.source.kind].parts(data.source, "", data)
    rows = str(folder / "rows")
    settings = ListSettings(data, "corpus", {0: data.source}, (), rows, rows, None, False, 0)
    began = time.process_time()
    for part in parts:
        find_rows((0, part), settings)
    return time.process_time() - began


def _find_changes(folder: Path) -> float:
    began = time.monotonic()
    from pipeline.config.loading import load_config
    from pipeline.retraining.changes import PastRetraining, find_changes, save_retraining

    config = load_config(folder / "config.yaml")
    state = find_changes(config).state
    seconds = time.monotonic() - began
    past = PastRetraining(state=state, run="1", outcome="pushed", reasons=[])
    save_retraining(config, past)
    return seconds


def _retrain(folder: Path) -> float:
    began = time.monotonic()
    from pipeline.retraining.retrain import retrain

    retrain(folder / "config.yaml")
    return time.monotonic() - began


def _check(folder: Path) -> float:
    began = time.monotonic()
    from pipeline.commands.check import run_check

    run_check(folder / "config.yaml")
    return time.monotonic() - began


def _ingest(folder: Path) -> float:
    from tfx.types import standard_artifacts

    from pipeline.config.loading import load_config
    from pipeline.create_pipeline import create_pipeline

    config = load_config(folder / "config.yaml")
    pipeline = create_pipeline(config)
    component = next(node for node in pipeline.components if node.id == "ExampleGen")
    examples = standard_artifacts.Examples()
    examples.uri = str(folder / "examples")
    executor = component.executor_spec.executor_class
    context = executor.Context(
        beam_pipeline_args=config.beam.arguments(), tmp_dir=str(folder / "scratch"), unique_id="1"
    )
    began = time.monotonic()
    executor(context).Do({}, {"examples": [examples]}, dict(component.exec_properties))
    return time.monotonic() - began


_STEPS: dict[str, Callable[[Path], float]] = {
    "names": _list_names,
    "first": _find_changes,
    "night": _retrain,
    "tenth": _find_changes,
    "check": _check,
    "ingestion": _ingest,
}


if __name__ == "__main__":
    main()
