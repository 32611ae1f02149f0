from tests.components.validator.conftest import make_span, sentences


def test_values_outside_the_ranges_of_the_schema_are_reported_with_both_numbers():
    lines = sentences(make_span(1, 40), make_span(2, 40, height=200, source="other"))
    assert "the image height goes up to 200; the maximum in the schema is 128" in lines
    assert any("the source has values that are not in the schema: other" in x for x in lines)
    lines = sentences(make_span(1, 40), make_span(2, 40, height=20))
    assert "the image height goes down to 20; the minimum in the schema is 32" in lines
