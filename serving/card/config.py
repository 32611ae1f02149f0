"""The `card` section of a config file."""

from data.config.base import Strict


class CardConfig(Strict):
    """The `card` section of the config: texts that only people can write for the model card.

    Attributes:
      intended_use: What the model is for, and for whom.
      limits: What the model must not be used for, and where it is known to fail.
      contact: Whom to ask about the model: a name, an address or a URL.
    """

    intended_use: str = ""
    limits: str = ""
    contact: str = ""
