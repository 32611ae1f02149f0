"""The content of metrics.json: a run's metrics and verdicts in machine-readable form."""

from pydantic import BaseModel
from typing_extensions import Self

from components.evaluator.intervals import Intervals
from components.evaluator.results import Evaluation, Scores
from components.evaluator.rule import Rule
from components.evaluator.slice_names import OVERALL
from components.evaluator.verdict import Verdict
from components.serving_check.verdict import ServingVerdict

METRICS_FILE = "metrics.json"


class RunMetrics(BaseModel):
    """Metrics on the test split, and the verdicts of the gate and of ServingCheck.

    Attributes:
      blessed: Whether the gate blesses the model. A blessed model is pushed only if it also passes
        ServingCheck.
      reasons: Reasons why the gate does not bless the model, one line each; empty if it does.
      doubts: Rules of the gate that were not checked or pass without certainty, one line each, and
        a line with those that were decided without an interval.
      remarks: Further information, one line each, such as the reason why a blessed model could not
        be used as the baseline.
      metrics: Value of each metric on the whole test split, 0..1, by metric name; None where
        undefined.
      baseline: Value of each metric for the baseline on the same images, 0..1, by metric name;
        empty without a baseline.
      baseline_model: Short name of the baseline, such as `Trainer/model/5`; None without a
        baseline.
      rules: Rules of the gate with their results, including rules that could not be checked.
      images: Number of images in the test split.
      confusion_matrix: [C][C] pixel counts, with true classes in rows and predicted classes in
        columns.
      calibration: [bins][3]. For each confidence bin, the number of pixels, the sum of their
        confidences and the number of correctly predicted pixels.
      raw_calibration: The same as `calibration`, without the temperature of the model; empty in
        reports of older versions of unetfx.
      slices: Scores of the candidate on each slice except the whole split, by slice name.
      intervals: 95 % confidence intervals of the metrics, of the differences from the baseline, and
        of the metrics on each slice.
      serving: Verdict and measurements of ServingCheck.
    """

    blessed: bool
    reasons: list[str]
    doubts: list[str] = []
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
    intervals: Intervals = Intervals()
    raw_calibration: list[list[float]] = []

    @classmethod
    def of(
        cls,
        evaluation: Evaluation,
        intervals: Intervals,
        verdict: Verdict,
        serving: ServingVerdict,
    ) -> Self:
        """Combines the results of the Evaluator, the gate and ServingCheck.

        Args:
          evaluation: Scores of the candidate and the baseline.
          intervals: Confidence intervals of the scores.
          verdict: Verdict of the gate.
          serving: Verdict of ServingCheck.
        """
        overall = evaluation.candidate[OVERALL]
        baseline = evaluation.baseline.get(OVERALL)
        return cls(
            blessed=verdict.blessed,
            reasons=verdict.reasons(),
            doubts=verdict.doubts(),
            remarks=verdict.remarks,
            baseline=baseline.metrics if baseline else {},
            baseline_model=verdict.baseline,
            rules=verdict.rules,
            **overall.model_dump(exclude={"true_pixels"}),
            slices={
                name: scores.without_confusions()
                for name, scores in evaluation.candidate.items()
                if name != OVERALL
            },
            serving=serving,
            intervals=intervals,
        )
