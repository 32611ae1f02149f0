from types import SimpleNamespace

import pytest
import tensorflow as tf

from components.trainer.training.devices import choose_strategy, is_chief, worker
from data.errors import InputError


def test_without_gpus_and_machines_auto_is_one_device(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    strategy = choose_strategy("auto")
    assert strategy is tf.distribute.get_strategy()
    assert strategy.num_replicas_in_sync == 1
    assert is_chief(strategy)
    assert worker(strategy) == 0


def test_several_machines_need_tf_config(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(InputError, match=r"^training\.strategy: multi_worker needs .* TF_CONFIG"):
        choose_strategy("multi_worker")


@pytest.mark.parametrize("text", ["{", "[]", '{"cluster": {"worker": 1}}'])
def test_a_malformed_tf_config_is_refused(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match=r"^TF_CONFIG: not the JSON object"):
        choose_strategy("auto")


@pytest.mark.parametrize(
    ("task_type", "task_id", "index"), [("chief", 0, 0), ("worker", 0, 1), ("worker", 1, 2)]
)
def test_the_chief_in_tf_config_comes_before_the_workers(task_type, task_id, index):
    addresses = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(addresses), task_type=task_type, task_id=task_id
    )
    strategy = SimpleNamespace(cluster_resolver=resolver)
    assert worker(strategy) == index
    assert is_chief(strategy) == (index == 0)
