import sys

from tests import warm_process


def print_facts():
    print(sys.argv, all(name in sys.modules for name in warm_process._IMPORTED_ONCE))
    return 3


def test_a_process_gets_its_arguments_and_has_all_modules_imported(tmp_path):
    finished = warm_process.run(f"{__name__}:print_facts", ["program", 1], folder=tmp_path)
    assert finished == (3, "['program', '1'] True\n")


def test_a_process_has_its_own_environment_and_working_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PARENT_VARIABLE", "yes")
    environment = {"CHILD_VARIABLE": "yes"}
    finished = warm_process.run("os:getcwd", ["x"], environment=environment, folder=tmp_path)
    assert finished.code == 1  # sys.exit prints the text that getcwd returns, and exits with 1
    assert finished.output.strip() == str(tmp_path)
