import sys

import pytest

from pipeline.late_import import load_late


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "late_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "heavy.py").write_text(
        "import late_package\nlate_package.loaded = True\nanswer = 42\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    yield
    for name in ("late_package.heavy", "late_package"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("package")
def test_the_first_use_loads_the_module():
    load_late("late_package.heavy")
    import late_package
    from late_package import heavy

    assert not hasattr(late_package, "loaded")
    assert heavy.answer == 42
    assert late_package.loaded


@pytest.mark.usefixtures("package")
def test_a_look_at_the_globals_does_not_load_the_module():
    load_late("late_package.heavy")
    import late_package
    from late_package import heavy

    assert "answer" not in vars(heavy)
    assert not hasattr(heavy, "__warningregistry__")
    assert not hasattr(late_package, "loaded")


@pytest.mark.usefixtures("package")
def test_a_name_that_the_module_does_not_have_is_an_attribute_error():
    load_late("late_package.heavy")
    from late_package import heavy

    with pytest.raises(AttributeError, match="heavy' has no attribute 'no'"):
        heavy.no  # noqa: B018


@pytest.mark.usefixtures("package")
def test_other_modules_load_at_once():
    load_late("late_package.other")
    import late_package
    from late_package import heavy  # noqa: F401

    assert late_package.loaded


@pytest.mark.usefixtures("package")
def test_a_missing_module_is_still_missing():
    load_late("late_package.missing")
    with pytest.raises(ModuleNotFoundError):
        import late_package.missing  # noqa: F401
