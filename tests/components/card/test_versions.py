import tensorflow as tf

from components.card.versions import software_versions


def test_the_versions_are_those_installed():
    versions = software_versions()
    assert versions["tensorflow"] == tf.__version__
    assert list(versions)[:2] == ["unetfx", "Python"]
