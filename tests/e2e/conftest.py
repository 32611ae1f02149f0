"""Fixtures for the end-to-end tests: a small data set, and a pipeline trained on it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import yaml
from PIL import Image, ImageDraw

import tests.quick_beam  # noqa: F401
from tests import warm_probe
from tests.warm_process import UNETFX, Finished, run

SIZE = 64
_ENTRY_POINTS = {"unetfx": UNETFX, "tfx": "pipeline.kubeflow.tfx_command:main"}


class Project(NamedTuple):
    """A folder with a data set, a config and the outputs of runs."""

    folder: Path
    config: Path
    first_run: Finished | None = None

    @property
    def home(self) -> Path:
        return self.folder / "runs" / "discs"

    def versions(self) -> list[str]:
        """Returns the names (version numbers) of the complete pushed versions, sorted as text."""
        return sorted(path.parent.name for path in self.home.glob("serving/discs/*/saved_model.pb"))

    def reports(self) -> list[Path]:
        return sorted(self.home.glob("reports/*/metrics.json"))


def command(name: str, *arguments: object, **environment: str) -> Finished:
    """Runs a command of the virtual environment; keyword arguments are environment variables."""
    if name in _ENTRY_POINTS:
        return run(_ENTRY_POINTS[name], [name, *arguments], environment=environment)
    process = subprocess.run(
        [str(Path(sys.executable).parent / name), *map(str, arguments)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Finished(process.returncode, process.stdout)


def make_project(folder: Path, *, values: tuple[int, int] = (0, 1), **changes: object) -> Project:
    """Writes a data set and a config.

    Args:
      folder: Folder for the data set, the config and the outputs of runs.
      values: Pixel values of the classes `ground` and `disc` in the masks.
      changes: Top-level keys of the config that replace the keys of the default config.

    Returns:
      The project. The data set has 24 pairs: a noisy 64×64 image of a bright disc, and a mask.
    """
    random = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / "data" / name).mkdir(parents=True)
    for i in range(24):
        radius = int(random.integers(10, 22))
        x, y = random.integers(radius, SIZE - radius, 2).tolist()
        disc = Image.new("L", (SIZE, SIZE), values[0])
        box = (x - radius, y - radius, x + radius, y + radius)
        ImageDraw.Draw(disc).ellipse(box, fill=values[1])
        inside = np.asarray(disc)[..., None] == values[1]
        pixels = np.where(inside, [180, 120, 60], [60, 90, 110])
        pixels = (pixels + random.normal(0, 12, (SIZE, SIZE, 3))).clip(0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "data" / "images" / f"{i:02d}.png")
        disc.save(folder / "data" / "masks" / f"{i:02d}.png")
    config: dict[str, object] = {
        "name": "discs",
        "workspace": str(folder / "runs"),
        "data": {
            "source": {"kind": "folder", "path": str(folder / "data")},
            "classes": ["ground", "disc"],
            "splits": {"train": 2, "val": 1, "test": 1},
            "view": {"kind": "resize", "height": SIZE, "width": SIZE},
        },
        "model": {"weights": "hed-bsds500", "freeze": "all", "width": 0.1},
        "training": {
            "batch_size": 4,
            "epochs": 3,
            "learning_rate": 3e-3,
            "precision": "float32",
        },
        "gate": {"mean_iou": 0.6, "class_iou": {"disc": 0.5}, "max_drop": 0.05},
    }
    project = Project(folder, folder / "config.yaml")
    project.config.write_text(yaml.safe_dump(config | changes))
    return project


@pytest.fixture(scope="module", autouse=True)
def quick_probes(probe_server: Path) -> Iterator[None]:
    """Starts ServingCheck's processes quickly, except in the first run of the project `trained`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(warm_probe.SOCKET, str(probe_server))
        yield


@pytest.fixture(scope="session")
def make_project_in() -> Callable[..., Project]:
    """Returns a function that makes an untrained project in a given folder."""
    return make_project


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Project]:
    """Returns a function that makes an untrained project in a temporary folder."""
    return lambda **changes: make_project(tmp_path / "project", **changes)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose pipeline has run once."""
    project = make_project(tmp_path_factory.mktemp("trained"))
    return project._replace(first_run=command("unetfx", "run", "--config", project.config))


@pytest.fixture(scope="session")
def run_command() -> Callable[..., Finished]:
    """Returns a function that runs a command: `run_command("unetfx", "run", …, HOME=…)`."""
    return command
