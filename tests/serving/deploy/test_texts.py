"""Tests of the text protos, which are parsed with TF Serving's own message types."""

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf import wrappers_pb2 as wrappers
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

FIELD = descriptor_pb2.FieldDescriptorProto
INT64 = {"type_name": ".google.protobuf.Int64Value"}
PUBLISHED = {
    "BatchingParameters": {
        "max_batch_size": INT64,
        "batch_timeout_micros": INT64,
        "max_enqueued_batches": INT64,
        "num_batch_threads": INT64,
        "thread_pool_name": {"type_name": ".google.protobuf.StringValue"},
        "allowed_batch_sizes": {"type": FIELD.TYPE_INT64, "label": FIELD.LABEL_REPEATED},
        "pad_variable_length_inputs": {"type": FIELD.TYPE_BOOL},
    },
    "PrometheusConfig": {"enable": {"type": FIELD.TYPE_BOOL}, "path": {"type": FIELD.TYPE_STRING}},
    "MonitoringConfig": {"prometheus_config": {"type_name": ".published.PrometheusConfig"}},
}
"""Messages that no package which works with tensorflow-serving-api contains.

The fields are in the order of their numbers, as in TF Serving's
`servables/tensorflow/session_bundle_config.proto` (except for newer fields that are not used here)
and `config/monitoring_config.proto`.
"""


@pytest.fixture(scope="module")
def published():
    """Classes of the messages in `PUBLISHED`, by name."""
    file = descriptor_pb2.FileDescriptorProto(
        name="published",
        package="published",
        syntax="proto3",
        dependency=[wrappers.DESCRIPTOR.name],
    )
    for name, fields in PUBLISHED.items():
        message = file.message_type.add(name=name)
        for number, (key, kind) in enumerate(fields.items(), 1):
            message.field.add(name=key, number=number, **{"label": FIELD.LABEL_OPTIONAL} | kind)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"published.{name}"))
        for name in PUBLISHED
    }


def parse(file, message):
    return text_format.Parse(file.read_text(), message())


@pytest.mark.parametrize("file", ["models.config", "models.labels.config"])
def test_the_model_config_names_one_model(deploy, name, file):
    [model] = parse(deploy / "config" / file, ModelServerConfig).model_config_list.config

    assert (model.name, model.base_path) == (name, f"/models/{name}")
    assert model.model_platform == "tensorflow"


@pytest.mark.parametrize("file", ["models.config", "models.labels.config"])
def test_labels_point_to_versions_that_are_named(deploy, file, compose_flags):
    [model] = parse(deploy / "config" / file, ModelServerConfig).model_config_list.config

    # With `latest`, the loaded versions change with every push.
    assert set(model.version_labels.values()) <= set(model.model_version_policy.specific.versions)
    # A starting server reads the labels before it has loaded a version.
    assert compose_flags["allow_version_labels_for_unavailable_models"] == "true"


def test_there_are_two_versions_to_label(deploy):
    config = parse(deploy / "config/models.labels.config", ModelServerConfig)
    [model] = config.model_config_list.config

    assert set(model.version_labels) == {"stable", "canary"}
    assert len(set(model.model_version_policy.specific.versions)) == 2


def test_batches_are_never_padded_and_can_be_filled(deploy, variant, published, flags):
    file = deploy / variant / "batching.config"
    batching = parse(file, published["BatchingParameters"])

    size = batching.max_batch_size.value
    assert not batching.pad_variable_length_inputs
    if allowed := list(batching.allowed_batch_sizes):
        assert allowed == sorted(set(allowed))
        assert allowed[-1] == size
    # A request keeps its thread until its batch is done, while the next batch fills up.
    requests = 2 * size * batching.num_batch_threads.value
    assert int(flags["rest_api_num_threads"]) >= requests > 0
    assert int(flags["grpc_max_threads"]) >= requests
    assert batching.max_enqueued_batches.value > 0
    assert batching.batch_timeout_micros.value > 0


def test_prometheus_is_led_to_the_metrics(deploy, published, pod, flags):
    config = parse(deploy / "config/monitoring.config", published["MonitoringConfig"])

    assert config.prometheus_config.enable
    assert pod["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": flags["rest_api_port"],
        "prometheus.io/path": config.prometheus_config.path,
    }
