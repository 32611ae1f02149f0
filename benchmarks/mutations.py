"""Small files of every format that is read, and damaged or hostile copies of them.

A copy has a few changes, such as other bytes, another number in the header, or chunks that
are missing, doubled, in another order, or from another file.
"""

import io
import re
import struct
import zlib
from collections.abc import Callable, Sequence

import imagecodecs
import numpy as np
import numpy.typing as npt
import tifffile
from PIL import ExifTags, Image

from data.rasters.pillow import JPEG_START
from data.rasters.png import PNG_START

_NUMBERS = (0, 1, 2, 3, 4, 5, 8, 16, 32, 127, 255, 256, 999, 32767, 65535, 65536, 2**31 - 1, 2**31)
_TIFF_STARTS = {b"II*\0": "<", b"MM\0*": ">"}
# A marker of a JPEG file that starts a segment: no fill byte, no restart marker, no coded FF
_JPEG_SEGMENT = re.compile(rb"(?=\xff[\x01-\xcf\xd8-\xfe])", re.S)
_HEADER = 160  # bytes in which most formats have their sizes and types

_Change = Callable[[np.random.Generator, bytes, bytes], bytes]


def real_files() -> dict[str, bytes]:
    """Returns files as usual programs write them, by format."""
    down, across = np.mgrid[:48, :70]
    grey = (128 + 60 * np.sin(across / 9) * np.cos(down / 7) + 3 * (down % 5)).astype(np.uint8)
    rgb = np.stack([grey, 255 - grey, (2 * across).astype(np.uint8)], -1)
    ids = (grey > 100).astype(np.uint8) + (grey > 160)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    planes = np.moveaxis(rgb, -1, 0).astype(np.uint16) * 257
    return {
        "png grey": _pillow(grey, "PNG"),
        "png rgb": _pillow(rgb, "PNG"),
        "png rgba": _pillow(rgb, "PNG", "RGBA"),
        "png palette": _pillow(ids, "PNG", "P"),
        "png 1 bit": _pillow(grey, "PNG", "1"),
        "png 16 bits": bytes(imagecodecs.png_encode(np.moveaxis(planes, 0, -1))),
        "png turned": _pillow(rgb, "PNG", exif=exif, icc_profile=bytes(300)),
        "jpeg": _pillow(rgb, "JPEG"),
        "jpeg grey": _pillow(grey, "JPEG"),
        "jpeg progressive": _pillow(rgb, "JPEG", progressive=True),
        "jpeg restarts": _pillow(rgb, "JPEG", restart_marker_blocks=2, subsampling=0),
        "jpeg turned": _pillow(rgb, "JPEG", exif=exif),
        "jpeg cmyk": _pillow(rgb, "JPEG", "CMYK"),
        "jpeg lossless": bytes(imagecodecs.jpeg8_encode(rgb, lossless=True)),
        "bmp rgb": _pillow(rgb, "BMP"),
        "bmp palette": _pillow(ids, "BMP", "P"),
        "gif": _pillow(ids, "GIF", "P", transparency=2),
        "webp lossy": _pillow(rgb, "WEBP", exif=exif),
        "webp lossless": _pillow(rgb, "WEBP", lossless=True),
        "tiff": _tiff(rgb, photometric="rgb"),
        "tiff big endian": _tiff(grey, byteorder=">"),
        "tiff lzw": _tiff(rgb, photometric="rgb", compression="lzw", predictor=True, tile=(16, 16)),
        "tiff deflate": _tiff(grey, compression="deflate", rowsperstrip=7),
        "tiff zstd": _tiff(planes, photometric="rgb", planarconfig="separate", compression="zstd"),
        "tiff jpeg": _tiff(rgb, photometric="rgb", compression="jpeg"),
        "tiff jpeg 2000": _tiff(grey, compression="jpeg2000"),
        "tiff packbits": _pillow(ids, "TIFF", "P", compression="packbits"),
        "tiff fax": _pillow(grey, "TIFF", "1", compression="group4"),
        "bigtiff": _tiff(ids, bigtiff=True, compression="lzma"),
    }


def mutated(content: bytes, other: bytes, seed: Sequence[int]) -> bytes:
    """Returns a changed copy of a file, which is always the same for the same arguments.

    Args:
      content: Bytes of the file.
      other: Bytes of another file, from which the copy may get parts.
      seed: Numbers that select the changes.
    """
    random = np.random.default_rng(seed)
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        change = _CHANGES[random.integers(len(_CHANGES))]
        content = change(random, content, other)
    # With wrong checksums, decoders would refuse nearly all changed PNG files at once.
    return _with_checksums(content) if random.random() < 0.9 else content


def _pillow(
    pixels: npt.NDArray[np.uint8], kind: str, mode: str | None = None, **options: object
) -> bytes:
    image = Image.fromarray(pixels)
    if mode == "P":
        image.putpalette([11, 61, 145, 120, 170, 80, 80, 200, 255])
    elif mode:
        image = image.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _tiff(pixels: npt.NDArray[np.generic], **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.ascontiguousarray(pixels), **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def _other_bytes(random: np.random.Generator, content: bytes, _: bytes) -> bytes:
    changed = bytearray(content)
    for place in random.integers(len(content) or 1, size=random.integers(1, 5)):
        changed[place : place + 1] = random.bytes(1)
    return bytes(changed)


def _other_bits(random: np.random.Generator, content: bytes, _: bytes) -> bytes:
    changed = bytearray(content)
    for place in random.integers(min(len(content), _HEADER), size=random.integers(1, 3)):
        changed[place] ^= 1 << int(random.integers(8))
    return bytes(changed)


def _other_number(random: np.random.Generator, content: bytes, _: bytes) -> bytes:
    kind = random.choice(["B", "<H", ">H", "<I", ">I"])
    number = random.choice(_NUMBERS) % 2 ** (8 * struct.calcsize(kind))
    place = random.integers(min(len(content), _HEADER))
    packed = struct.pack(kind, number)
    return content[:place] + packed + content[place + len(packed) :]


def _cut(random: np.random.Generator, content: bytes, _: bytes) -> bytes:
    return content[: random.integers(1, len(content) + 1)]


def _insertion(random: np.random.Generator, content: bytes, _: bytes) -> bytes:
    place = random.integers(len(content) + 1)
    return content[:place] + random.bytes(int(random.integers(1, 65))) + content[place:]


def _deletion(random: np.random.Generator, content: bytes, _: bytes) -> bytes:
    place = random.integers(len(content))
    return content[:place] + content[place + random.integers(1, 65) :]


def _trailing_bytes(random: np.random.Generator, content: bytes, other: bytes) -> bytes:
    return content + (
        other if random.random() < 0.3 else random.bytes(int(random.integers(1, 200)))
    )


def _missing_part(random: np.random.Generator, content: bytes, _: bytes) -> bytes:
    parts = _parts(content)
    del parts[random.integers(len(parts))]
    return b"".join(parts) or content


def _doubled_part(random: np.random.Generator, content: bytes, _: bytes) -> bytes:
    parts = _parts(content)
    part = parts[random.integers(len(parts))]
    times = random.choice([1, 1, 1, 50])
    place = random.integers(len(parts) + 1)
    return b"".join(parts[:place] + [part] * times + parts[place:])


def _exchanged_parts(random: np.random.Generator, content: bytes, _: bytes) -> bytes:
    parts = _parts(content)
    first, second = random.integers(len(parts), size=2)
    parts[first], parts[second] = parts[second], parts[first]
    return b"".join(parts)


def _foreign_part(random: np.random.Generator, content: bytes, other: bytes) -> bytes:
    parts, others = _parts(content), _parts(other)
    place = random.integers(len(parts))
    replaced = random.integers(2)
    foreign = others[random.integers(len(others))]
    return b"".join([*parts[:place], foreign, *parts[place + replaced :]])


_CHANGES: tuple[_Change, ...] = (
    _other_bytes,
    _other_bits,
    _other_number,
    _other_number,
    _cut,
    _insertion,
    _deletion,
    _trailing_bytes,
    _missing_part,
    _doubled_part,
    _exchanged_parts,
    _foreign_part,
)


def _parts(content: bytes) -> list[bytes]:
    """Divides a file into chunks, segments or tags; of other formats, into 16 equal parts."""
    if content.startswith(PNG_START):
        return _chunks(content, 8, ">I4x", 12)
    if content.startswith(b"RIFF"):
        return _chunks(content, 12, "<4xI", 8)
    if content.startswith(JPEG_START):
        return [part for part in _JPEG_SEGMENT.split(content) if part]
    if content[:4] in _TIFF_STARTS and len(content) > 8:
        return _tags(content, _TIFF_STARTS[content[:4]])
    length = max(len(content) // 16, 1)
    return [content[place : place + length] for place in range(0, len(content), length)] or [b""]


def _chunks(content: bytes, place: int, head: str, around: int) -> list[bytes]:
    parts = [content[:place]]
    while place + 8 <= len(content):
        (size,) = struct.unpack_from(head, content, place)
        end = place + size + around + (size % 2 if head.startswith("<") else 0)
        parts.append(content[place:end])
        place = end
    return [*parts, content[place:]]


def _tags(content: bytes, order: str) -> list[bytes]:
    (start,) = struct.unpack_from(f"{order}I", content, 4)
    first = start + 2
    count = int.from_bytes(content[start:first], "little" if order == "<" else "big") % 100
    end = first + 12 * count
    tags = [content[place : place + 12] for place in range(first, end, 12)]
    return [content[:first], *tags, content[end:]]


def _with_checksums(content: bytes) -> bytes:
    """Corrects the checksums of a PNG file; other files are unchanged."""
    if not content.startswith(PNG_START):
        return content
    parts = _parts(content)
    for number, part in enumerate(parts[1:], 1):
        if len(part) >= 12:
            body = part[4:-4]
            parts[number] = part[:4] + body + struct.pack(">I", zlib.crc32(body))
    return b"".join(parts)
