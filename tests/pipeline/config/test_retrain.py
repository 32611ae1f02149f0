import pytest

from data.errors import InputError
from pipeline.config.retrain import NotifyConfig
from tests.pipeline.conftest import changed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (changed(retrain={"keep_runs": 0}), ["retrain.keep_runs: ", "greater", "1", "0"]),
        (changed(retrain={"notify": {"command": []}}), ["retrain.notify.command: ", "1 item"]),
        (
            changed(retrain={"notify": {"webhook": "hooks.example.org"}}),
            ["retrain.notify.webhook: should begin with https://", "'hooks.example.org'"],
        ),
    ],
)
def test_impossible_values_are_one_line(problems, text, words):
    (line,) = problems(text)
    assert line.startswith(words[0])
    assert all(word in line for word in words), line


def test_a_webhook_may_hold_environment_variables(monkeypatch):
    notify = NotifyConfig(webhook="${BASE}/hook")
    monkeypatch.setenv("BASE", "https://example.org")
    assert notify.address() == "https://example.org/hook"
    monkeypatch.delenv("BASE")
    with pytest.raises(InputError, match=r"retrain.notify.webhook: \$\{BASE\}/hook is not a URL"):
        notify.address()
    assert NotifyConfig().address() is None
