"""Translation between the launcher of Kubeflow Pipelines and TFX's entry point."""

import json

import pytest

from pipeline.kubeflow import launcher

SCHEMA = "title: tfx.Model\ntype: object\n"


def artifact(uri, name="", schema="", **metadata):
    kind = {"instanceSchema": schema}
    return {"artifacts": [{"name": name, "uri": uri, "type": kind, "metadata": metadata}]}


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A temporary folder that contains the launcher's folders for artifacts."""
    folders = {scheme: f"{tmp_path}{folder}" for scheme, folder in launcher._LOCAL_FOLDERS.items()}
    monkeypatch.setattr(launcher, "_LOCAL_FOLDERS", folders)
    return tmp_path


@pytest.fixture
def step(folders):
    """A step with a model as its input, and with a blessing and a parameter as its outputs."""
    executor_input = {
        "inputs": {
            "artifacts": {"model": artifact("minio://bucket/model", "7", display_name="model")},
            "parameterValues": {"settings": "{}"},
        },
        "outputs": {
            "artifacts": {
                "blessing": artifact("gs://bucket/run/blessing", "blessing", "title: tfx.Blessing"),
                "text": artifact("s3://bucket/run/text", "text", "title: tfx.String"),
                "executor-logs": artifact("gs://bucket/run/executor-logs"),
            },
            "parameters": {"text": {"outputFile": "/tmp/kfp/outputs/text"}},
            "outputFile": str(folders / "output_metadata.json"),
        },
    }
    spec = {"artifacts": {"model": {"artifactType": {"instanceSchema": SCHEMA}}}}
    return launcher.LaunchedStep(
        [
            *("--executor_class_path", "some.Executor"),
            *("--json_serialized_invocation_args", json.dumps(executor_input)),
            *("--json_serialized_inputs_spec_args", json.dumps(spec)),
            "--runner=DirectRunner",
        ]
    )


def test_tfx_gets_types_and_local_paths_and_not_the_log(step, folders):
    arguments = step.prepare()
    assert arguments[:2] == ["--executor_class_path", "some.Executor"]
    assert arguments[-1] == "--runner=DirectRunner"
    prepared = json.loads(arguments[3])
    (model,) = prepared["inputs"]["artifacts"]["model"]["artifacts"]
    assert model["type"] == {"instanceSchema": SCHEMA}
    assert model["uri"] == f"{folders}/minio/bucket/model"
    outputs = prepared["outputs"]["artifacts"]
    assert set(outputs) == {"blessing", "text"}
    assert outputs["blessing"]["artifacts"][0]["uri"] == f"{folders}/gcs/bucket/run/blessing"
    assert outputs["text"]["artifacts"][0]["uri"] == f"{folders}/s3/bucket/run/text"


def test_an_output_has_a_folder_unless_it_is_a_parameter(step, folders):
    step.prepare()
    assert (folders / "gcs/bucket/run/blessing").is_dir()
    assert not (folders / "s3/bucket/run/text").exists()


def test_the_launcher_gets_no_local_path(step, folders):
    step.prepare()
    path = folders / "output_metadata.json"
    metadata = {
        "current_model": f"{folders}/minio/bucket/model",
        "current_model_id": 6826273797600318744,
        "blessed": 1,
        "baseline_model": "/data/serving/17",
        "baseline_model_id": 17,
    }
    written = artifact(f"{folders}/gcs/bucket/run/blessing", "blessing", **metadata)
    path.write_text(json.dumps({"artifacts": {"blessing": written}, "parameterValues": {"a": "b"}}))
    step.finish()
    output = json.loads(path.read_text())
    (blessing,) = output["artifacts"]["blessing"]["artifacts"]
    assert "uri" not in blessing
    assert blessing["metadata"] == metadata | {
        "current_model": "minio://bucket/model",
        "current_model_id": "7",
    }
    assert output["parameterValues"] == {"a": "b"}


def test_only_a_pod_of_kubeflow_pipelines_has_a_launcher(monkeypatch):
    monkeypatch.delenv("KFP_POD_NAME", raising=False)
    assert not launcher.is_launched()
    monkeypatch.setenv("KFP_POD_NAME", "pod-1")
    assert launcher.is_launched()
