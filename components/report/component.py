"""The Report component, which writes a run's report data and, on Kubeflow, also the HTML page."""

from datetime import datetime, timezone

from tfx import v1 as tfx
from tfx.dsl.component.experimental.decorators import component
from tfx.types.experimental.simple_artifacts import File

from components.report.page import RunFacts, read_anomalies, write_page
from components.report.writing import Inputs, write_report
from data.config import Strict
from data.files.copying import copy_folder
from data.files.paths import join
from serving.card.config import CardConfig


class ReportSettings(Strict):
    """Settings of the Report component.

    Attributes:
      name: Name of the pipeline.
      config: Config of the pipeline as YAML, which the page displays.
      code: Version of the code that writes reports. The version is part of the cache key, so the
        report is written again when the code changes.
      card: The `card` section of the config.
      verdicts: Path or URL of the file that keeps people's verdicts on masks.
      folder: Folder of all published reports. The component publishes its report in a sub-folder
        that is named after the current time in UTC. None if the runner publishes the reports.
    """

    name: str
    config: str
    code: str
    card: CardConfig
    verdicts: str
    folder: str | None = None


@component
def Report(
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    model_run: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelRun],
    evaluation: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelEvaluation],
    blessing: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelBlessing],
    serving_check: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.InfraBlessing],
    # The type is `File` because TFX's entry point on Kubeflow cannot import custom artifact types
    # by the names that TFX's compiler gives them.
    report: tfx.dsl.components.OutputArtifact[File],
    settings: tfx.dsl.components.Parameter[str],
    example_anomalies: tfx.dsl.components.InputArtifact[
        tfx.types.standard_artifacts.ExampleAnomalies
    ] = None,
) -> None:
    """Writes the data of a report, and publishes the report if `settings.folder` is set.

    Args:
      examples: The examples. The report shows images of the test split.
      model: The candidate model.
      model_run: Training logs of the model.
      evaluation: Results of the Evaluator.
      blessing: Blessing artifact of the Evaluator, with the verdict of the gate.
      serving_check: Blessing artifact of ServingCheck, with its verdict.
      report: The output artifact, to which metrics.json, report.json, the model card
        and the pictures are written.
      settings: A `ReportSettings` as JSON.
      example_anomalies: Output of ExampleValidator, which the page shows on Kubeflow. On other
        platforms this input is None, because a new anomalies artifact would make TFX write an
        otherwise unchanged report again.
    """
    parsed = ReportSettings.model_validate_json(settings)
    inputs = Inputs(examples, model, model_run, evaluation, blessing, serving_check)
    write_report(
        inputs,
        report.uri,
        name=parsed.name,
        config=parsed.config,
        code=parsed.code,
        texts=parsed.card,
        verdicts=parsed.verdicts,
    )
    if parsed.folder:
        run = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H-%M-%S.%f")
        published = join(parsed.folder, run)
        copy_folder(report.uri, published)
        anomalies = read_anomalies(example_anomalies.uri) if example_anomalies else []
        write_page(published, RunFacts(run, anomalies=anomalies))
