"""Ingestion, statistics, schema and validation of several spans with TFX's local runner."""

import numpy as np
import pytest
import tensorflow_data_validation as tfdv
import yaml
from google.protobuf import text_format
from PIL import Image
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx import v1 as tfx
from tfx.orchestration.pipeline import RunOptions

from components.example_gen.executor import FILES_WITHOUT_PAIR, PAIRS_BAD, PAIRS_READ
from components.validator.anomaly_text import ANOMALY_TEXT_FILE
from components.validator.request_drift import request_drift
from data.errors import InputError
from data.examples.image_statistics import image_statistics
from pipeline.config.loading import load_config
from pipeline.create_pipeline import create_pipeline
from pipeline.history.runs import latest_run
from serving.request_log import answer

pytestmark = pytest.mark.slow
PAIRS = 60


def write_span(folder, number, *, brightness=100.0, share=0.3):
    """Writes pairs of grey noise with a mean brightness; about `share` of each mask is disc."""
    random = np.random.default_rng(number)
    for kind in ("images", "masks"):
        (folder / f"span-{number}" / kind).mkdir(parents=True)
    for i in range(PAIRS):
        mean = random.normal(brightness, 12)
        pixels = random.normal(mean, 10, (16, 16, 3)).clip(0, 255).astype(np.uint8)
        rows = int(np.clip(random.normal(16 * share, 1.5), 1, 15))
        class_ids = np.zeros((16, 16), np.uint8)
        class_ids[:rows] = 1
        Image.fromarray(pixels).save(folder / f"span-{number}" / "images" / f"{i:02d}.png")
        Image.fromarray(class_ids).save(folder / f"span-{number}" / "masks" / f"{i:02d}.png")


@pytest.fixture
def project(tmp_path):
    def make(**data):
        settings = {
            "name": "discs",
            "workspace": str(tmp_path / "runs"),
            "data": {
                "source": {"kind": "folder", "path": str(tmp_path / "data" / "span-{SPAN}")},
                "classes": ["ground", "disc"],
                "schema_file": str(tmp_path / "discs.pbtxt"),
            }
            | data,
            "gate": {"mean_iou": 0.5},
        }
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
        return load_config(tmp_path / "config.yaml")

    return make


def run(config):
    """Runs the pipeline up to ExampleValidator and returns the folder of its artifact."""
    config.home.mkdir(parents=True, exist_ok=True)
    options = RunOptions(to_nodes=["ExampleValidator"])
    tfx.orchestration.LocalDagRunner().run(create_pipeline(config), run_options=options)
    artifacts = config.home / "artifacts" / "ExampleValidator" / "anomalies"
    return max(artifacts.iterdir(), key=lambda folder: int(folder.name))


def anomaly_texts(artifact):
    return (artifact / ANOMALY_TEXT_FILE).read_text().splitlines()


def moved(config, schema, requests):
    """Returns in what the images of requests differ from the real statistics of the split train."""
    (file,) = config.home.glob("artifacts/StatisticsGen/statistics/*/Split-train/FeatureStats.pb")
    sentences = request_drift(
        requests, tfdv.load_stats_binary(str(file)), schema, config.data.classes
    ).sentences
    # The masks have few different shares, so the histograms of a part of them differ by chance.
    return [line for line in sentences if not line.startswith(("the share of g", "the share of d"))]


def answers(folder, **changes):
    """Makes answers as of requests for all images of the first span, four times each."""
    for image in sorted((folder / "data" / "span-1" / "images").iterdir()):
        class_ids = np.asarray(Image.open(image.parents[1] / "masks" / image.name))
        disc = float(class_ids.mean())
        statistics = image_statistics(np.asarray(Image.open(image)))._replace(**changes)
        shares = {"ground": 1 - disc, "disc": disc}
        yield from [answer(statistics.features(), shares, 0.9, 1)] * 4


def test_the_schema_is_inferred_once_and_a_similar_span_has_no_anomaly(project, tmp_path):
    config = project()
    write_span(tmp_path / "data", 1)
    assert anomaly_texts(run(config)) == []
    schema_text = (tmp_path / "discs.pbtxt").read_text()
    schema = text_format.Parse(schema_text, schema_pb2.Schema())
    disc = next(f for f in schema.feature if f.name == "mask/fraction/disc")
    assert 0 <= disc.float_domain.min < 0.3 < disc.float_domain.max <= 1
    assert disc.drift_comparator.jensen_shannon_divergence.threshold > 0
    assert moved(config, schema, answers(tmp_path)) == []
    (line,) = moved(config, schema, answers(tmp_path, sharpness=0.5))
    assert line.startswith("the sharpness differs from the training data")

    write_span(tmp_path / "data", 2)
    assert anomaly_texts(run(config)) == []
    assert (tmp_path / "discs.pbtxt").read_text() == schema_text


def test_a_removed_schema_is_inferred_again(project, tmp_path):
    config = project()
    write_span(tmp_path / "data", 1)
    run(config)
    schema_text = (tmp_path / "discs.pbtxt").read_text()
    (tmp_path / "discs.pbtxt").unlink()
    run(config)  # with the same data, so TFX's cache must not skip the step
    assert (tmp_path / "discs.pbtxt").read_text() == schema_text


def test_a_span_of_other_brightness_and_class_balance_has_readable_anomalies(project, tmp_path):
    config = project()
    write_span(tmp_path / "data", 1)
    run(config)
    write_span(tmp_path / "data", 2, brightness=160, share=0.6)
    artifact = run(config)
    lines = "\n".join(anomaly_texts(artifact))
    assert "span 2: the share of disc differs from the older spans: mean 0.5" in lines
    assert "span 2: the brightness in red differs from the older spans: mean 1" in lines
    assert "span 2: the image height" not in lines
    serialized = (artifact / "Split-span-2" / "SchemaDiff.pb").read_bytes()
    assert "mask/fraction/disc" in anomalies_pb2.Anomalies.FromString(serialized).anomaly_info

    with pytest.raises(InputError) as error:
        run(project(on_anomaly="fail"))
    assert "the share of disc differs from the older spans" in str(error.value)
    assert str(tmp_path / "discs.pbtxt") in str(error.value).splitlines()[-1]


def test_manual_changes_of_the_schema_take_effect(project, tmp_path):
    config = project()
    write_span(tmp_path / "data", 1)
    assert anomaly_texts(run(config)) == []
    schema_file = tmp_path / "discs.pbtxt"
    schema = text_format.Parse(schema_file.read_text(), schema_pb2.Schema())
    disc = next(f for f in schema.feature if f.name == "mask/fraction/disc")
    disc.float_domain.max = 0.2
    disc.skew_comparator.jensen_shannon_divergence.threshold = 1e-6
    schema_file.write_text(text_format.MessageToString(schema))
    lines = "\n".join(anomaly_texts(run(config)))
    assert "train: the share of disc goes up to 0." in lines
    assert "the maximum in the schema is 0.2" in lines
    assert "train: the share of disc differs between train and test (divergence 0." in lines

    schema_file.write_text("feature { nonsense")
    with pytest.raises(InputError, match=r"discs\.pbtxt: not a TFDV schema in text form"):
        run(config)


def test_only_the_newest_spans_are_used_and_old_pairs_keep_their_split(project, tmp_path):
    for number in (1, 2, 3):
        write_span(tmp_path / "data", number)
    source = {"kind": "folder", "path": str(tmp_path / "data" / "span-{SPAN}"), "newest_spans": 2}
    run(project(source=source))
    (artifact,) = (tmp_path / "runs/discs/artifacts/ExampleGen/examples").iterdir()
    rows = [yaml.safe_load(line) for line in (artifact / "pairs.jsonl").read_text().splitlines()]
    assert {row["span"] for row in rows} == {2, 3}
    split_of = {row["key"]: row["split"] for row in rows}
    write_span(tmp_path / "data", 4)
    run(project(source=source))
    newest = max((tmp_path / "runs/discs/artifacts/ExampleGen/examples").iterdir())
    rows = [yaml.safe_load(line) for line in (newest / "pairs.jsonl").read_text().splitlines()]
    assert {row["span"] for row in rows} == {3, 4}
    newest_split_of = {row["key"]: row["split"] for row in rows if row["span"] == 3}
    common = {key: split for key, split in split_of.items() if key in newest_split_of}
    assert newest_split_of == common
    assert len(newest_split_of) == PAIRS


def test_ml_metadata_has_the_newest_span_and_counts_skipped_pairs(project, tmp_path):
    config = project(on_bad_pair="skip", max_bad_fraction=0.1)
    for number in (1, 2):
        write_span(tmp_path / "data", number)
    (tmp_path / "data/span-1/images/07.png").write_bytes(b"no image")
    (tmp_path / "data/span-1/masks/08.png").unlink()
    (tmp_path / "data/span-2/images/09.png").unlink()
    run(config)
    properties = latest_run(config).artifacts["Examples"].custom_properties
    assert properties["span"].int_value == 2
    counts = {
        name: properties[name].int_value for name in (PAIRS_READ, PAIRS_BAD, FILES_WITHOUT_PAIR)
    }
    assert counts == {PAIRS_READ: 2 * PAIRS - 3, PAIRS_BAD: 1, FILES_WITHOUT_PAIR: 2}
