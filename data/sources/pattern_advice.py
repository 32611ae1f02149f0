"""Advice on the file name patterns if the names of images and masks differ by a common part."""

import itertools
import posixpath
import unicodedata
from collections.abc import Sequence

from data.sources.image_suffixes import without_image_suffix

_Affixes = tuple[str, str]  # text before and after the part of a name that `*` stands for
_FEWEST = 2  # names; a single name has no part in common with others
_SHARE = 0.8  # share of the names that have to match


def advice_on_patterns(images: Sequence[str], masks: Sequence[str]) -> str | None:
    """Returns advice on how to pair images and masks that have no partner.

    Args:
      images: Paths of images without a mask; a few are enough.
      masks: Paths of masks without an image.

    Returns:
      A sentence, with the lines of the config that would pair most of the files; None if there are
      no such lines.
    """
    if _match(*(_composed(_stems(paths)) for paths in (images, masks))):
        return (
            "The names look alike, but their accented letters are encoded differently (composed "
            "and decomposed Unicode). Rename the files."
        )
    patterns = patterns_for(images, masks)
    lines = ", ".join(f'{key}: "{pattern}"' for key, pattern in patterns.items())
    return f"The names would match with, under data.source: {lines}" if lines else None


def patterns_for(images: Sequence[str], masks: Sequence[str]) -> dict[str, str]:
    """Returns name patterns that pair images and masks without a partner.

    Args:
      images: Paths of images without a mask; a few are enough.
      masks: Paths of masks without an image.

    Returns:
      The keys `image_pattern` and `mask_pattern` of the source, as far as they are needed; empty if
      no patterns pair most of the files.
    """
    stems = {"image": _stems(images), "mask": _stems(masks)}
    paths = {"image": images, "mask": masks}
    if min(len(images), len(masks)) < _FEWEST:
        return {}
    for choice in itertools.product(*map(_affixes, stems.values())):
        affixes = dict(zip(stems, choice, strict=True))
        if _match(*(_inner(stems[kind], affixes[kind]) for kind in stems)):
            return {
                f"{kind}_pattern": _pattern(affixes[kind], paths[kind])
                for kind in stems
                if any(affixes[kind])
            }
    return {}


def _stems(paths: Sequence[str]) -> list[str]:
    return [without_image_suffix(posixpath.basename(path)) for path in paths]


def _composed(stems: Sequence[str]) -> list[str]:
    return [unicodedata.normalize("NFC", stem) for stem in stems]


def _affixes(stems: Sequence[str]) -> list[_Affixes]:
    """Returns the texts that all names may begin and end with; the shortest come first."""
    # Digits at the inner end belong to the number of the file.
    before = _common_start(stems).rstrip("0123456789")
    after = _common_start([stem[::-1] for stem in stems])[::-1].lstrip("0123456789")
    return list(dict.fromkeys([("", ""), ("", after), (before, ""), (before, after)]))


def _common_start(texts: Sequence[str]) -> str:
    columns = itertools.takewhile(lambda column: len(set(column)) == 1, zip(*texts, strict=False))
    return "".join(column[0] for column in columns)


def _pattern(affixes: _Affixes, paths: Sequence[str]) -> str:
    before, after = affixes
    text = f"{before}*{after}"
    # Without the suffix of the files, the pattern `*.jpg` would not match `1.jpg.png`.
    return text if without_image_suffix(text) == text else text + posixpath.splitext(paths[0])[1]


def _inner(stems: Sequence[str], affixes: _Affixes) -> list[str]:
    before, after = affixes
    return [stem.removeprefix(before).removesuffix(after) for stem in stems]


def _match(images: Sequence[str], masks: Sequence[str]) -> bool:
    common = set(images) & set(masks) - {""}
    return len(common) >= max(_FEWEST, _SHARE * min(len(images), len(masks)))
