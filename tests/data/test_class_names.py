import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.class_names import class_index, class_key, equal_keys, fault_of_name


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("lake", "lake"),
        ("_a-1.b_", "_a-1.b_"),  # names that always worked stay as they are
        ("traffic light (red)", "traffic_light_red"),
        ("a/b", "a_b"),
        ("<b>x</b>", "b_x_b"),
        ("Straße", "Straße"),
        ("道路 2", "道路_2"),
        ("e\u0301", "é"),  # composed and decomposed letters are the same
    ],
)
def test_a_safe_form_has_letters_digits_and_few_signs(name, key):
    assert class_key(name) == key
    assert fault_of_name(name) is None


@given(st.text())
def test_a_safe_form_is_its_own_safe_form(name):
    assert class_key(class_key(name)) == class_key(name)


def test_a_class_is_found_by_its_safe_form():
    assert class_index("traffic_light", ["road", "traffic light"]) == 1
    with pytest.raises(ValueError, match="not in list"):
        class_index("light", ["road"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a\x1b[0m\n", r"control characters, found 'a\x1b[0m\n'"),
        ("\u202ea", r"found '\u202ea'"),
        (" a ", "begin or end with a space, found ' a '. Write 'a'"),
        ("+++", "needs a letter or a digit"),
        ("", "needs a letter or a digit"),
        ("a" * 101, "at most 100 characters, found 101: aaa"),
        ("mean", "'mean' is the name of the mean"),
    ],
)
def test_names_that_cannot_be_used_say_why(name, words):
    assert words in fault_of_name(name)


def test_two_names_with_the_same_safe_form_are_found():
    assert equal_keys(["a b", "c", "a_b"]) == ("a b", "a_b")
    assert equal_keys(["a b", "c", "A_b"]) is None
