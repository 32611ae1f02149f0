"""Compares the ingestion with a plain loop that reads and decodes the same files.

    python -m benchmarks.ingestion [--pairs 20000] [--suffix .tif]

The corpus consists of the 224-pixel tiles of the Blue Marble sample and their palette masks, as PNG
or uncompressed TIFF, which is the format that costs unetfx most: a second process decodes it.
The tiles are mirrored, rotated and marked, so that no two tiles are equal. Both sides read the
files from the page cache. Ingestion is the whole executor of ExampleGen, which lists, reads,
decodes, checks, measures and hashes the files, and writes gzipped TFRecord files; the time includes
starting processes. Beam has one worker, as with the profile `local`; the rate with two workers is
printed as well. The loop has two processes. The processor time of both sides is printed too, since
other programs on the machine change it less than the rate.
"""

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from benchmarks.fresh_process import measure
from data.sources.blue_marble import TILE, write_blue_marble

WORKERS = 2
_POSITIONS = [
    (mirror, rotation)
    for mirror in (None, Image.Transpose.FLIP_LEFT_RIGHT)
    for rotation in (
        None,
        Image.Transpose.ROTATE_90,
        Image.Transpose.ROTATE_180,
        Image.Transpose.ROTATE_270,
    )
]
_FEW = 2000  # pairs in a small corpus, to check whether memory grows with the number of pairs


class Costs(NamedTuple):
    """Costs of one side.

    Attributes:
      seconds: Elapsed time.
      cpu_seconds: Processor time of all processes.
      gibibytes: Peak memory of the largest process; 0 if it was not measured.
    """

    seconds: float
    cpu_seconds: float
    gibibytes: float = 0.0


def main() -> None:
    """Writes the corpus, runs both sides, and prints rates, memory and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--suffix", choices=(".png", ".tif"), default=".png")
    parser.add_argument("--ingest", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--beam-workers", type=int, default=1, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ingest:
        _ingest(arguments.ingest, arguments.beam_workers)
        return
    with tempfile.TemporaryDirectory() as scratch:
        many, few = Path(scratch) / "many", Path(scratch) / "few"
        sample = Path(scratch) / "sample"
        _write_corpus(sample, many, arguments.pairs, arguments.suffix)
        _write_corpus(sample, few, min(_FEW, arguments.pairs), arguments.suffix)
        _plain_loop(many)  # fills the page cache
        before = _plain_loop(many)
        ingestion = _ingest_in_new_process(many)
        after = _plain_loop(many)
        more_workers = _ingest_in_new_process(many, beam_workers=WORKERS)
        memory_of_few = _ingest_in_new_process(few).gibibytes
    # Two runs, because the load of a shared machine varies.
    seconds = (before.seconds + after.seconds) / 2
    cpu_seconds = (before.cpu_seconds + after.cpu_seconds) / 2
    count = arguments.pairs
    print(f"{count} pairs of {TILE}×{TILE} pixels, {os.cpu_count()} cores")
    print(f"plain loop, {WORKERS} processes   {_rate(count, seconds, cpu_seconds)}")
    print(f"ingestion                 {_rate(count, ingestion.seconds, ingestion.cpu_seconds)}")
    print(f"  ratio of the rates      {seconds / ingestion.seconds:7.2f}")
    print(f"  ratio, processor time   {cpu_seconds / ingestion.cpu_seconds:7.2f}")
    print(f"  with {WORKERS} Beam workers     {count / more_workers.seconds:7.0f} pairs/s")
    print(f"peak memory of a process  {ingestion.gibibytes:7.2f} GiB")
    print(f"  with {_FEW} pairs         {memory_of_few:7.2f} GiB")


def _rate(pairs: int, seconds: float, cpu_seconds: float) -> str:
    milliseconds = 1000 * cpu_seconds / pairs
    return f"{pairs / seconds:7.0f} pairs/s   {milliseconds:5.2f} ms of CPU time per pair"


def _write_corpus(sample: Path, folder: Path, count: int, suffix: str) -> None:
    if not sample.exists():
        write_blue_marble(sample)
    tiles = sorted(path.relative_to(sample / "images") for path in sample.rglob("images/*/*.png"))
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    with ProcessPoolExecutor(WORKERS) as pool:
        # Each tile is written in all eight positions before the next tile.
        jobs = [
            (sample, folder, tiles[i // len(_POSITIONS) % len(tiles)], i, suffix)
            for i in range(count)
        ]
        list(pool.map(_write_pair, jobs, chunksize=64))


def _write_pair(job: tuple[Path, Path, Path, int, str]) -> None:
    """Writes a tile in one of eight positions, with its number in the first pixel."""
    sample, folder, tile, number, suffix = job
    for kind in ("images", "masks"):
        with Image.open(sample / kind / tile) as tile_image:
            image: Image.Image = tile_image
            for transposition in _POSITIONS[number % len(_POSITIONS)]:
                image = image if transposition is None else image.transpose(transposition)
            if kind == "images":
                mark = number % 256, number // 256 % 256, number // 65536
                image.putpixel((0, 0), mark)
            image.save(folder / kind / f"{number:06d}{suffix}", compress_level=1)


def _plain_loop(folder: Path) -> Costs:
    files = sorted((folder / "images").iterdir())
    began, began_cpu = time.monotonic(), _cpu_seconds()
    pool = multiprocessing.Pool(WORKERS)
    pool.map(_decode, files, chunksize=64)
    seconds = time.monotonic() - began
    pool.close()
    pool.join()  # only ended processes count
    return Costs(seconds, _cpu_seconds() - began_cpu)


def _cpu_seconds() -> float:
    """Returns the processor time of this process and of its ended child processes."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _decode(file: Path) -> None:
    for path in (file, file.parent.parent / "masks" / file.name):
        with Image.open(path) as image:
            np.asarray(image)


def _ingest_in_new_process(folder: Path, beam_workers: int = 1) -> Costs:
    job = ("--ingest", str(folder), "--beam-workers", str(beam_workers))
    return Costs(*measure("benchmarks.ingestion", *job))


def _ingest(folder: Path, beam_workers: int) -> None:
    import loky
    from tfx.types import standard_artifacts

    from components.example_gen.component import PairsExampleGen
    from components.example_gen.executor import Executor
    from components.example_gen.settings import ExampleGenSettings
    from data.config import DataConfig
    from pipeline.config.beam import LocalBeam

    data = {
        "source": {"kind": "folder", "path": str(folder)},
        "classes": ["ocean", "land", "lake"],
    }
    settings = ExampleGenSettings(
        data=DataConfig.model_validate(data), name="corpus", folder="", listing="", code=""
    )
    examples = standard_artifacts.Examples()
    examples.uri = f"{folder}-examples-{beam_workers}"
    options: dict[str, str | int] = {
        "direct_running_mode": "multi_processing",
        "direct_num_workers": beam_workers,
    }
    beam = LocalBeam(options=options) if beam_workers > 1 else LocalBeam()
    context = Executor.Context(
        beam_pipeline_args=beam.arguments(), tmp_dir=f"{folder}-scratch", unique_id="1"
    )
    properties = dict(PairsExampleGen(settings).exec_properties)
    began, began_cpu = time.monotonic(), _cpu_seconds()
    Executor(context).Do({}, {"examples": [examples]}, properties)
    seconds = time.monotonic() - began
    loky.get_reusable_executor().shutdown()  # only ended processes count in RUSAGE_CHILDREN
    cpu_seconds = _cpu_seconds() - began_cpu
    kilobytes = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(json.dumps([seconds, cpu_seconds, kilobytes / 2**20]))


if __name__ == "__main__":
    main()
