"""The nodes for a cluster; tests/e2e/test_kubeflow.py runs them in containers."""

import json
from typing import get_args

from pipeline.config.kubeflow import StepName
from pipeline.platforms.kubeflow import Kubeflow
from pipeline.platforms.local import Local

WARM_START = {"training": {"warm_start": True}}


def test_a_step_replaces_the_driver_and_no_resolver_is_left(make_nodes):
    local, cluster = (make_nodes(platform, **WARM_START) for platform in (Local(), Kubeflow()))
    assert set(cluster) == {*local, "LookOutside"} - {"Baseline", "WarmStart"}


def test_blessed_models_are_those_in_the_push_folder(make_nodes, tmp_path):
    nodes = make_nodes(Kubeflow(), **WARM_START)
    push_folder = str(tmp_path / "runs/discs/serving/discs")
    assert json.loads(nodes["Evaluator"].exec_properties["settings"])["pushed"] == push_folder
    assert json.loads(nodes["Trainer"].exec_properties["custom_config"])["pushed"] == push_folder


def test_every_other_step_than_a_training_can_have_resources(make_nodes):
    names = set(make_nodes(Kubeflow())) - {"Trainer", "Tuner"}
    assert set(get_args(StepName)) == names | {"default"}
