"""Compiles the pipeline into a package, without reaching a cluster or a bucket."""

from pathlib import Path

from pipeline.config.config import Config
from pipeline.kubeflow.requirements import check_config, pipeline_name


def compile_pipeline(config: Config, package: Path | None = None) -> Path:
    """Compiles the pipeline that a config describes.

    Args:
      config: The config.
      package: The file to write: JSON for Vertex AI if its suffix is `.json`, else YAML for
        Kubeflow Pipelines. By default `<pipeline>.yaml` in the current folder.

    Returns:
      The file that was written. It is TFX's own choice under `tfx pipeline create`.

    Raises:
      InputError: A cluster cannot run the pipeline of this config, kfp is not installed, or the
        file cannot be written.
    """
    kubeflow, name = check_config(config), pipeline_name(config)
    # A late import, because TFX and kfp take seconds to load; errors in the config are reported
    # without this delay.
    from pipeline.create_pipeline import create_pipeline
    from pipeline.kubeflow.dag_runner import PackageRunner
    from pipeline.platforms.kubeflow import Kubeflow

    pipeline = create_pipeline(config, Kubeflow())
    pipeline.pipeline_info.pipeline_name = name
    pipeline.enable_cache = kubeflow.cache
    runner = PackageRunner(kubeflow, (package or Path(f"{name}.yaml")).absolute())
    runner.run(pipeline)
    return runner.package
