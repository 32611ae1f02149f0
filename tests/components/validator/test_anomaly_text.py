from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.validator.anomaly_text import anomaly_sentences
from tests.components.validator.conftest import make_span, sentences


def test_values_outside_the_ranges_of_the_schema_are_reported_with_both_numbers():
    lines = sentences(make_span(1, 40), make_span(2, 40, height=200, source="other"))
    assert "the image height goes up to 200; the maximum in the schema is 128" in lines
    assert any("the source has values that are not in the schema: other" in x for x in lines)
    lines = sentences(make_span(1, 40), make_span(2, 40, height=20))
    assert "the image height goes down to 20; the minimum in the schema is 32" in lines


def test_a_class_is_named_as_in_the_config():
    anomalies = anomalies_pb2.Anomalies()
    reason = anomalies.anomaly_info["mask/fraction/traffic_light"].reason.add()
    reason.type = anomalies_pb2.AnomalyInfo.SCHEMA_NEW_COLUMN
    nothing = statistics_pb2.DatasetFeatureStatisticsList()
    nothing.datasets.add()
    lines = anomaly_sentences(anomalies, schema_pb2.Schema(), nothing, classes=["traffic light"])
    assert lines == ["the share of traffic light is not in the schema"]
