import numpy as np
from PIL import Image

from components.example_gen.settings import ExampleGenSettings
from data.config import DataConfig
from pipeline.config.beam import LocalBeam

GROUPS = "abcdefghijkl"
KEYS = [f"{group}/{number}" for group in GROUPS for number in range(2)]
BEAM = LocalBeam().arguments()


def write_pair(folder, key, *, values=(0, 1), size=(4, 3), mask_size=None):
    for kind in ("images", "masks"):
        (folder / kind / key).parent.mkdir(parents=True, exist_ok=True)
    seed = int.from_bytes(key.encode()[:8], "big")
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), np.uint8)
    Image.fromarray(pixels).save(folder / "images" / f"{key}.png")
    width, height = mask_size or size
    class_ids = np.resize(np.array(values, np.uint8), (height, width))
    Image.fromarray(class_ids).save(folder / "masks" / f"{key}.png")


def write_pairs(folder, keys, **options):
    for key in keys:
        write_pair(folder, key, **options)
    return folder


def settings_of(folder, **changes):
    data = {
        "source": {"kind": "folder", "path": str(folder)},
        "classes": ["ground", "disc"],
        "splits": {"train": 2, "val": 1, "test": 1},
    }
    return ExampleGenSettings(
        data=DataConfig.model_validate(data | changes),
        name="discs",
        folder="",
        listing=f"{folder}-listing",
        code="1",
    )
