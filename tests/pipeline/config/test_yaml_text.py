"""What the YAML text of a config may contain, through `load_config`."""

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from pipeline.config.loading import load_config
from tests.pipeline.conftest import GOOD

KEYS = st.text("abcdef", min_size=1, max_size=3)
VALUES = st.recursive(
    st.integers() | st.text("xyz ", max_size=4) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "line",
    [
        "ignore_value: #ff0000",
        "mask_values: {#ff0000: a}",
        "mask_values: {0: a, #ff0000: b}",
        "mask_values:\n    #ff0000: a",
        "colours:\n    - #ff0000",
    ],
)
def test_a_colour_without_quotes_is_no_comment(problems, line):
    (problem,) = problems(f"name: x\ndata:\n  {line}\n")
    number = 3 + line.count("\n")
    assert (
        problem == f'line {number}: #ff0000 without quotes is a comment in YAML. Write "#ff0000".'
    )


def test_comments_may_name_colours(load):
    text = GOOD.replace("name: discs", 'name: discs  # as "#ff0000": red, #00ff00, blue #0000ff')
    assert load(f"# ff0000: red\n#ff0000\n{text}").name == "discs"


def test_a_key_that_is_given_twice_is_refused_with_both_lines(problems):
    text = GOOD + "training:\n  epochs: 4\n  seed: 1\n  epochs: 3\n"
    assert problems(text) == [
        "training.epochs: the key is given twice, in lines 8 and 10. Keep one."
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    {
        "at the top": (GOOD + "gate: {}\n", ["gate: the key is given twice, in lines 6 and 7."]),
        "three times": (
            GOOD + "name: a\n'name': b\n",
            ["name: the key is given 3 times, in lines 2, 7 and 8."],
        ),
        "in one line": ("a: {b: 1, b: 2}", ["a.b: the key is given twice, in line 1."]),
        "in a list": ("a:\n- b: 1\n- b: 1\n  b: 2", ["a.1.b: the key is given twice, in lines 3"]),
        "as numbers": ("a: {10: b, 0xa: c}", ["a.10: the key is given twice"]),
        "in a section that is merged in": (
            "a: &a {b: 1, b: 2}\nc: {<<: *a}",
            ["a.b: the key is given twice, in line 1."],
        ),
        "in what is merged in": ("c:\n  <<: {b: 1, b: 2}", ["c.b: the key is given twice"]),
        "merge keys": ("c:\n  <<: {a: 1}\n  <<: {b: 1}", ["c.<<: the key is given twice"]),
        "several": (
            "a: 1\na: 2\nb:\n  c: 1\n  c: 2",
            ["a: the key is given twice, in lines 1", "b.c: the key is given twice, in lines 4"],
        ),
    }.values(),
)
def test_repeated_keys_at_every_level(problems, text, expected):
    lines = problems(text)
    assert len(lines) == len(expected)
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(start)
        assert line.endswith(". Keep one.")


def test_a_merged_key_may_be_overridden(load):
    text = GOOD.replace("gate:", "training: &base {epochs: 4, seed: 2}\ngate:")
    text += "tuner: {search: {width: [1]}, <<: {epochs: 3, trials: 5}, trials: 6}\n"
    config = load(text)
    assert (config.tuner.epochs, config.tuner.trials) == (3, 6)


def aliases(form, inner, count):
    """Returns lines in which each mapping or list is made of aliases of the one before it."""
    lines = [f"a0: &a0 {inner}\n"]
    for number in range(1, count):
        lines.append(f"a{number}: &a{number} {form.replace('*', f'*a{number - 1}')}\n")
    return "".join(lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x: " + "[" * 3000 + "]" * 3000, "more than 50 lists or mappings within each other."),
        ("x: " + "{a: " * 60 + "1" + "}" * 60, "more than 50 lists or mappings within each other."),
        (aliases("[*]", "[1]", 60), "more than 50 lists or mappings within each other."),
        (aliases("[*, *, *, *, *]", "[1]", 20), "more than 100,000 values, with aliases"),
        (aliases("{<<: [*, *, *, *]}", "{a: 1}", 20), "more than 100,000 values, with aliases"),
        ("x: " + "1" * 5000, "line 7: a number of 5000 digits."),
        ("x: 0x" + "f" * 5000, "line 7: a number of 5002 digits."),
        ('x: "a\\0b"', "line 7: a text contains the character '\\x00'."),
        ('x: "a\\ud800b"', "line 7: a text contains the character '\\ud800'."),
        ("x: a\0b", "not YAML: unacceptable character #x0000"),
        ("x: &a [*a]", "line 7: an alias (*name) within what it stands for."),
        ("x: !!python/name:os.system", "not YAML: line 7, column 4: could not determine"),
        ('"a\\e[2J\\n": 1', r"a\x1b[2J : unknown key"),
    ],
    ids=lambda value: value[:12],
)
def test_what_no_config_needs_is_one_line(problems, text, words):
    (line,) = problems(GOOD + text)
    assert line.startswith(words)
    assert len(line) < 300


def test_a_long_value_and_many_problems_are_shortened(problems):
    (line,) = problems(GOOD.replace("discs", "x" * 100_000 + " x"))
    assert len(line) == 1000
    lines = problems(GOOD + "".join(f"k{i}: 1\n" for i in range(60)))
    assert len(lines) == 51
    assert lines[-1] == "… and 10 more problems."


def test_an_alias_to_an_outer_part_ends(problems):
    assert problems("a: &a {b: *a}") == [
        "line 1: an alias (*name) within what it stands for. Remove it."
    ]


@given(tree=st.dictionaries(KEYS, VALUES, min_size=1, max_size=3), data=st.data())
def test_a_repeated_key_is_found_wherever_it_is(tmp_path_factory, tree, data):
    file = tmp_path_factory.mktemp("config") / "mine.yaml"
    root = yaml.compose(yaml.safe_dump(tree))
    file.write_text(yaml.serialize(root))
    with pytest.raises(InputError) as caught:
        load_config(file)
    assert "the key is given" not in str(caught.value)

    path, mapping = data.draw(st.sampled_from(list(mappings(root))))
    key, _ = data.draw(st.sampled_from(mapping.value))
    place = data.draw(st.integers(0, len(mapping.value)))
    again = yaml.ScalarNode(key.tag, key.value), yaml.ScalarNode("tag:yaml.org,2002:int", "7")
    mapping.value.insert(place, again)
    file.write_text(yaml.serialize(root))
    with pytest.raises(InputError) as caught:
        load_config(file)
    name = re.escape(".".join((*path, key.value)))
    numbers = re.fullmatch(
        rf"{file}: {name}: the key is given twice, in lines (\d+) and (\d+)\. Keep one\.",
        str(caught.value),
    )
    lines = file.read_text().splitlines()
    for number in numbers.groups():
        assert lines[int(number) - 1].lstrip(" -").startswith(f"{key.value}:")


def mappings(node, path=()):
    """Yields the mappings of a YAML document that are not empty, each with its path."""
    if isinstance(node, yaml.MappingNode):
        if node.value:
            yield path, node
        for key, value in node.value:
            yield from mappings(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from mappings(value, (*path, str(index)))
