"""Compiles the pipeline into a package; needs no access to a cluster or a bucket."""

from pathlib import Path

from pipeline.config.config import Config
from pipeline.kubeflow.requirements import check_config, pipeline_name, pipeline_root


def compile_pipeline(config: Config, package: Path | None = None) -> Path:
    """Builds the pipeline from a config and compiles it into a package.

    Args:
      config: The config of the pipeline.
      package: Path of the package to write. The suffix `.json` selects JSON for Vertex AI; any
        other suffix selects YAML for Kubeflow Pipelines. None for `<pipeline>.yaml` in the current
        folder.

    Returns:
      Path of the written package. Under `tfx … --engine vertex`, it differs from `package`, because
      TFX chooses the path.

    Raises:
      InputError: The pipeline cannot run on a cluster with this config, kfp is not installed, or
        the package cannot be written.
    """
    kubeflow, name = check_config(config), pipeline_name(config.name)
    # These imports come late, because TFX and kfp take seconds to load, and errors in the config
    # should be reported without that delay.
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
