import os
import tempfile
from pathlib import Path

import pytest

from data.errors import InputError
from data.files.ownership import refuse_foreign_folder

OTHER_USER = 12345


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to another user")
@pytest.mark.parametrize("foreign", ["unetfx", "unetfx/cells", "unetfx/cells/sample"])
def test_a_folder_of_another_user_is_refused(tmp_path, monkeypatch, foreign):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "unetfx/cells/sample"
    folder.mkdir(parents=True)
    refuse_foreign_folder(str(folder))
    os.chown(tmp_path / foreign, OTHER_USER, OTHER_USER)
    with pytest.raises(InputError, match="belongs to another user"):
        refuse_foreign_folder(str(folder))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to another user")
def test_a_link_of_another_user_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "unetfx").symlink_to(Path.home())
    os.chown(tmp_path / "unetfx", OTHER_USER, OTHER_USER, follow_symlinks=False)
    with pytest.raises(InputError, match="belongs to another user"):
        refuse_foreign_folder(str(tmp_path / "unetfx/cells"))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to another user")
def test_folders_elsewhere_may_belong_to_anybody(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    os.chown(tmp_path / "data", OTHER_USER, OTHER_USER)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(InputError):
        refuse_foreign_folder(str(tmp_path / "data"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    refuse_foreign_folder(str(tmp_path / "data"))
