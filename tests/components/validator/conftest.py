import numpy as np

from components.validator.anomaly_text import anomaly_sentences
from components.validator.schema import infer_schema
from components.validator.span_drift import drift_anomalies, span_statistics
from data.examples.pair_statistics import PairStatistics
from data.examples.records import Record
from data.listing.pair import Pair

CLASSES = ["ground", "disc"]


def make_span(number, count, *, brightness=100.0, share=0.3, height=64, source="discs"):
    """Makes the records of a span."""
    random = np.random.default_rng(1000 * number + count)
    records = []
    for i in range(count):
        mean = float(random.normal(brightness, 15))
        disc = float(np.clip(random.normal(share, 0.08), 0, 1))
        pair = Pair(f"span-{number}/{i}", "", "", f"{number}/{i}", source, number, "train")
        means = (mean, mean + 5, mean - 5)
        statistics = PairStatistics("", "", height, 48, means, 20.0, (1 - disc, disc), 1.0, None)
        records.append(Record(pair, statistics, None, ()))
    return records


def sentences(*spans):
    """Checks the last span against a schema inferred from the others."""
    records = [record for span in spans for record in span]
    numbers = sorted({record.pair.span for record in records})
    statistics = span_statistics(records, CLASSES, numbers)
    schema = infer_schema([statistics.older])
    anomalies = drift_anomalies(statistics, schema)
    newest, older = statistics.newest, statistics.older
    return anomaly_sentences(anomalies, schema, newest, older, classes=CLASSES)
