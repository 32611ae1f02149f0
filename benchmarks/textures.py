"""Writes a data set of many classes: images that are divided into cells with textures.

    python -m benchmarks.textures --classes 20 --out DIR

The folder gets images, masks and a config, `textures.yaml`. The cells are those of random points
(Voronoi), and each class has a texture of its own: two colours in stripes, and noise. The first
classes are frequent and the last ones rare. The command needs no network.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml
from PIL import Image

_KINDS = ("stone", "brick", "wood", "grass", "sand", "water", "fabric", "metal", "paper", "glass")
_LOOKS = (
    *("rough", "wet", "old", "dark", "plain", "pale", "cracked", "striped"),
    *("mossy", "worn", "fine", "coarse", "red", "grey", "burnt"),
)
_POINTS = 14  # cells of an image
_Pixels = npt.NDArray[np.uint8]


def main() -> None:
    """Writes the data set and its config."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=20, help="at most 150")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--side", type=int, default=128, help="of the images, in pixels")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    write_data(arguments.out, class_names(arguments.classes), arguments.images, arguments.side)
    path = arguments.out / "textures.yaml"
    path.write_text(yaml.safe_dump(_config(arguments), sort_keys=False))
    print(f"Wrote {path}. Next: unetfx run --config {path}")


def class_names(number: int) -> list[str]:
    """Returns names for at most 150 classes, such as `rough stone`."""
    return [f"{look} {kind}" for look in _LOOKS for kind in _KINDS][:number]


def write_data(folder: Path, classes: list[str], images: int, side: int) -> None:
    """Writes pairs to the folders `images` and `masks`.

    Args:
      folder: Folder for the two folders.
      classes: Names of the classes; the pixel values in the masks are the class ids.
      images: Number of images.
      side: Width and height of the images in pixels.
    """
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(images):
        image, class_ids = draw_pair(number, len(classes), side)
        Image.fromarray(image).save(folder / "images" / f"{number:04d}.png")
        Image.fromarray(class_ids).save(folder / "masks" / f"{number:04d}.png")


def draw_pair(seed: int, classes: int, side: int) -> tuple[_Pixels, _Pixels]:
    """Draws an image, uint8 [side, side, 3], and its mask, uint8 [side, side]."""
    random = np.random.default_rng(seed)
    weights = 1 / np.sqrt(1 + np.arange(classes))
    members = random.choice(classes, _POINTS, p=weights / weights.sum())
    points = random.uniform(0, side, (_POINTS, 2))
    places = np.moveaxis(np.indices((side, side)), 0, -1)
    nearest = ((places[:, :, None] - points) ** 2).sum(-1).argmin(-1)
    class_ids = members[nearest].astype(np.uint8)
    image = np.zeros((side, side, 3))
    for class_id in np.unique(class_ids):
        inside = class_ids == class_id
        image[inside] = _texture(int(class_id), places[inside])
    noisy = image + random.normal(0, 10, image.shape)
    return noisy.clip(0, 255).astype(np.uint8), class_ids


def _texture(class_id: int, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Returns the colours of a class at some places [places, 2]."""
    random = np.random.default_rng(1000 + class_id)
    colours = random.uniform(30, 225, (2, 3))
    angle, length = random.uniform(0, np.pi), random.uniform(4, 12)
    along = places @ np.array([np.cos(angle), np.sin(angle)])
    share = (0.5 + 0.5 * np.sin(2 * np.pi * along / length))[:, None]
    return share * colours[0] + (1 - share) * colours[1]


def _config(arguments: argparse.Namespace) -> dict[str, object]:
    return {
        "name": "textures",
        "workspace": str(arguments.out / "runs"),
        "data": {
            "source": {"kind": "folder", "path": str(arguments.out)},
            "classes": class_names(arguments.classes),
            "view": {"kind": "resize", "height": arguments.side, "width": arguments.side},
        },
        "model": {"weights": "hed-bsds500", "freeze": "all", "width": 0.25},
        "training": {"batch_size": 8, "epochs": 8},
        "gate": {"mean_iou": 0.3},
    }


if __name__ == "__main__":
    main()
