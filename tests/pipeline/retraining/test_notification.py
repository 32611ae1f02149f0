"""Notices to a real server and to real commands."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from data.errors import InputError
from pipeline.config.retrain import NotifyConfig
from pipeline.retraining.notification import Notice, send_notice

NOTICE = Notice(
    text="cells: pushed version 7",
    pipeline="cells",
    outcome="pushed",
    reasons=[],
    doubts=[],
    drift=[],
    news=["span 4"],
    run="2026-11-27T19:13:09",
    metrics={"mean_iou": 0.75, "iou/rare": None},
    intervals={"mean_iou": [0.7, 0.8]},
    report="/runs/cells/reports/2026/index.html",
    version="/runs/cells/serving/cells/7",
    host="here",
    began="2026-11-27 19:13:09+00:00",
    ended="2026-11-27 19:23:09+00:00",
)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, self.headers["Content-Type"], json.loads(body)))
        answers = self.server.answers
        code = answers.pop(0) if len(answers) > 1 else answers[0]
        if code == 0:  # closes the connection
            self.close_connection = True
            return
        self.send_response(code)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def receiver():
    """A server that answers with the status codes `answers` in turn, then with the last one."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.received, server.answers = [], [200]
        server.address = f"http://127.0.0.1:{server.server_port}/hook/s3cret"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_webhook_gets_the_notice_as_json(receiver):
    assert send_notice(NOTICE, NotifyConfig(webhook=receiver.address)) == []
    [(path, kind, body)] = receiver.received
    assert (path, kind) == ("/hook/s3cret", "application/json")
    assert Notice.model_validate(body) == NOTICE
    assert body["metrics"] == {"mean_iou": 0.75, "iou/rare": None}


def test_the_address_may_come_from_the_environment(receiver, monkeypatch):
    monkeypatch.setenv("CELLS_WEBHOOK", receiver.address)
    assert send_notice(NOTICE, NotifyConfig(webhook="$CELLS_WEBHOOK")) == []
    assert len(receiver.received) == 1
    monkeypatch.delenv("CELLS_WEBHOOK")
    with pytest.raises(InputError, match=r"retrain\.notify\.webhook: \$CELLS_WEBHOOK is no"):
        NotifyConfig(webhook="$CELLS_WEBHOOK").address()


@pytest.mark.parametrize("failure", [503, 429, 0])
def test_a_temporary_failure_of_the_webhook_is_retried(receiver, failure):
    receiver.answers = [failure, 204]
    assert send_notice(NOTICE, NotifyConfig(webhook=receiver.address)) == []
    assert len(receiver.received) == 2


def test_a_refusal_of_the_webhook_is_not_retried_and_its_secret_not_shown(receiver):
    receiver.answers = [403]
    problems = send_notice(NOTICE, NotifyConfig(webhook=receiver.address))
    assert problems == ["the webhook at 127.0.0.1 was not notified: it answered with status 403"]
    assert len(receiver.received) == 1


def test_an_unreachable_webhook_is_one_line_and_the_command_still_runs(tmp_path):
    received = tmp_path / "received"
    script = f"import sys; open({str(received)!r}, 'w').write(sys.stdin.read())"
    notify = NotifyConfig(webhook="http://127.0.0.1:9/", command=[sys.executable, "-c", script])
    [problem] = send_notice(NOTICE, notify)
    assert problem == "the webhook at 127.0.0.1 was not notified: Connection refused"
    assert Notice.model_validate_json(received.read_text()) == NOTICE


def test_a_broken_proxy_is_one_line(receiver, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    [problem] = send_notice(NOTICE, NotifyConfig(webhook=receiver.address))
    assert problem.startswith("the webhook at 127.0.0.1 was not notified: ALL_PROXY: the variable")


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (
            ["sh", "-c", "echo no; echo mail >&2; exit 7"],
            "command sh failed with exit code 7: no mail",
        ),
        (["true"], None),  # does not read its input
        (["/no/such/program"], "/no/such/program was not started: No such file or directory"),
    ],
)
def test_a_command_that_fails_is_one_line(command, problem):
    problems = send_notice(NOTICE, NotifyConfig(command=command))
    assert bool(problems) == bool(problem)
    assert all(problem in line for line in problems)
