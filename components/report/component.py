"""The Report component: the data of a run's report, and on Kubeflow its page."""

from datetime import datetime, timezone

from tfx import v1 as tfx
from tfx.dsl.component.experimental.decorators import component
from tfx.types.experimental.simple_artifacts import File
from tfx.utils import io_utils

from components.report.page import RunFacts, read_anomalies, write_page
from components.report.writing import Inputs, write_report
from data.config import Strict
from data.files import join


class ReportSettings(Strict):
    """Settings of the Report component.

    Attributes:
      name: Name of the pipeline.
      config: The config, as YAML.
      code: Version of the code that writes reports.
      folder: Folder of all reports, where this one is published under the time in UTC; None where
        the runner publishes it.
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
    """Writes the data of a report, and publishes the report where the settings name a folder.

    Args:
      examples: The examples; images of their test split are shown.
      model: The candidate model.
      model_run: Logs of the training.
      evaluation: Output of the Evaluator.
      blessing: Verdict of the gate.
      serving_check: Verdict of ServingCheck.
      report: Folder for metrics.json, report.json and the pictures.
      settings: `ReportSettings`, as JSON.
      example_anomalies: Output of ExampleValidator, for the published page. Only for Kubeflow: an
        input that changes would make TFX write the same report again.
    """
    parsed = ReportSettings.model_validate_json(settings)
    inputs = Inputs(examples, model, model_run, evaluation, blessing, serving_check)
    write_report(inputs, report.uri, name=parsed.name, config=parsed.config, code=parsed.code)
    if parsed.folder:
        run = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H-%M-%S.%f")
        published = join(parsed.folder, run)
        io_utils.copy_dir(report.uri, published)
        anomalies = read_anomalies(example_anomalies.uri) if example_anomalies else []
        write_page(published, RunFacts(run, anomalies=anomalies))
