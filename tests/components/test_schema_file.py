import pytest

from components.schema_file import edited_schema, write_inferred_schema

SCHEMA = 'feature {\n  name: "image/height"\n}\n'


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "schema.pbtxt")


def test_an_inferred_schema_is_not_edited(path):
    assert write_inferred_schema(path, SCHEMA).endswith(SCHEMA)
    assert edited_schema(path) == ""


def test_a_missing_schema_is_not_edited(path):
    assert edited_schema(path) == ""


@pytest.mark.parametrize(
    ("old", "new"), [("height", "width"), ("\n}\n", "\n}\n\n"), ("# Inferred", "# inferred")]
)
def test_a_change_anywhere_is_an_edit(path, tmp_path, old, new):
    content = write_inferred_schema(path, SCHEMA).replace(old, new)
    (tmp_path / "schema.pbtxt").write_text(content)
    assert edited_schema(path) == content


def test_a_file_of_the_user_is_edited(path, tmp_path):
    (tmp_path / "schema.pbtxt").write_text(SCHEMA)
    assert edited_schema(path) == SCHEMA
