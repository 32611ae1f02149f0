"""Keeps what a person said about the masks of pairs, by the content of image and mask."""

import datetime
import hashlib
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, TypeAdapter, ValidationError

from data.errors import InputError, one_line
from data.files.finding import is_file
from data.files.reading import read_text
from data.files.writing import write_text

VerdictName = Literal["ok", "mended"]
"""`ok`: the mask is right and the model wrong. `mended`: the mask was wrong, and is right now."""


class Verdict(BaseModel):
    """A person's verdict on the mask of a pair.

    Attributes:
      key: Key of the pair at the time of the verdict.
      verdict: `ok` or `mended`.
      who: User name of the person.
      when: Date and time of the verdict, in UTC.
    """

    key: str
    verdict: VerdictName
    who: str
    when: str


_file = TypeAdapter(dict[str, Verdict])


def content_hash(image: bytes, mask: bytes) -> str:
    """Returns a hash of the pixels of a pair's image and mask, as a hexadecimal string.

    A mask in another file format has the same hash, because the encoded class ids are hashed.

    Args:
      image: The image as it is stored in a tf.Example.
      mask: The mask as it is stored in a tf.Example.
    """
    digests = (hashlib.sha256(content).digest() for content in (image, mask))
    return hashlib.sha256(b"".join(digests)).hexdigest()


def read_verdicts(path: str) -> dict[str, Verdict]:
    """Reads the verdicts.

    Args:
      path: Path of the JSON file.

    Returns:
      The verdicts by `content_hash`; empty if the file does not exist.

    Raises:
      InputError: The file does not have the expected content.
    """
    if not is_file(path):
        return {}
    try:
        return _file.validate_json(read_text(path))
    except ValidationError as error:
        reason = one_line(error.errors()[0]["msg"])
        raise InputError(
            f"{path}: does not contain verdicts ({reason}). Restore the file, or remove it to be "
            "asked again."
        ) from error


def record_verdicts(path: str, keys: Mapping[str, str], verdict: VerdictName, who: str) -> None:
    """Adds a person's verdict on some pairs to the file; a newer verdict replaces an older one.

    Args:
      path: Path of the JSON file, which is created if necessary.
      keys: Keys of the pairs, by `content_hash`.
      verdict: The verdict.
      who: User name of the person.

    Raises:
      InputError: The file cannot be written.
    """
    when = datetime.datetime.now(datetime.timezone.utc).isoformat(" ", "seconds")
    new = {
        content: Verdict(key=key, verdict=verdict, who=who, when=when)
        for content, key in keys.items()
    }
    write_text(path, _file.dump_json(read_verdicts(path) | new, indent=2).decode())
