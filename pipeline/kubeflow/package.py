"""Compiles the pipeline into a package, without access to a cluster or a bucket."""

from pathlib import Path

from pipeline.config.config import Config
from pipeline.kubeflow.requirements import check_config, pipeline_name, pipeline_root


def compile_pipeline(config: Config, package: Path | None = None) -> Path:
    """Compiles the pipeline that a config describes into a package.

    Args:
      config: The config of the pipeline.
      package: Path of the package: JSON for Vertex AI if the suffix is `.json`, else YAML for
        Kubeflow Pipelines. By default `<pipeline>.yaml` in the current folder.

    Returns:
      Path of the written package; `tfx pipeline create` overrides the given path.

    Raises:
      InputError: A cluster cannot run the pipeline of this config, kfp is not installed, or the
        package cannot be written.
    """
    kubeflow, name = check_config(config), pipeline_name(config.name)
    # A late import, because TFX and kfp take seconds to load; errors in the config are reported
    # without this delay.
    from pipeline.create_pipeline import create_pipeline
    from pipeline.kubeflow.dag_runner import PackageRunner
    from pipeline.platforms.kubeflow import Kubeflow

    pipeline = create_pipeline(config, Kubeflow())
    pipeline.pipeline_info.pipeline_name = name
    pipeline.pipeline_info.pipeline_root = pipeline_root(config)
    pipeline.enable_cache = kubeflow.cache
    runner = PackageRunner(kubeflow, (package or Path(f"{name}.yaml")).absolute())
    runner.run(pipeline)
    return runner.package
