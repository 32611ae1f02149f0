"""The gate's verdict: whether a model is blessed, and the result of each rule."""

from pydantic import BaseModel

from components.evaluator.gate_text import NOTHING_CHECKED, rule_text, without_interval_text
from components.evaluator.rule import FLOOR, Rule
from data.files.paths import join
from data.files.reading import read_text

VERDICT_FILE = "verdict.json"
"""Name of the file in the Evaluator's blessing artifact that holds a `Verdict` as JSON."""


class Verdict(BaseModel):
    """Whether the gate blesses a model, and why.

    Attributes:
      blessed: Whether the gate blesses the model.
      rules: Rules of the gate with their results, including rules that could not be checked.
      baseline: Short name of the baseline, such as `Trainer/model/5`; None without a baseline.
      remarks: Further information for the user, one line each, such as the reason why a blessed
        model could not be used as the baseline.
    """

    blessed: bool
    rules: list[Rule]
    baseline: str | None = None
    remarks: list[str] = []

    def reasons(self) -> list[str]:
        """Returns the reasons for not blessing the model, one line each; empty if it is blessed."""
        broken = [rule_text(rule) for rule in self.rules if rule.passed is False]
        return broken or ([] if self.blessed else [NOTHING_CHECKED])

    def doubts(self) -> list[str]:
        """Returns the rules that were not checked or pass without certainty, one line each.

        One more line names all rules that were decided without an interval.
        """
        unsure = [
            rule_text(rule)
            for rule in self.rules
            if rule.passed is None or (rule.passed and rule.groups_needed)
        ]
        return [*unsure, *self.without_interval()]

    def without_interval(self) -> list[str]:
        """Returns a line that names all rules decided without an interval; empty without any."""
        alone = [rule for rule in self.rules if _by_value_alone(rule)]
        return [without_interval_text(alone)] if alone else []


def _by_value_alone(rule: Rule) -> bool:
    """Returns whether a rule was decided without an interval."""
    compared = rule.value is not None and (rule.kind == FLOOR or rule.baseline is not None)
    # Verdicts of older versions of unetfx have neither intervals nor the number of groups.
    return rule.passed is not None and compared and rule.groups > 0 and rule.interval is None


def read_verdict(blessing: str) -> Verdict:
    """Reads the gate's verdict on a model.

    Args:
      blessing: Path of the Evaluator's `blessing` artifact.
    """
    return Verdict.model_validate_json(read_text(join(blessing, VERDICT_FILE)))
