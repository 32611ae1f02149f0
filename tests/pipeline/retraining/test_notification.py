"""Telling others what came of a turn: by a real server and by real commands."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from data.errors import InputError
from pipeline.config.retrain import NotifyConfig
from pipeline.retraining.notification import Notice, tell

NOTICE = Notice(
    text="cells: pushed version 7",
    pipeline="cells",
    outcome="pushed",
    reasons=[],
    news=["span 4"],
    run="2026-11-27T19:13:09",
    metrics={"mean_iou": 0.75, "iou/rare": None},
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
        if code == 0:  # hangs up
            self.close_connection = True
            return
        self.send_response(code)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def receiver():
    """A server that answers with `answers`, one after the other, the last from then on."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.received, server.answers = [], [200]
        server.address = f"http://127.0.0.1:{server.server_port}/hook/s3cret"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_webhook_gets_the_notice_as_json(receiver):
    assert tell(NOTICE, NotifyConfig(webhook=receiver.address)) == []
    [(path, kind, body)] = receiver.received
    assert (path, kind) == ("/hook/s3cret", "application/json")
    assert Notice.model_validate(body) == NOTICE
    assert body["metrics"] == {"mean_iou": 0.75, "iou/rare": None}


def test_an_address_may_come_from_the_environment(receiver, monkeypatch):
    monkeypatch.setenv("CELLS_WEBHOOK", receiver.address)
    assert tell(NOTICE, NotifyConfig(webhook="$CELLS_WEBHOOK")) == []
    assert len(receiver.received) == 1
    monkeypatch.delenv("CELLS_WEBHOOK")
    with pytest.raises(InputError, match=r"retrain\.notify\.webhook: \$CELLS_WEBHOOK is no"):
        NotifyConfig(webhook="$CELLS_WEBHOOK").address()


@pytest.mark.parametrize("failure", [503, 429, 0])
def test_a_webhook_that_fails_for_a_while_is_asked_again(receiver, failure):
    receiver.answers = [failure, 204]
    assert tell(NOTICE, NotifyConfig(webhook=receiver.address)) == []
    assert len(receiver.received) == 2


def test_a_webhook_that_refuses_is_asked_once_and_its_secret_is_not_shown(receiver):
    receiver.answers = [403]
    problems = tell(NOTICE, NotifyConfig(webhook=receiver.address))
    assert problems == ["the webhook at 127.0.0.1 was not told: it answers 403"]
    assert len(receiver.received) == 1


def test_a_webhook_that_is_not_there_is_a_line_and_the_command_is_still_told(tmp_path):
    told = tmp_path / "told"
    script = f"import sys; open({str(told)!r}, 'w').write(sys.stdin.read())"
    notify = NotifyConfig(webhook="http://127.0.0.1:9/", command=[sys.executable, "-c", script])
    [problem] = tell(NOTICE, notify)
    assert problem == "the webhook at 127.0.0.1 was not told: Connection refused"
    assert Notice.model_validate_json(told.read_text()) == NOTICE


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (["sh", "-c", "echo no; echo mail >&2; exit 7"], "command sh failed with code 7: no mail"),
        (["true"], None),  # need not read
        (["/no/such/program"], "/no/such/program was not told: No such file or directory"),
    ],
)
def test_what_a_command_answers(command, problem):
    problems = tell(NOTICE, NotifyConfig(command=command))
    assert bool(problems) == bool(problem)
    assert all(problem in line for line in problems)
