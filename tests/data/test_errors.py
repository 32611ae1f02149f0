import pickle

from data.errors import InputError, PairError, one_line


def test_each_argument_is_one_line_of_the_message():
    error = InputError("a\nb: no such file.", "c\x1b[2J: no such file.")
    assert str(error).split("\n") == [r"a\nb: no such file.", r"c\x1b[2J: no such file."]
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_fault_of_a_pair_is_one_line():
    error = pickle.loads(pickle.dumps(PairError("unreadable", "a\n.png", "cannot be read.")))
    assert str(error) == r"a\n.png: cannot be read."
    assert error.file == "a\n.png"


def test_a_message_of_another_library_becomes_one_short_line():
    assert one_line("a\n  b\x1b[31m" + "c" * 400) == r"a b\x1b[31m" + "c" * 289
