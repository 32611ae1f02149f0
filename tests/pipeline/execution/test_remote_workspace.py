import pytest

from data.errors import InputError
from data.files.finding import is_file
from pipeline.config.loading import load_config
from pipeline.execution.remote_workspace import link_workspace
from tests.pipeline.conftest import changed


@pytest.fixture
def config(gs_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(changed(workspace=gs_folder))
    return load_config(tmp_path / "config.yaml")


def test_a_workspace_belongs_to_the_folder_with_its_records(config, gs_folder, tmp_path):
    for _ in range(2):
        link_workspace(config)
    assert is_file(f"{gs_folder}/discs/records.json")
    home = tmp_path / "runs" / gs_folder.replace("://", "/") / "discs"
    assert config.home == home
    home.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError) as caught:
        link_workspace(config)
    assert str(caught.value).startswith(
        f"workspace: the records of {gs_folder}/discs are in {home} on "
    )
    assert str(caught.value).endswith(". Run there, or choose a different workspace.")


def test_a_local_workspace_needs_no_claim(tmp_path, config):
    local = config.model_copy(update={"workspace": str(tmp_path / "local")})
    link_workspace(local)
    assert not local.home.exists()
