import shutil

import pytest

from data.errors import InputError
from pipeline.config.config import Config
from pipeline.execution.local_workspace import full_disk, refuse_files_as_folders


@pytest.fixture
def config(tmp_path):
    source = {"kind": "folder", "path": "x"}
    data = {"source": source, "classes": ["a", "b"]}
    return Config(name="cells", workspace=str(tmp_path), data=data, gate={"mean_iou": 0.5})


@pytest.mark.parametrize("name", ["artifacts", "listing", "reports", "serving/cells"])
def test_a_file_in_place_of_a_folder_is_named(config, name):
    refuse_files_as_folders(config)
    path = config.home / name
    path.mkdir(parents=True)
    refuse_files_as_folders(config)
    path.rmdir()
    path.write_text("")
    with pytest.raises(InputError, match=f"cells/{name}: a file, but a run needs a folder there"):
        refuse_files_as_folders(config)


def test_a_full_disk_is_named(config, monkeypatch):
    config.home.mkdir()
    assert full_disk(config) is None
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))
    assert str(full_disk(config)).startswith(f"{config.home}: no space left on the disk.")


def test_a_workspace_that_is_gone_is_no_full_disk(config):
    assert full_disk(config) is None
