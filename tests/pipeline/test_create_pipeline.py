"""The components of the pipeline, their connections and their settings."""

import json

import pytest

from pipeline.code_version import code_version
from pipeline.config.config import Config
from pipeline.create_pipeline import create_pipeline

TUNER = {"search": {"width": [0.5, 1]}}


def config(tmp_path, **changes):
    settings = {
        "name": "discs",
        "workspace": str(tmp_path / "runs"),
        "data": {
            "source": {"kind": "folder", "path": str(tmp_path / "missing")},
            "classes": ["ground", "disc"],
        },
        "gate": {"mean_iou": 0.6},
    }
    return Config.model_validate(settings | changes)


def nodes_of(tmp_path, **changes):
    components = create_pipeline(config(tmp_path, **changes)).components
    return {component.id: component for component in components}


@pytest.fixture
def nodes(tmp_path):
    return nodes_of(tmp_path)


def test_create_pipeline_writes_no_file(tmp_path):
    create_pipeline(config(tmp_path))
    assert not list(tmp_path.iterdir())


def test_the_pipeline_has_these_components(nodes):
    assert set(nodes) == {
        *("ExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "GateCheck"),
        *("Trainer", "Baseline", "Evaluator", "ServingCheck", "Report", "Pusher"),
    }


def test_artifacts_and_metadata_are_in_the_workspace(tmp_path):
    pipeline = create_pipeline(config(tmp_path))
    home = str(tmp_path / "runs/discs")
    assert pipeline.pipeline_info.pipeline_name == "discs"
    assert pipeline.pipeline_info.pipeline_root == f"{home}/artifacts"
    assert pipeline.metadata_connection_config.sqlite.filename_uri == f"{home}/metadata.db"


def test_settings_of_retraining_do_not_change_the_report(nodes, tmp_path):
    retrain = {"keep_runs": 3, "notify": {"webhook": "https://hooks.example.org/s3cret"}}
    report = nodes_of(tmp_path, retrain=retrain)["Report"]
    assert report.exec_properties == nodes["Report"].exec_properties


def test_training_uses_train_and_val_and_never_test(nodes):
    properties = nodes["Trainer"].exec_properties
    assert json.loads(properties["train_args"])["splits"] == ["train"]
    assert json.loads(properties["eval_args"])["splits"] == ["val"]


@pytest.mark.parametrize(
    ("section", "option", "value", "setting"),
    [
        ("data", "intensity_range", None, "intensity_range"),
        ("data", "intensity_range", [0, 4095], "intensity_range"),
        ("serving", "max_pixels", 1000, "max_pixels"),
        ("serving", "precision", None, "serving_precision"),
        ("serving", "precision", "float32", "serving_precision"),
        ("serving", "flips", "both", "flips"),
        ("serving", "confidence_map", True, "confidence_map"),
    ],
)
def test_the_trainer_gets_the_settings_of_serving(tmp_path, section, option, value, setting):
    changed = getattr(config(tmp_path), section).model_dump() | {option: value}
    trainer = nodes_of(tmp_path, **{section: changed})["Trainer"]
    settings = json.loads(json.loads(trainer.exec_properties["custom_config"])["settings"])
    assert settings[setting] == value


def test_the_pusher_waits_for_the_blessing_of_the_trained_model(nodes, tmp_path):
    inputs = nodes["Pusher"].inputs
    assert inputs["model_blessing"] is nodes["Evaluator"].outputs["blessing"]
    assert inputs["model"] is nodes["Trainer"].outputs["model"]
    assert inputs["examples"] is nodes["ExampleGen"].outputs["examples"]
    assert inputs["evaluation"] is nodes["Evaluator"].outputs["evaluation"]
    destination = json.loads(nodes["Pusher"].exec_properties["push_destination"])
    folder = destination["filesystem"]["base_directory"]
    assert folder == str(tmp_path / "runs/discs/serving/discs")


def test_the_pusher_waits_for_the_serving_check_of_the_trained_model(nodes):
    check = nodes["ServingCheck"]
    assert nodes["Pusher"].inputs["infra_blessing"] is check.outputs["blessing"]
    assert check.inputs["model"] is nodes["Trainer"].outputs["model"]
    assert check.inputs["evaluation"] is nodes["Evaluator"].outputs["evaluation"]
    assert "infra_blessing" not in check.inputs


@pytest.mark.parametrize("platform", ["docker", "kubernetes"])
def test_infra_validator_is_added_if_configured(tmp_path, platform):
    serving = {"infra_validator": {"platform": platform, "image_tag": "2.19.1"}}
    nodes = nodes_of(tmp_path, serving=serving)
    validator, check = nodes["InfraValidator"], nodes["ServingCheck"]
    assert check.inputs["infra_blessing"] is validator.outputs["blessing"]
    spec = json.loads(validator.exec_properties["serving_spec"])
    assert spec["tensorflow_serving"] == {"tags": ["2.19.1"]}
    assert {"docker": "local_docker", "kubernetes": "kubernetes"}[platform] in spec
    request = json.loads(validator.exec_properties["request_spec"])
    assert request["tensorflow_serving"] == {"signature_names": ["evaluation"]}
    assert request["split_name"] == "test"


def test_the_pusher_pushes_to_the_configured_folder(tmp_path):
    serving = {"push_to": "gs://bucket/models/discs"}
    nodes = nodes_of(tmp_path, serving=serving)
    destination = json.loads(nodes["Pusher"].exec_properties["push_destination"])
    assert destination["filesystem"]["base_directory"] == "gs://bucket/models/discs"


def test_the_texts_of_the_card_reach_the_pusher_and_the_report(tmp_path):
    nodes = nodes_of(tmp_path, card={"intended_use": "to count discs"})
    for node in ("Pusher", "Report"):
        settings = json.loads(nodes[node].exec_properties["settings"])
        assert settings["name"] == "discs"
        assert settings["card"]["intended_use"] == "to count discs"


def test_the_evaluator_compares_the_candidate_with_the_baseline(nodes):
    inputs = nodes["Evaluator"].inputs
    assert inputs["model"] is nodes["Trainer"].outputs["model"]
    assert inputs["baseline_model"] is nodes["Baseline"].outputs["model"]


def test_training_waits_for_the_checks(nodes):
    assert {nodes["ExampleValidator"], nodes["GateCheck"]} <= set(nodes["Trainer"].upstream_nodes)


def test_the_report_gets_the_results_of_the_evaluator(nodes):
    for key in ("evaluation", "blessing"):
        assert nodes["Report"].inputs[key] is nodes["Evaluator"].outputs[key]


def test_the_cache_is_enabled(tmp_path):
    assert create_pipeline(config(tmp_path)).enable_cache


def test_a_tuner_section_adds_a_search_before_the_training(tmp_path):
    nodes = nodes_of(tmp_path, tuner=TUNER)
    tuner = nodes["Tuner"]
    best = tuner.outputs["best_hyperparameters"]
    assert nodes["Trainer"].inputs["hyperparameters"] is best
    assert tuner.inputs["examples"] is nodes["ExampleGen"].outputs["examples"]
    assert json.loads(tuner.exec_properties["train_args"])["splits"] == ["train"]
    assert json.loads(tuner.exec_properties["eval_args"])["splits"] == ["val"]
    assert nodes["ExampleValidator"] in tuner.upstream_nodes


def test_a_warm_start_adds_a_base_model(tmp_path):
    one_width = {"search": {"width": [1], "dropout": [0, 0.2]}}
    nodes = nodes_of(tmp_path, training={"warm_start": True}, tuner=one_width)
    base_model = nodes["WarmStart"].outputs["model"]
    assert nodes["Trainer"].inputs["base_model"] is base_model
    assert nodes["Tuner"].inputs["base_model"] is base_model
    assert "hyperparameters" not in nodes_of(tmp_path)["Trainer"].inputs
    assert "base_model" not in nodes_of(tmp_path)["Trainer"].inputs


@pytest.mark.parametrize("widths", [[0.5, 1], {"min": 0.5, "max": 1}])
def test_trials_with_several_widths_start_cold(tmp_path, widths):
    nodes = nodes_of(tmp_path, training={"warm_start": True}, tuner={"search": {"width": widths}})
    assert "base_model" in nodes["Trainer"].inputs
    assert "base_model" not in nodes["Tuner"].inputs
    settings = json.loads(json.loads(nodes["Tuner"].exec_properties["custom_config"])["settings"])
    assert settings["trainer"]["training"]["warm_start"] is False


@pytest.mark.parametrize(
    ("changes", "renewed"),
    [
        ({}, set()),
        ({"training": {"epochs": 30}}, {"Trainer"}),
        ({"training": {"batch_size": 2}}, {"Trainer", "Tuner"}),
        ({"tuner": TUNER | {"trials": 3}}, {"Tuner"}),
    ],
    ids=["nothing", "epochs", "batch size", "trials"],
)
def test_a_change_renews_the_search_only_if_it_affects_the_trials(tmp_path, changes, renewed):
    before, after = (
        create_pipeline(config(tmp_path, **({"tuner": TUNER} | some))) for some in ({}, changes)
    )
    steps = ("ExampleGen", "Tuner", "Trainer")
    assert renewed_steps(before, after, steps) == renewed


def renewed_steps(before, after, steps):
    """Returns the steps whose parameters differ, so that the cache does not skip them."""
    return {step for step in steps if properties_of(before, step) != properties_of(after, step)}


def properties_of(pipeline, name):
    (node,) = (component for component in pipeline.components if component.id == name)
    return node.exec_properties


@pytest.mark.parametrize(
    ("changes", "renewed"),
    [
        ({}, set()),
        ({"training": {"epochs": 3}}, {"Trainer"}),
        ({"model": {"decoder": "notebook"}}, {"Trainer"}),
        ({"gate": {"mean_iou": 0.7}}, {"GateCheck", "Evaluator"}),
        ({"evaluation": {"slices": ["image/span"]}}, {"Evaluator"}),
    ],
    ids=["nothing", "training", "model", "gate", "slices"],
)
def test_a_change_of_the_config_renews_only_the_steps_that_use_it(tmp_path, changes, renewed):
    before, after = (create_pipeline(config(tmp_path, **some)) for some in ({}, changes))
    steps = ("ExampleGen", "StatisticsGen", "GateCheck", "Trainer", "Evaluator", "Pusher")
    assert renewed_steps(before, after, steps) == renewed


def test_a_slice_by_a_column_renews_neither_ingestion_nor_training(tmp_path):
    source = {"kind": "manifest", "path": str(tmp_path / "pairs.csv")}
    data = {"source": source, "classes": ["ground", "disc"]}
    slices = {"evaluation": {"slices": ["column/scanner"]}}
    before, after = (create_pipeline(config(tmp_path, data=data, **some)) for some in ({}, slices))
    steps = ("ExampleGen", "StatisticsGen", "GateCheck", "Trainer", "Evaluator", "Pusher")
    assert renewed_steps(before, after, steps) == {"GateCheck", "Evaluator"}


def test_another_view_renews_the_training_but_not_the_ingestion(tmp_path):
    data = config(tmp_path).data.model_dump() | {"view": {"kind": "crop"}}
    before, after = (create_pipeline(config(tmp_path, **some)) for some in ({}, {"data": data}))
    assert properties_of(before, "ExampleGen") == properties_of(after, "ExampleGen")
    assert properties_of(before, "Trainer") != properties_of(after, "Trainer")


@pytest.mark.parametrize(
    ("step", "module"),
    [
        ("ExampleGen", "components.example_gen.executor"),
        ("ExampleValidator", "components.validator.component"),
        ("GateCheck", "components.evaluator.gate_check"),
        ("Tuner", "components.tuner.run"),
        ("Trainer", "components.trainer.run"),
        ("Evaluator", "components.evaluator.component"),
        ("ServingCheck", "components.serving_check.component"),
        ("Report", "components.report.writing"),
    ],
)
def test_the_parameters_of_a_step_contain_the_version_of_its_code(tmp_path, step, module):
    properties = properties_of(create_pipeline(config(tmp_path, tuner=TUNER)), step)
    assert code_version(module) in repr(properties)
