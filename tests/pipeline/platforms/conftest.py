"""Nodes of a small pipeline, by platform."""

import pytest

from pipeline.config.config import Config
from pipeline.create_pipeline import create_pipeline


@pytest.fixture
def make_nodes(tmp_path):
    """Builds the pipeline for a platform, and returns its nodes by their ids."""

    def make_nodes(platform, **changes):
        raw = {
            "name": "discs",
            "workspace": str(tmp_path / "runs"),
            "data": {
                "source": {"kind": "folder", "path": str(tmp_path / "nowhere")},
                "classes": ["ground", "disc"],
            },
            "gate": {"mean_iou": 0.6},
        }
        pipeline = create_pipeline(Config.model_validate(raw | changes), platform)
        return {node.id: node for node in pipeline.components}

    return make_nodes
