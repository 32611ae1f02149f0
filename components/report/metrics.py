"""metrics.json: the metrics and verdicts of a run, for programs."""

from pydantic import BaseModel
from typing_extensions import Self

from components.evaluator.results import OVERALL, Evaluation, Scores
from components.evaluator.rule import Rule
from components.evaluator.verdict import Verdict
from components.serving_check.verdict import ServingVerdict

METRICS_FILE = "metrics.json"


class RunMetrics(BaseModel):
    """Metrics on `test`, the gate's verdict and ServingCheck's.

    Attributes:
      blessed: Whether the gate blesses the model; only models that also serve are pushed.
      reasons: Why the model is not blessed, one line for each reason.
      remarks: Other facts to know, such as baselines that could not be used.
      metrics: Metric name to value over the whole split, 0..1; None where undefined.
      baseline: The same metrics of the last blessed model; empty without one.
      baseline_model: Name of that model, such as `Trainer/model/5`; None without one.
      rules: Every condition of the gate that applied.
      images: Number of images in the split.
      confusion_matrix: [C][C] pixel counts, truth in rows, prediction in columns.
      calibration: [bins][3], see `Scores`.
      slices: Slice name to the scores of that slice.
      serving: Verdict and measurements of ServingCheck.
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
        """Combines the results of the Evaluator, the gate and ServingCheck.

        Args:
          evaluation: Metrics of the candidate and the baseline.
          verdict: Verdict of the gate.
          serving: Verdict of ServingCheck.
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
