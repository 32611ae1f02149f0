"""Runs the pipeline on this machine, for `tfx pipeline create`, `tfx run create`, `unetfx run`.

The environment variable UNETFX_CONFIG names the config file.
"""

import sys
import time
import traceback
from pathlib import Path

from components.evaluator.names import refuse_unknown_columns
from data.errors import InputError
from data.pairs import find_columns
from pipeline.config import Config, config_path, load_config
from pipeline.console import library_noise_to, print_failure, print_steps

DONE, FAILED, BAD_INPUT, NOT_BLESSED = 0, 1, 2, 3
"""Exit codes."""
_LONGEST_REASON = 300  # characters: TensorFlow puts whole graphs into messages


def run_pipeline(config_file: Path) -> int:
    """Runs the pipeline once, with progress, and prints what came of it.

    Args:
      config_file: The config file.

    Returns:
      The exit code: 0 done, 1 an unexpected failure, 3 not blessed, by the gate or by ServingCheck.

    Raises:
      InputError: The data or the config are wrong.
    """
    config = load_config(config_file)
    log = config.home / "logs" / time.strftime("%Y-%m-%dT%H-%M-%S.txt")
    with library_noise_to(log):
        try:
            return _run(config, config_file)
        except InputError:
            raise
        except Exception as error:
            traceback.print_exc()
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:_LONGEST_REASON]}"
    print_failure(f"unexpected failure: {reason}", f"The whole story is in {log}")
    return FAILED


def _run(config: Config, config_file: Path) -> int:
    if columns := config.columns_to_slice_by:
        # GateCheck would find out too, but only when all files have been read.
        refuse_unknown_columns(columns, find_columns(config.data))
    from pipeline.engine import out_of_cache, refuse_unreachable

    refuse_unreachable(config.beam)
    # Imported here: TensorFlow and TFX take seconds to load, and talk while they do.
    from tfx import v1 as tfx

    from pipeline.create_pipeline import create_pipeline
    from pipeline.reports import publish
    from pipeline.runs import latest_run
    from pipeline.summary import print_summary

    before = latest_run(config)
    pipeline = create_pipeline(config)
    with print_steps(), out_of_cache(pipeline):
        tfx.orchestration.LocalDagRunner().run(pipeline)
    run = latest_run(config)
    if run is None or run == before:  # `tfx pipeline create` only registers the pipeline
        return DONE
    print_summary(config, config_file, run, publish(config, run))
    return DONE if run.blessed and run.serves else NOT_BLESSED


def main() -> int:
    """Runs the pipeline of the config that the environment names, and returns the exit code."""
    try:
        return run_pipeline(config_path())
    except InputError as error:
        print_failure(str(error))
        return BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
