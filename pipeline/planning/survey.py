"""Looks at some of the pairs of a data set: sizes of the images, and values of the masks."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from data.config import DataConfig
from data.errors import InputError, PairError
from data.files.reading import read_bytes
from data.listing.pair import Pair
from data.rasters.images import load_image
from data.rasters.masks import count_values

_MOST_PAIRS = 200  # evenly spread over the pairs; reading more takes longer than it tells
_MOST_VALUES = 300  # values of a mask that are kept; a mask of classes has fewer


@dataclass
class Survey:
    """Properties of some of the pairs.

    Attributes:
      pairs: Number of pairs that were read.
      sizes: Heights and widths of the images, in pixels.
      values: Number of pixels with each value in the masks, as numbers or colours (`#ff8000`).
      masks: Number of pixels with each value in each mask; at most 300 values of a mask.
      max_sample: Greatest sample of the 16-bit images; 0 if there are none.
      problems: The files that cannot be read.
    """

    pairs: int = 0
    sizes: list[tuple[int, int]] = field(default_factory=list)
    values: Counter[int | str] = field(default_factory=Counter)
    masks: list[dict[int | str, int]] = field(default_factory=list)
    max_sample: int = 0
    problems: list[PairError] = field(default_factory=list)


def survey(pairs: Sequence[Pair], data: DataConfig) -> Survey:
    """Reads some of the pairs.

    Args:
      pairs: All pairs of the data set.
      data: A `data` section whose limits apply; its classes are not used.
    """
    step = max(1, len(pairs) // _MOST_PAIRS)
    seen = Survey()
    for pair in itertools.islice(pairs, 0, None, step):
        try:
            image = load_image(read_bytes(pair.image), pair.image, data)
            values = count_values(read_bytes(pair.mask), pair.mask, data.max_pixels)
        except InputError as error:
            seen.problems.append(_of_a_file(error, pair))
            continue
        seen.pairs += 1
        seen.sizes.append(image.pixels.shape[:2])
        seen.max_sample = max(seen.max_sample, image.max_sample or 0)
        seen.values.update(values)
        seen.masks.append(dict(itertools.islice(values.items(), _MOST_VALUES)))
    if any(isinstance(value, str) for value in seen.values):
        # A mask of colours in which all pixels happen to be grey is read as numbers.
        seen.masks = [_as_colours(values) for values in seen.masks]
        seen.values = Counter(_as_colours(seen.values))
    return seen


def _of_a_file(error: InputError, pair: Pair) -> PairError:
    """Returns the error of a file, without the path of the file in the reason."""
    file = pair.image if str(error).startswith(f"{pair.image}: ") else pair.mask
    return PairError("unreadable", file, str(error).removeprefix(f"{file}: "))


def _as_colours(values: Mapping[int | str, int]) -> dict[int | str, int]:
    colours: Counter[int | str] = Counter()
    for value, count in values.items():
        colours[value if isinstance(value, str) else f"#{bytes(3 * [value]).hex()}"] += count
    return dict(colours)
