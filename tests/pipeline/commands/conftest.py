import sys

import pytest

from pipeline.commands import cli


@pytest.fixture
def unetfx(monkeypatch, capfd):
    """Runs the console script and returns its exit code, standard output and standard error."""

    def unetfx(*arguments):
        monkeypatch.setattr(sys, "argv", ["unetfx", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code, *capfd.readouterr()

    return unetfx
