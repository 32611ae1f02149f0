"""Measures the calibration error on `test` without the temperature of the model and with it.

    python -m benchmarks.calibration [--sets blue_marble isbi_em] [--epochs 12] [--seeds 2]

Each row is a run of the pipeline on a shipped config, with its defaults or with the Dice loss
alone, which makes networks least honest. The temperature is fitted on `val`; `test` shows other
places (Blue Marble) or other slices (ISBI EM). Run the command from the folder of the repository.
"""

import argparse
import contextlib
import io
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.loading import load_config
from pipeline.execution.local_run import run_pipeline
from pipeline.history.runs import all_runs

_CONFIGS = Path(__file__).parents[1] / "pipeline" / "configs"
_SETS = ("blue_marble", "isbi_em")
_LOSSES: Mapping[str, Mapping[str, Any]] = {
    "the config": {},
    "Dice alone": {"loss": {"dice": 1}},
}


def main() -> None:
    """Runs the pipeline for each data set, loss and seed, and prints a row for each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=_SETS, default=_SETS)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    print("| data set | loss | seed | mean IoU | temperature | error without it | with it |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in arguments.sets:
        with tempfile.TemporaryDirectory() as workspace:
            for title, changes in _LOSSES.items():
                for seed in range(1, arguments.seeds + 1):
                    training = {"epochs": arguments.epochs, "seed": seed, **changes}
                    metrics, temperature = _measure(name, Path(workspace), training)
                    raw, calibrated = metrics["raw_calibration_error"], metrics["calibration_error"]
                    print(
                        f"| {name} | {title} | {seed} | {metrics['mean_iou']:.3f} "
                        f"| {temperature:.2f} | {raw:.3f} | {calibrated:.3f} |",
                        flush=True,
                    )


def _measure(
    name: str, workspace: Path, training: Mapping[str, Any]
) -> tuple[Mapping[str, float], float]:
    """Runs the pipeline, and returns the metrics on `test` and the temperature of the model."""
    config = yaml.safe_load((_CONFIGS / f"{name}.yaml").read_text())
    config["workspace"] = str(workspace)
    config["training"] |= training
    file = workspace / f"{name}.yaml"
    file.write_text(yaml.safe_dump(config))
    with contextlib.redirect_stdout(io.StringIO()):
        run_pipeline(file)
    report = all_runs(load_config(file))[0].report
    assert report  # noqa: S101, for the type checker
    folder = Path(report.uri)
    metrics = json.loads((folder / "metrics.json").read_text())["metrics"]
    return metrics, json.loads((folder / "report.json").read_text())["temperature"]


if __name__ == "__main__":
    main()
