import sys

from tests import warm_process


def print_facts():
    print(sys.argv, all(name in sys.modules for name in warm_process._IMPORTED_ONCE))
    return 3


def test_a_process_has_its_arguments_and_every_module_of_the_list(tmp_path):
    done = warm_process.run(f"{__name__}:print_facts", ["program", 1], folder=tmp_path)
    assert done == (3, "['program', '1'] True\n")


def test_a_process_has_its_own_environment_and_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("OF_THIS_PROCESS", "yes")
    environment = {"OF_THAT_PROCESS": "yes"}
    done = warm_process.run("os:getcwd", ["x"], environment=environment, folder=tmp_path)
    assert done.code == 1  # sys.exit prints a text, here the folder, and exits with 1
    assert done.output.strip() == str(tmp_path)
