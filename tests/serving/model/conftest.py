import pytest


@pytest.fixture(params=["local", "remote"])
def serving_folder(request, tmp_path):
    """Push folder, once on disk and once in TensorFlow's in-memory file system."""
    return str(tmp_path / "serving") if request.param == "local" else f"ram://{tmp_path}/serving"
