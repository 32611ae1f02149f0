"""Pictures as `data:` URLs, which HTML pages hold in themselves."""

import base64
import io
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

_LONGEST_SIDE = 96  # maximum length of the longer side of a picture of class ids, in pixels


def picture_url(picture: Image.Image, kind: Literal["PNG", "JPEG"] = "PNG") -> str:
    """Returns a picture as a `data:` URL.

    Args:
      picture: The picture.
      kind: File format. JPEG is smaller for photos.
    """
    file = io.BytesIO()
    picture.save(file, kind, quality=85)
    content = base64.b64encode(file.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{content}"


def class_ids_url(class_ids: npt.NDArray[np.uint8]) -> str:
    """Returns a small grey picture of the class ids, from which `class_names.js` reads names.

    Args:
      class_ids: The mask of class ids, uint8 [height, width].
    """
    picture = Image.fromarray(class_ids)
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.NEAREST)
    return picture_url(picture)
