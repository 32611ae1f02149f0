"""A good config for tests, changes of it, and how to load it."""

import pytest
import yaml

import tests.quick_beam  # noqa: F401
from data.errors import InputError
from pipeline.config.loading import load_config

GOOD = """
name: discs
data:
  source: {kind: folder, path: some/where}
  classes: [ground, disc]
gate: {mean_iou: 0.6}
"""


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return load_config(path)

    return load


@pytest.fixture
def problems(load, tmp_path):
    """Loads a bad config and returns the lines of the error, without the path of the file."""

    def problems(text):
        with pytest.raises(InputError) as caught:
            load(text)
        lines = str(caught.value).splitlines()
        assert all(line.startswith(f"{tmp_path}/mine.yaml: ") for line in lines)
        return [line.removeprefix(f"{tmp_path}/mine.yaml: ") for line in lines]

    return problems


def changed(**changes):
    """Returns the good config with other values at dotted keys, written with `__` for the dot."""
    config = yaml.safe_load(GOOD)
    for key, value in changes.items():
        *path, last = key.split("__")
        part = config
        for name in path:
            part = part.setdefault(name, {})
        part[last] = value
    return yaml.safe_dump(config)
