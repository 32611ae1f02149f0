import pytest

from serving.server.errors import Code, RequestError, code_of


@pytest.mark.parametrize(
    ("number", "code"),
    [(3, Code.INVALID_ARGUMENT), (8, Code.RESOURCE_EXHAUSTED), (2, Code.INTERNAL)],
)
def test_tensorflows_codes(number, code):
    assert code_of(number) is code


def test_a_message_is_one_line_and_not_too_long():
    assert str(RequestError(Code.INTERNAL, "a\n\t b")) == "a b"
    assert len(str(RequestError(Code.INTERNAL, 1000 * "a"))) == 501
