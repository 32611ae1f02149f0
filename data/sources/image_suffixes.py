"""Supported suffixes of image files."""

import posixpath

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})


def without_image_suffix(name: str) -> str:
    """Removes the suffix from the name or path of an image file; other suffixes are kept."""
    stem, suffix = posixpath.splitext(name)
    return stem if suffix.lower() in IMAGE_SUFFIXES else name


def without_image_suffixes(name: str) -> str:
    """Removes all suffixes of image files from a name: `a.png.jpg` becomes `a`."""
    while (shorter := without_image_suffix(name)) != name:
        name = shorter
    return name


def expected_suffixes() -> str:
    """Returns the supported suffixes of images as text for error messages."""
    return " ".join(f"*{suffix}" for suffix in sorted(IMAGE_SUFFIXES))
