"""Converts the anomalies that TFDV finds into readable sentences."""

import re
from collections.abc import Iterator, Sequence

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from data.examples import features
from data.printable import printable

ANOMALY_TEXT_FILE = "anomalies.txt"
"""Name of the file in the anomalies artifact that has one line of text for each anomaly."""

_Type = anomalies_pb2.AnomalyInfo.Type
_LOW = {_Type.FLOAT_TYPE_SMALL_FLOAT, _Type.INT_TYPE_SMALL_INT}
_HIGH = {_Type.FLOAT_TYPE_BIG_FLOAT, _Type.INT_TYPE_BIG_INT}
_NAMES = {
    features.SOURCE: "the source",
    features.SPAN: "the span",
    features.HEIGHT: "the image height",
    features.WIDTH: "the image width",
    features.STD: "the contrast",
    **{name: f"the share of {name.rpartition('_')[2]} light" for name in features.COLOURS},
    features.SHARPNESS: "the sharpness",
    **{name: f"the brightness in {name.rpartition('_')[2]}" for name in features.MEANS},
}


def anomaly_sentences(
    anomalies: anomalies_pb2.Anomalies,
    schema: schema_pb2.Schema,
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    older: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    rival: str = "the older spans",
    *,
    classes: Sequence[str],
) -> list[str]:
    """Describes each anomaly in a sentence, usually with the observed and the expected values.

    Args:
      anomalies: Anomalies that TFDV found.
      schema: The schema against which the data were checked.
      statistics: Statistics of the checked data.
      older: Statistics of the older spans if the newest span was compared with them; otherwise
        None.
      rival: Words for the data of `older`.
      classes: Names of the classes, by class id.

    Returns:
      The sentences, without full stops, sorted by feature name.
    """
    titles = feature_titles(classes)
    return [
        printable(sentence)  # it may contain values of a manifest
        for name, anomaly in sorted(anomalies.anomaly_info.items())
        for key in [name.strip("'")]
        for sentence in _sentences(
            key, titles.get(key, key), anomaly, schema, statistics, older, rival
        )
    ]


def feature_titles(classes: Sequence[str]) -> dict[str, str]:
    """Returns the words for each feature that has some, such as `the contrast`.

    Args:
      classes: Names of the classes, by class id.
    """
    return _NAMES | {features.fraction(name): f"the share of {name}" for name in classes}


def number_statistics(
    statistics: statistics_pb2.DatasetFeatureStatisticsList, name: str
) -> statistics_pb2.NumericStatistics | None:
    """Returns the statistics of a numeric feature; None if there is no such feature."""
    for feature in statistics.datasets[0].features:
        if list(feature.path.step) == [name] and feature.HasField("num_stats"):
            return feature.num_stats
    return None


def _sentences(
    name: str,
    title: str,
    anomaly: anomalies_pb2.AnomalyInfo,
    schema: schema_pb2.Schema,
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    older: statistics_pb2.DatasetFeatureStatisticsList | None,
    rival: str,
) -> Iterator[str]:
    seen = number_statistics(statistics, name)
    for reason in anomaly.reason:
        if reason.type in _LOW and seen:
            low = _domain(schema, name).min
            yield f"{title} goes down to {seen.min:.4g}; the minimum in the schema is {low:.4g}"
        elif reason.type in _HIGH and seen:
            high = _domain(schema, name).max
            yield f"{title} goes up to {seen.max:.4g}; the maximum in the schema is {high:.4g}"
        elif reason.type == _Type.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH:
            before = number_statistics(older, name) if older else None
            # TFDV's description is not used because it calls the splits `training` and `serving`.
            if older is None:
                yield f"{title} differs between train and test{_divergence(reason)}"
            elif seen and before:
                means = f"mean {seen.mean:.4g} against {before.mean:.4g}"
                yield f"{title} differs from {rival}: {means}{_divergence(reason)}"
        elif reason.type == _Type.SCHEMA_NEW_COLUMN:
            yield f"{title} is not in the schema"
        elif reason.type == _Type.SCHEMA_MISSING_COLUMN:
            yield f"{title} is in the schema, but not in the data"
        elif reason.type == _Type.ENUM_TYPE_UNEXPECTED_STRING_VALUES:
            values = reason.description.partition("schema: ")[2].strip().rstrip(".")
            yield f"{title} has values that are not in the schema: {values}"
        else:
            yield f"{title}: {reason.description}"


def _divergence(reason: anomalies_pb2.AnomalyInfo.Reason) -> str:
    measured = re.search(r" is ([\d.e-]+) .*threshold ([\d.e-]+)\.", reason.description)
    if measured is None:
        return ""
    return f" (divergence {float(measured[1]):.2f}, allowed {float(measured[2]):.2f})"


def _domain(schema: schema_pb2.Schema, name: str) -> schema_pb2.FloatDomain | schema_pb2.IntDomain:
    (feature,) = (feature for feature in schema.feature if feature.name == name)
    return feature.float_domain if feature.HasField("float_domain") else feature.int_domain
