"""The Report component: the data of a run's report, and on Kubeflow its page."""

from datetime import datetime, timezone

from tfx import v1 as tfx
from tfx.dsl.component.experimental.decorators import component
from tfx.types.experimental.simple_artifacts import File

from components.report.page import RunFacts, read_anomalies, write_page
from components.report.writing import Inputs, write_report
from data.config import Strict
from data.files import copy_folder, join


class ReportSettings(Strict):
    """Settings of the Report component.

    Attributes:
      name: Name of the pipeline.
      config: Config of the pipeline, as YAML, for display.
      code: Version of the code that writes reports; part of the cache key.
      folder: Folder of all published reports, in which Report publishes this one in a sub-folder
        named by the time in UTC; None if the runner publishes reports.
    """

    name: str
    config: str
    code: str
    folder: str | None = None


@component
def Report(
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    model_run: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelRun],
    evaluation: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelEvaluation],
    blessing: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelBlessing],
    serving_check: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.InfraBlessing],
    # `File`, because TFX's compiler for Kubeflow gives custom artifact types names that its entry
    # point cannot import.
    report: tfx.dsl.components.OutputArtifact[File],
    settings: tfx.dsl.components.Parameter[str],
    example_anomalies: tfx.dsl.components.InputArtifact[
        tfx.types.standard_artifacts.ExampleAnomalies
    ] = None,
) -> None:
    """Writes the data of a report, and publishes the report if the settings name a folder.

    Args:
      examples: The examples; the report shows images of the test split.
      model: The candidate model.
      model_run: Logs of the training.
      evaluation: Results of the Evaluator.
      blessing: Blessing artifact of the Evaluator, with the verdict of the gate.
      serving_check: Blessing artifact of ServingCheck, with its verdict.
      report: Folder for metrics.json, report.json and the pictures.
      settings: `ReportSettings`, as JSON.
      example_anomalies: Output of ExampleValidator, for the page that is published on Kubeflow; not
        connected elsewhere, since a new artifact would make TFX write the same report again.
    """
    parsed = ReportSettings.model_validate_json(settings)
    inputs = Inputs(examples, model, model_run, evaluation, blessing, serving_check)
    write_report(inputs, report.uri, name=parsed.name, config=parsed.config, code=parsed.code)
    if parsed.folder:
        run = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H-%M-%S.%f")
        published = join(parsed.folder, run)
        copy_folder(report.uri, published)
        anomalies = read_anomalies(example_anomalies.uri) if example_anomalies else []
        write_page(published, RunFacts(run, anomalies=anomalies))
