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
