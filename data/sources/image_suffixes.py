"""Supported suffixes of image files."""

import posixpath

IMAGE_SUFFIXES = frozenset(
    (".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
)


def without_image_suffix(name: str) -> str:
    """Removes an image suffix from a file name or path; any other suffix is kept."""
    stem, suffix = posixpath.splitext(name)
    return stem if suffix.lower() in IMAGE_SUFFIXES else name


def without_image_suffixes(name: str) -> str:
    """Returns a file name without any image suffixes at its end: `a.png.jpg` becomes `a`."""
    while (shorter := without_image_suffix(name)) != name:
        name = shorter
    return name


def expected_suffixes() -> str:
    """Returns the supported image suffixes as text for error messages."""
    return " ".join(f"*{suffix}" for suffix in sorted(IMAGE_SUFFIXES))
