"""Reads one pair of files, and says what was found in it or why it cannot be used."""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash
from PIL import Image

from data.config import IGNORE, DataConfig
from data.errors import InputError, PairError
from data.files import THREADS, is_remote, read_bytes
from data.images import LoadedImage, load_image
from data.masks import LoadedMask, ValuesWithoutClass, load_mask
from data.pairs import Pair

_LEVELS = 256
_POWERS_OF_LEVELS = np.stack([np.arange(_LEVELS) ** power for power in range(3)], axis=1)


class Facts(NamedTuple):
    """What is known of a good pair.

    Attributes:
      sha256: Of the image's bytes as they are stored, in hexadecimal.
      content: Of the image's pixels and size: equal for copies in different files and formats.
      height: Pixels, after EXIF orientation.
      width: Pixels, after EXIF orientation.
      means: Mean of each of red, green and blue, in 0..255.
      std: Standard deviation over all pixels and channels, in 0..255.
      fractions: Share of each class among the labelled pixels, by class id.
      labelled: Share of the pixels that are labelled, that is not to be ignored.
      max_sample: Greatest 16-bit sample; None for an image of 8 bits.
    """

    sha256: str
    content: str
    height: int
    width: int
    means: tuple[float, float, float]
    std: float
    fractions: tuple[float, ...]
    labelled: float
    max_sample: int | None


class Record(NamedTuple):
    """What became of one pair.

    Attributes:
      pair: The pair.
      facts: What is known of it; None if it cannot be used.
      problem: Why it cannot be used; None if it can.
      values: The pixel values in the mask file, numbers or colours; empty if it cannot be read.
    """

    pair: Pair
    facts: Facts | None
    problem: PairError | None
    values: tuple[int | str, ...]

    def as_row(self, classes: Sequence[str]) -> dict[str, Any]:
        """Returns the record as one flat JSON object."""
        row: dict[str, Any] = self.pair._asdict() | {"values": list(self.values)}
        if self.facts is not None:
            row |= self.facts._asdict()
            row["fractions"] = dict(zip(classes, self.facts.fractions, strict=True))
        if self.problem is not None:
            kind, file, reason = self.problem.kind, self.problem.file, self.problem.reason
            row["problem"] = {"kind": kind, "file": file, "reason": reason}
        return row

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> Record:
        """Returns the record that `as_row` made the object of."""
        facts, problem = None, None
        if "problem" in row:
            problem = PairError(**row["problem"])
        else:
            known = {name: row[name] for name in Facts._fields}
            known["means"] = tuple(row["means"])
            known["fractions"] = tuple(row["fractions"].values())
            facts = Facts(**known)
        pair = Pair(*(row[name] for name in Pair._fields))
        return cls(pair, facts, problem, tuple(row["values"]))


class ReadPair(NamedTuple):
    """A pair as it is stored.

    Attributes:
      record: What became of it.
      image: The image's bytes; empty if the pair cannot be used.
      mask: The mask's bytes, a one-channel PNG of class ids; empty if the pair cannot be used.
    """

    record: Record
    image: bytes
    mask: bytes


def read_pair(pair: Pair, data: DataConfig) -> ReadPair:
    """Reads a pair of files.

    Args:
      pair: The pair.
      data: The data's description.

    Returns:
      The pair as it is stored, or the reason why it cannot be used: one of its files cannot be
      read, is too large or of a wrong kind, the mask holds a value without a class or no labelled
      pixel, or the two differ in size.
    """
    values: tuple[int | str, ...] = ()
    try:
        image = load_image(read_bytes(pair.image), pair.image, data)
        mask = load_mask(read_bytes(pair.mask), pair.mask, data)
        values = mask.values
        _refuse_other_size(pair, image, mask.class_ids.shape)
        facts = _facts(image, mask, len(data.classes))
        if not facts.labelled:
            raise PairError(
                "all_ignored",
                pair.mask,
                "every pixel is to be ignored, so nothing can be learnt. Label it or remove it.",
            )
    except InputError as error:
        if isinstance(error, ValuesWithoutClass):
            values = tuple(sorted(error.present, key=str))
        return ReadPair(Record(pair, None, _problem(error), values), b"", b"")
    return ReadPair(Record(pair, facts, None, values), image.encoded, mask.encoded)


def _problem(error: InputError) -> PairError:
    if isinstance(error, PairError):
        return PairError(error.kind, error.file, error.reason)
    file, _, reason = str(error).partition(": ")  # the file is gone, or may not be read
    return PairError("unreadable", file, reason)


def read_pairs(pairs: Sequence[Pair], data: DataConfig) -> Iterator[ReadPair]:
    """Reads pairs, and yields them in their order.

    Args:
      pairs: The pairs. Some are read ahead if they are remote, since these are mostly waited for.
      data: The data's description.

    Yields:
      Each pair as it is stored, or why it cannot be used. Only a few are held at a time: images
      may be large.
    """
    if not any(is_remote(pair.image) or is_remote(pair.mask) for pair in pairs):
        yield from (read_pair(pair, data) for pair in pairs)
        return
    ahead: deque[Future[ReadPair]] = deque()
    with ThreadPoolExecutor(THREADS) as threads:
        for pair in pairs:
            ahead.append(threads.submit(read_pair, pair, data))
            if len(ahead) > THREADS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def read_records(pairs: Sequence[Pair], data: DataConfig) -> list[Record]:
    """Reads pairs as `read_pairs` does, and returns only what became of them, in their order."""
    return [read.record for read in read_pairs(pairs, data)]


def _refuse_other_size(pair: Pair, image: LoadedImage, mask_shape: tuple[int, ...]) -> None:
    height, width = image.pixels.shape[:2]
    if mask_shape == (height, width):
        return
    if mask_shape == (width, height) and image.turned:
        raise PairError(
            "size_mismatch",
            pair.mask,
            "has its image's size before the rotation that the image's EXIF data ask for. Draw the "
            "mask on the upright image, or remove the EXIF orientation.",
        )
    raise PairError(
        "size_mismatch",
        pair.mask,
        f"{mask_shape[1]}×{mask_shape[0]} pixels, but its image has {width}×{height}. Export the "
        "mask at the image's size.",
    )


def _facts(image: LoadedImage, mask: LoadedMask, num_classes: int) -> Facts:
    means, std = _brightness(image.pixels)
    labelled = int(mask.pixels[:IGNORE].sum())
    height, width = image.pixels.shape[:2]
    content = xxhash.xxh3_128(np.ascontiguousarray(image.pixels).data)
    return Facts(
        sha256=hashlib.sha256(image.encoded).hexdigest(),
        content=f"{height}x{width}:{content.hexdigest()}",
        height=height,
        width=width,
        means=means,
        std=std,
        fractions=tuple((mask.pixels[:num_classes] / max(labelled, 1)).tolist()),
        labelled=labelled / mask.class_ids.size,
        max_sample=image.max_sample,
    )


def _brightness(pixels: npt.NDArray[np.uint8]) -> tuple[tuple[float, float, float], float]:
    """Exact means of the channels, and the standard deviation, by counting levels."""
    histogram = Image.fromarray(pixels).histogram()
    counts = np.fromiter(histogram, np.int64, 3 * _LEVELS).reshape(3, _LEVELS)
    moments = counts @ _POWERS_OF_LEVELS
    red, green, blue = (moments[:, 1] / moments[:, 0]).tolist()
    number, total, squares = moments.sum(axis=0).tolist()
    return (red, green, blue), math.sqrt(max(squares / number - (total / number) ** 2, 0.0))
