"""Parses YAML text that may have been written by anybody, and refuses what no config needs."""

import re
from collections.abc import Iterator

import yaml

from data.errors import one_line

_MERGE_KEY = "tag:yaml.org,2002:merge"  # YAML tag of the merge key `<<`
_INT = "tag:yaml.org,2002:int"
_MOST_NODES = 100_000  # maximum number of values, with each alias counted as what it stands for
_MOST_DEPTH = 50  # maximum number of lists and mappings within each other
_MOST_DIGITS = 100
# A colour without quotes is a comment in YAML, so a value or a line would be missing.
_BARE_COLOUR = re.compile(
    r"""^[^"'#\n]* (?: (\#[0-9a-f]{6}) [ ]*[:,}\]] | [:-][ ]+ (\#[0-9a-f]{6}) [ ]*$ )""",
    re.MULTILINE | re.IGNORECASE | re.VERBOSE,
)
_ADVICE = {  # by a part of PyYAML's message
    "unknown escape character": ". Put a text with \\ in single quotes",
    "'\\t' that cannot start any token": ". Indent with spaces",
    "unhashable key": '. A list cannot be a key; a colour is written as "#ff0000"',
    "but found '<block": ". Check the spaces at the beginning of the lines",
    "expected ',' or": ". Put texts with , : { } [ ] in quotes",
}
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")


class YamlError(Exception):
    """The text is not YAML, or cannot be a config.

    Attributes:
      problems: One line for each problem.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems


def parse_yaml(text: str) -> object:
    """Parses YAML text, and returns its content.

    Args:
      text: YAML text, in which `1e-4` is a number.

    Raises:
      YamlError: The text is not YAML, a colour has no quotes, a key is given twice, a value does
        not fit its tag, a number has more than 100 digits, a text contains characters that no path
        can contain, or the content is too deep or too large, which aliases can cause in a few
        lines.
    """
    if bare := _BARE_COLOUR.search(text):
        line, colour = text.count("\n", 0, bare.end()) + 1, bare[1] or bare[2]
        raise YamlError(
            f'line {line}: {colour} without quotes is a comment in YAML. Write "{colour}".'
        )
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                return None
            _refuse_excess(root)
            if repeated := list(_repeated_keys(loader, root, (), set())):
                raise YamlError(*repeated)
            return loader.construct_document(root)
        finally:
            loader.dispose()
    except RecursionError as error:
        raise YamlError(_too_deep()) from error
    except yaml.MarkedYAMLError as error:
        raise YamlError(_not_yaml(error)) from error
    except (yaml.YAMLError, ValueError) as error:
        raise YamlError(f"not YAML: {one_line(error)}") from error
    except (LookupError, AttributeError, TypeError) as error:
        raise YamlError(
            "a value does not fit the tag before it (such as !!bool). Remove the tag."
        ) from error


def _not_yaml(error: yaml.MarkedYAMLError) -> str:
    """Returns the place and the reason of a syntax error, and what to do about the usual ones."""
    mark, problem = error.problem_mark or error.context_mark, error.problem or error.context or ""
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    advice = next((text for part, text in _ADVICE.items() if part in problem), "")
    return f"not YAML: {place}{one_line(problem)}{advice}"


class _Loader(yaml.SafeLoader):
    """YAML loader that reads `1e-4` as a number, as in YAML 1.2; PyYAML reads it as a string."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _refuse_excess(root: yaml.Node) -> None:
    """Raises a YamlError if the content would be too deep or too large, or has impossible values.

    The size is computed before any value is constructed: ten aliases of ten aliases and so on stand
    for more values than fit into memory.
    """
    measured: dict[yaml.Node, tuple[int, int] | None] = {}  # None while it is measured

    def size_and_depth(node: yaml.Node, above: int) -> tuple[int, int]:
        if isinstance(node, yaml.ScalarNode):
            _refuse_scalar(node)
            return 1, 0
        if node not in measured and above < _MOST_DEPTH:
            measured[node] = None
            inner = node.value
            if isinstance(node, yaml.MappingNode):
                inner = [each for pair in node.value for each in pair]
            parts = [size_and_depth(each, above + 1) for each in inner]
            depth = max((depth for _, depth in parts), default=0)
            measured[node] = 1 + sum(size for size, _ in parts), 1 + depth
        known = measured.get(node, (0, 1))
        if known is None:
            place = f"line {node.start_mark.line + 1}"
            raise YamlError(f"{place}: an alias (*name) within what it stands for. Remove it.")
        size, depth = known
        if above + depth > _MOST_DEPTH:
            raise YamlError(_too_deep())
        return size, depth

    if size_and_depth(root, 0)[0] > _MOST_NODES:
        raise YamlError(
            f"more than {_MOST_NODES:,} values, with aliases (*name) counted as what they stand "
            "for. Shorten the file."
        )


def _refuse_scalar(node: yaml.ScalarNode) -> None:
    place = f"line {node.start_mark.line + 1}"
    if node.tag == _INT and len(node.value) > _MOST_DIGITS:
        raise YamlError(f"{place}: a number of {len(node.value)} digits. Shorten it.")
    if found := _NOT_TEXT.search(node.value):
        raise YamlError(f"{place}: a text contains the character {found[0]!a}. Remove it.")


def _too_deep() -> str:
    return f"more than {_MOST_DEPTH} lists or mappings within each other. Remove some."


def _repeated_keys(
    loader: _Loader, node: yaml.Node, path: tuple[str, ...], visited: set[yaml.Node]
) -> Iterator[str]:
    """Yields a message for each key that occurs more than once in the same mapping.

    PyYAML would silently use the last value of a repeated key. A key may override one that is
    merged with `<<`; this does not count as a repetition.

    Args:
      loader: Loader that converts keys to Python values, so that `a` equals `"a"`, and `10` equals
        `0xa`.
      node: The YAML node to check, together with all nodes nested in it.
      path: Keys that lead from the root of the document to the node.
      visited: Nodes that have already been checked, which are skipped. The same node can be reached
        more than once, through aliases (`*name`).
    """
    if node in visited:
        return
    visited.add(node)
    inner: list[tuple[tuple[str, ...], yaml.Node]] = []
    if isinstance(node, yaml.SequenceNode):
        inner = [((*path, str(index)), item) for index, item in enumerate(node.value)]
    elif isinstance(node, yaml.MappingNode):
        lines: dict[object, list[int]] = {}
        for key_node, value in node.value:
            # Keys that are lists or mappings are ignored here, because PyYAML rejects them later.
            if isinstance(key_node, yaml.ScalarNode):
                merges = key_node.tag == _MERGE_KEY
                key = key_node.value if merges else loader.construct_object(key_node)
                lines.setdefault(key, []).append(key_node.start_mark.line + 1)
                inner.append((path if merges else (*path, str(key)), value))
        for key, numbers in lines.items():
            if len(numbers) > 1:
                name = ".".join((*path, str(key)))
                times = "twice" if len(numbers) == 2 else f"{len(numbers)} times"
                yield f"{name}: the key is given {times}, in {_lines(numbers)}. Keep one."
    for inner_path, inner_node in inner:
        yield from _repeated_keys(loader, inner_node, inner_path, visited)


def _lines(numbers: list[int]) -> str:
    """Formats line numbers for a message, as in `line 3` or `lines 3, 5 and 8`."""
    *first, last = map(str, dict.fromkeys(numbers))
    return f"lines {', '.join(first)} and {last}" if first else f"line {last}"
