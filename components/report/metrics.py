"""metrics.json: what was measured and decided, for programs."""

from pydantic import BaseModel
from typing_extensions import Self

from components.evaluator.results import OVERALL, Evaluation, Scores
from components.evaluator.rule import Rule
from components.evaluator.verdict import Verdict
from components.serving_check.verdict import ServingVerdict

METRICS_FILE = "metrics.json"


class RunMetrics(BaseModel):
    """What was measured on `test`, and what the gate made of it.

    Attributes:
      blessed: Whether the gate lets the model be pushed; ServingCheck must, too.
      reasons: Why it may not, a line for each reason.
      remarks: What else a person should know: baselines that were passed by.
      metrics: Metric name to value over the whole split, 0..1; None where undefined.
      baseline: The same of the last blessed model; empty if there is none.
      baseline_model: The end of that model's path; None if there is none.
      rules: Every condition of the gate that applied.
      confusion_matrix: [C][C] pixels, truth in rows, prediction in columns.
      calibration: [bins][3], see `Scores`.
      slices: Slice name to what was measured there.
      serving: What ServingCheck did with the model.
    """

    blessed: bool
    reasons: list[str]
    remarks: list[str]
    metrics: dict[str, float | None]
    baseline: dict[str, float | None]
    baseline_model: str | None
    rules: list[Rule]
    images: int
    confusion_matrix: list[list[int]]
    calibration: list[list[float]]
    slices: dict[str, Scores]
    serving: ServingVerdict

    @classmethod
    def of(cls, evaluation: Evaluation, verdict: Verdict, serving: ServingVerdict) -> Self:
        """Puts the three together.

        Args:
          evaluation: What was measured.
          verdict: What the gate decided.
          serving: What ServingCheck did.
        """
        overall = evaluation.candidate[OVERALL]
        baseline = evaluation.baseline.get(OVERALL)
        return cls(
            blessed=verdict.blessed,
            reasons=verdict.reasons(),
            remarks=verdict.remarks,
            baseline=baseline.metrics if baseline else {},
            baseline_model=verdict.baseline,
            rules=verdict.rules,
            **dict(overall),
            slices={
                name: scores for name, scores in evaluation.candidate.items() if name != OVERALL
            },
            serving=serving,
        )
