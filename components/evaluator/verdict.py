"""The gate's verdict: whether a model is blessed, and by which rules."""

from pydantic import BaseModel

from components.evaluator.gate_text import NOTHING_CHECKED, rule_text
from components.evaluator.rule import Rule
from data.files import join, read_text

VERDICT_FILE = "verdict.json"
"""File in the blessing artifact: a `Verdict`."""


class Verdict(BaseModel):
    """Whether a model may be pushed, and why.

    Attributes:
      blessed: Whether it may be pushed.
      rules: Every rule of the gate that applied.
      baseline: End of the path of the model that it was compared with; None if there is none.
      remarks: What else a person should know, such as blessed models that could not be used.
    """

    blessed: bool
    rules: list[Rule]
    baseline: str | None = None
    remarks: list[str] = []

    def reasons(self) -> list[str]:
        """Returns why the model was not blessed, a line for each reason."""
        broken = [rule_text(rule) for rule in self.rules if rule.passed is False]
        return broken or ([] if self.blessed else [NOTHING_CHECKED])


def read_verdict(blessing: str) -> Verdict:
    """Reads the verdict of an evaluation.

    Args:
      blessing: Path of the Evaluator's `blessing` artifact.
    """
    return Verdict.model_validate_json(read_text(join(blessing, VERDICT_FILE)))
