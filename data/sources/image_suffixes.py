"""File suffixes of images."""

import posixpath

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})


def without_image_suffix(name: str) -> str:
    """Returns a file's name or path without its suffix, if this is a suffix of images."""
    stem, suffix = posixpath.splitext(name)
    return stem if suffix.lower() in IMAGE_SUFFIXES else name


def expected_suffixes() -> str:
    """Returns the suffixes of images, for messages."""
    return " ".join(f"*{suffix}" for suffix in sorted(IMAGE_SUFFIXES))
