"""The shipped ISBI EM config on the real slices, with a narrow network and small views."""

import json
from pathlib import Path

import pytest
import yaml

import pipeline
from pipeline.execution.local_run import run_pipeline
from pipeline.exit_codes import DONE

REPOSITORY = Path(pipeline.__file__).parent.parent
SLICES = REPOSITORY.parent / "shared" / "data" / "isbi-em"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SLICES.exists(), reason="no ISBI EM slices beside the repository"),
]


def test_the_config_maps_0_255_masks_and_the_gate_passes(tmp_path):
    config = yaml.safe_load((REPOSITORY / "pipeline" / "configs" / "isbi_em.yaml").read_text())
    config["workspace"] = str(tmp_path)
    config["data"]["source"]["path"] = str(SLICES)
    config["data"]["view"] = {"kind": "resize", "height": 96, "width": 96}
    config["model"] = {"width": 0.1}
    config["training"] |= {"epochs": 4, "learning_rate": 3e-3, "precision": "float32"}
    config["gate"] = {"mean_iou": 0.35, "class_iou": {"cell": 0.6}}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    assert run_pipeline(path) == DONE
    (report,) = (tmp_path / "isbi_em" / "reports").glob("*/metrics.json")
    metrics = json.loads(report.read_text())["metrics"]
    assert {"mean_iou", "iou/membrane", "iou/cell"} <= metrics.keys()
