"""Reads the model card of a version, and names the files that hold it."""

from pydantic import ValidationError

from data.errors import InputError
from data.files.paths import join
from data.files.reading import read_text
from serving.card.card import ModelCard
from serving.card.markdown import card_markdown

CARD_FILE, CARD_TEXT_FILE = "model_card.json", "model_card.md"
"""Names of the files that hold a model card as data and as Markdown."""
_ASSETS = "assets.extra"  # folder in a SavedModel, which TF Serving ignores
PUSHED_CARD_FILES = frozenset({f"{_ASSETS}/{CARD_FILE}", f"{_ASSETS}/{CARD_TEXT_FILE}"})
"""Paths of the two files in a pushed version."""


def card_files(card: ModelCard) -> dict[str, str]:
    """Returns the contents of the two files of a card, by file name.

    Args:
      card: The card.
    """
    return {CARD_FILE: card.model_dump_json(indent=2), CARD_TEXT_FILE: card_markdown(card)}


def pushed_card_files(card: ModelCard) -> dict[str, str]:
    """Returns the contents of the two files of a card, by their paths in a pushed version.

    Args:
      card: The card.
    """
    return {join(_ASSETS, name): text for name, text in card_files(card).items()}


def read_card(folder: str) -> ModelCard | None:
    """Reads the card in a folder.

    Args:
      folder: Folder of a report.

    Returns:
      The card; None if there is none, or if another version of unetfx wrote one that this version
      cannot read.
    """
    try:
        return ModelCard.model_validate_json(read_text(join(folder, CARD_FILE)))
    except (InputError, ValidationError):
        return None


def read_pushed_card(version: str) -> ModelCard | None:
    """Reads the card of a pushed version, as `read_card` does.

    Args:
      version: Folder of the version.
    """
    return read_card(join(version, _ASSETS))
