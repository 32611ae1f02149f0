import io

import pytest
from rich.console import Console

from data.progress import terminal_progress


@pytest.mark.parametrize("terminal", [False, True])
def test_the_bar_shows_only_on_a_terminal(terminal):
    output = io.StringIO()
    with terminal_progress(Console(file=output, force_terminal=terminal)) as progress:
        assert list(progress.track(range(3), description="Reading")) == [0, 1, 2]
    assert ("Reading" in output.getvalue()) == terminal


def test_a_disabled_bar_shows_nothing():
    output = io.StringIO()
    with terminal_progress(Console(file=output, force_terminal=True), disable=True) as progress:
        assert list(progress.track(range(3))) == [0, 1, 2]
    assert output.getvalue() == ""
