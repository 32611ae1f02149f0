import pytest


@pytest.fixture(params=["local", "remote"])
def serving_folder(request, tmp_path):
    """Push folder, once on disk and once in a bucket."""
    if request.param == "local":
        return str(tmp_path / "serving")
    return f"{request.getfixturevalue('gs_folder')}/serving"
