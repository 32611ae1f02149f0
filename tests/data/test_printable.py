import subprocess
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.printable import printable, shell_path

# Letters of every script, and, much more often than at random, characters that a terminal obeys.
NAMES = st.text(
    st.characters() | st.sampled_from("\x1b\n\r\x07\x9b\u2028\u202e\u2066\udcff'\\$`!\"-* ")
)
PATHS = NAMES.filter(lambda name: name and "\0" not in name).filter(
    lambda name: all(not "\ud800" <= c <= "\udfff" or "\udc80" <= c <= "\udcff" for c in name)
)


@given(NAMES)
def test_nothing_that_a_terminal_obeys_is_left(name):
    text = printable(name)
    assert len(text.splitlines()) <= 1
    assert not {unicodedata.category(character) for character in text} & {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(character) for character in text} & {
        *("LRE", "RLE", "LRO", "RLO", "PDF"),
        *("LRI", "RLI", "FSI", "PDI"),
    }
    assert printable(text) == text
    text.encode()


@pytest.mark.parametrize(
    "name", ["", "a b.png", "größe/пример/例/شب\u200cها/👩\u200d🔬\u00a0.png", "C:\\x"]
)
def test_ordinary_names_stay_as_they_are(name):
    assert printable(name) == name


def test_control_characters_are_written_as_in_python():
    name = "a\x1b[31m\n\x9b\u202e\udcff"
    assert printable(name) == r"a\x1b[31m\n\x9b\u202e\udcff"


@given(st.lists(PATHS, min_size=1, max_size=20))
@settings(max_examples=30)
def test_bash_reads_the_same_path(paths):
    words = " ".join(map(shell_path, paths))
    assert printable(words) == words
    command = ["bash", "-c", rf"printf '%s\0' {words}"]
    read = subprocess.run(command, stdout=subprocess.PIPE, check=True, env={"LC_ALL": "C.UTF-8"})
    expected = [f"./{path}" if path.startswith("-") else path for path in paths]
    assert read.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1] == expected
