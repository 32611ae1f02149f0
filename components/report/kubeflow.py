"""The Report component for Kubeflow, where no runner puts the report where a person finds it."""

import os
from datetime import datetime, timezone

from markupsafe import Markup
from tfx import v1 as tfx
from tfx.dsl.component.experimental.decorators import component
from tfx.types.experimental.simple_artifacts import File
from tfx.utils import io_utils

from components.report.component import PAGE_FILE, Inputs, write_report
from components.report.page import ANOMALIES, RUN, anomalies
from components.validator.anomaly_text import ANOMALY_TEXT_FILE
from data.files import is_file, new_file, read_text


@component
def KubeflowReport(
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    model_run: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelRun],
    evaluation: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelEvaluation],
    blessing: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelBlessing],
    serving_check: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.InfraBlessing],
    example_anomalies: tfx.dsl.components.InputArtifact[
        tfx.types.standard_artifacts.ExampleAnomalies
    ],
    # TFX compiles artifact types of ours under names that it then takes for modules.
    report: tfx.dsl.components.OutputArtifact[File],
    name: tfx.dsl.components.Parameter[str],
    config: tfx.dsl.components.Parameter[str],
    code: tfx.dsl.components.Parameter[str],
    folder: tfx.dsl.components.Parameter[str],
) -> None:
    """Writes the report of a run, and copies it to a folder of its own among the reports.

    Args:
      examples: The examples; some of their test split are shown.
      model: The candidate model.
      model_run: Its training's logs.
      evaluation: What the Evaluator measured.
      blessing: What the gate decided.
      serving_check: What ServingCheck did.
      example_anomalies: What ExampleValidator found.
      report: Where index.html, its pictures and metrics.json go.
      name: The pipeline's.
      config: The config, as YAML.
      code: Version of the code.
      folder: Of all reports; this one's is named by the time in UTC.
    """
    inputs = Inputs(examples, model, model_run, evaluation, blessing, serving_check)
    write_report(inputs, report.uri, name=name, config=config, code=code)
    run = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H-%M-%S.%f")
    page = os.path.join(report.uri, PAGE_FILE)
    html = read_text(page)
    words = os.path.join(example_anomalies.uri, ANOMALY_TEXT_FILE)
    known = {
        RUN: Markup("<p>Run {}</p>").format(run),
        ANOMALIES: anomalies(read_text(words) if is_file(words) else ""),
    }
    for place, text in known.items():
        html = html.replace(place, text)
    with new_file(page) as file:
        file.write(html.encode())
    io_utils.copy_dir(report.uri, os.path.join(folder, run))
