"""Measures time and memory of the source `coco`, beside pycocotools.

    python -m benchmarks.annotations [--images 60000]

A JSON file like COCO's own, with seven polygons of 20 points per image on average and an RLE in
each twentieth image, is read in a new process: by the source, and by pycocotools' class COCO. Then
the masks of 1,000 images of 640×480 pixels are drawn and written: by the source in one process, and
by a loop that calls COCO.annToMask and writes PNG files with Pillow. At last, the source draws the
masks of the 1,000 images as a run does, in one process for each core, and again after a change of
one object.
"""

import argparse
import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.fresh_process import measure
from data.config import IGNORE, DataConfig
from data.config.sources import CocoSource
from data.jobs.processes import start_processes
from data.rasters.images import encode_png
from data.sources.annotations import coco, drawn
from data.sources.annotations.shapes import AnnotatedImage
from data.sources.made_masks import make_masks

_HEIGHT, _WIDTH = 480, 640
_DRAWN = 1000  # images


def main() -> None:
    """Writes the files, reads and draws them, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(_measure(_PARTS[arguments.part[0]], arguments.part[1])))
        return
    with tempfile.TemporaryDirectory() as scratch:
        large, small = Path(scratch, "large.json"), Path(scratch, "small.json")
        _write_json(large, arguments.images)
        _write_json(small, _DRAWN)
        size = large.stat().st_size / 2**20
        print(f"{arguments.images} images, {size:.0f} MiB of JSON\n")
        print(f"{'':14}{'CPU time':>10}{'peak memory':>14}{'× the file':>12}")
        for name in ("source coco", "pycocotools"):
            seconds, mib = measure("benchmarks.annotations", "--part", f"read: {name}", str(large))
            print(f"{name:14}{seconds:8.1f} s{mib:10.0f} MiB{mib / size:12.1f}")
        print(f"\n{'':14}{'CPU time':>10} per image")
        for name in ("source coco", "pycocotools"):
            seconds, _ = measure("benchmarks.annotations", "--part", f"draw: {name}", str(small))
            print(f"{name:14}{seconds / _DRAWN * 1000:7.2f} ms")
        print(f"\n{_DRAWN} masks{'time':>10}")
        for name, seconds in _times_of_drawing(small):
            print(f"{name:14}{seconds:6.1f} s")


def _times_of_drawing(path: Path) -> Iterator[tuple[str, float]]:
    source = _source(str(path))
    data = DataConfig(source=source, classes=["background", "a", "b"])
    start_processes(make_masks)
    for name in ("all", "after a change"):
        start = time.monotonic()
        drawn.parts(source, str(path.parent / "masks"), data)
        yield name, time.monotonic() - start
        content = json.loads(path.read_text())
        content["annotations"].pop()
        path.write_text(json.dumps(content))


def _write_json(path: Path, images: int) -> None:
    generator = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(images):
        rows.append(
            {
                "id": number,
                "file_name": f"{number:012d}.jpg",
                "height": _HEIGHT,
                "width": _WIDTH,
                "coco_url": f"http://images.cocodataset.org/train2017/{number:012d}.jpg",
                "date_captured": "2013-11-14 11:18:45",
            }
        )
        for index in range(generator.poisson(7)):
            is_crowd = index == 0 and number % 20 == 0
            outline = _runs(generator) if is_crowd else [_polygon(generator)]
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": int(generator.integers(2)),
                    "iscrowd": int(is_crowd),
                    "area": 1000.5,
                    "bbox": [10.0, 10.0, 50.5, 60.25],
                    "segmentation": outline,
                }
            )
    categories = [{"id": 0, "name": "a"}, {"id": 1, "name": "b"}]
    with path.open("w") as file:
        json.dump({"images": rows, "annotations": annotations, "categories": categories}, file)


def _polygon(generator: np.random.Generator) -> list[float]:
    angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    radii = generator.uniform(5, 80) * generator.uniform(0.6, 1.4, 20)
    centre = generator.uniform(0, (_WIDTH, _HEIGHT))
    points = centre + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    return np.clip(points, 0, (_WIDTH, _HEIGHT)).round(2).ravel().tolist()


def _runs(generator: np.random.Generator) -> dict[str, list[int]]:
    counts = generator.integers(1, 1000, 400)
    counts = np.append(counts, _HEIGHT * _WIDTH - counts.sum())
    return {"size": [_HEIGHT, _WIDTH], "counts": counts.tolist()}


def _measure(work: Callable[[str], object], path: str) -> tuple[float, float]:
    """Returns the processor time in seconds, and the memory in MiB that the work takes at most."""
    before, start = _peak(), time.process_time()
    kept = work(path)
    seconds = time.process_time() - start
    del kept
    return seconds, (_peak() - before) / 1024


def _peak() -> int:
    """Returns the peak memory of this process in KiB; unlike `getrusage`, not of its parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def _source(path: str) -> CocoSource:
    return CocoSource(kind="coco", path=str(Path(path).parent), annotations=Path(path).name)


def _read(path: str) -> list[object]:
    return list(coco.read(_source(path), [path], 10**8))


def _read_by_pycocotools(path: str) -> Any:
    from pycocotools.coco import COCO

    with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):  # noqa: PTH123
        return COCO(path)


def _draw(path: str) -> None:
    for number, image in enumerate(_read(path)):
        if isinstance(image, AnnotatedImage):
            ids = coco.paint(image, 0, {None: IGNORE, "a": 1, "b": 2})
            Path(path).with_name(f"{number}.png").write_bytes(encode_png(ids, flat=True))


def _draw_by_pycocotools(path: str) -> None:
    annotated = _read_by_pycocotools(path)
    for number in annotated.imgs:
        ids = np.zeros((_HEIGHT, _WIDTH), np.uint8)
        for each in annotated.imgToAnns[number]:
            value = IGNORE if each["iscrowd"] else each["category_id"] + 1
            ids[annotated.annToMask(each) > 0] = value
        Image.fromarray(ids).save(Path(path).parent / f"{number}.png")


_PARTS = {
    "read: source coco": _read,
    "read: pycocotools": _read_by_pycocotools,
    "draw: source coco": _draw,
    "draw: pycocotools": _draw_by_pycocotools,
}


if __name__ == "__main__":
    main()
