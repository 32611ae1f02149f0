"""What several tests share: small data sets on disk, and one trained pipeline."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from PIL import Image, ImageDraw

SIZE = 64
CLASSES = ["ground", "disc"]


class Finished(NamedTuple):
    """A command that ended: its exit code, and all that it printed."""

    code: int
    output: str


def write_discs(
    folder: Path, count: int = 24, *, values: tuple[int, int] = (0, 1), seed: int = 0
) -> Path:
    """Writes pairs of noisy images with a bright disc, and masks of two values."""
    random = np.random.default_rng(seed)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for i in range(count):
        radius = int(random.integers(10, 22))
        x, y = random.integers(radius, SIZE - radius, 2).tolist()
        disc = Image.new("L", (SIZE, SIZE), values[0])
        ImageDraw.Draw(disc).ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=values[1]
        )
        mask = np.asarray(disc)
        noise = random.normal(0, 12, (SIZE, SIZE, 3))
        pixels = np.where(mask[..., None] == values[1], [180, 120, 60], [60, 90, 110]) + noise
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
            folder / "images" / f"{i:02d}.png"
        )
        disc.save(folder / "masks" / f"{i:02d}.png")
    return folder


def write_config(path: Path, source: Path, **changes: object) -> Path:
    """Writes a config for `write_discs`' data; `changes` replaces whole top-level keys."""
    config = {
        "name": "discs",
        "workspace": str(path.parent / "runs"),
        "data": {
            "source": {"kind": "folder", "path": str(source)},
            "classes": CLASSES,
            "splits": {"train": 2, "val": 1, "test": 1},
            "view": {"kind": "resize", "height": SIZE, "width": SIZE},
        },
        "model": {"weights": "none", "freeze": "none", "width": 0.1},
        "training": {"batch_size": 4, "epochs": 6, "learning_rate": 3e-3, "precision": "float32"},
        "gate": {"mean_iou": 0.6, "class_iou": {"disc": 0.5}},
    }
    path.write_text(yaml.safe_dump(config | changes))
    return path


def unetfx(*arguments: object, **environment: str) -> Finished:
    """Runs the `unetfx` command as a user does."""
    command = [str(Path(sys.executable).parent / "unetfx"), *map(str, arguments)]
    done = subprocess.run(
        command,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Finished(done.returncode, done.stdout)
