"""A config that Kubeflow can run, with changes."""

import pytest
import yaml

RUNNABLE = {
    "name": "Blue_marble",
    "workspace": "gs://bucket/runs",
    "data": {
        "source": {"kind": "folder", "path": "gs://bucket/data"},
        "classes": ["ocean", "land"],
    },
    "gate": {"mean_iou": 0.6},
    "kubeflow": {"image": "registry.example/unetfx:1"},
}


@pytest.fixture
def write_config(tmp_path):
    """Writes the config with other values of some keys; a value of None removes the key."""

    def write(**changes):
        path = tmp_path / "config.yaml"
        config = {key: value for key, value in (RUNNABLE | changes).items() if value is not None}
        path.write_text(yaml.safe_dump(config))
        return path

    return write
