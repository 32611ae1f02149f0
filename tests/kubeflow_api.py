"""A server that responds like the API of Kubeflow Pipelines, and records the requests."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml


class KubeflowApi(ThreadingHTTPServer):
    """A server that sends prepared responses and records the requests.

    Attributes:
      host: URL of the server.
      answers: Status code and JSON content of each response, by method and path, such as
        `POST /apis/v2beta1/runs`. Any other request is answered with status 404.
      requests: Body of the last request with each method and path: parsed JSON, or the bytes of an
        upload.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.host = f"http://127.0.0.1:{self.server_port}"
        self.answers = {
            "GET /apis/v2beta1/healthz": (200, {"multi_user": False}),
            "GET /apis/v2beta1/experiments": (200, {}),
            "POST /apis/v2beta1/experiments": (200, {"experiment_id": "e1"}),
            "GET /apis/v2beta1/recurringruns": (
                200,
                {
                    "recurringRuns": [
                        {"recurring_run_id": "old", "display_name": "blue-marble"},
                        {"recurring_run_id": "another", "display_name": "cells"},
                    ]
                },
            ),
            "POST /apis/v2beta1/recurringruns": (200, {"recurring_run_id": "r1"}),
            "POST /apis/v2beta1/runs": (200, {"run_id": "r2", "display_name": "blue-marble now"}),
            "DELETE /apis/v2beta1/recurringruns/old": (200, {}),
        }
        self.requests = {}


class _Handler(BaseHTTPRequestHandler):
    def _answer(self):
        request = f"{self.command} {self.path.partition('?')[0]}"
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_json = "json" in (self.headers.get("Content-Type") or "")
        self.server.requests[request] = json.loads(body) if body and is_json else body
        code, answer = self.server.answers.get(request, (404, {}))
        content = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815

    def log_message(self, *arguments):
        pass


@contextmanager
def running():
    """Runs the server within the context, and yields it."""
    with KubeflowApi() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def write_kubectl_config(home, host):
    """Writes a configuration file for kubectl, whose current context points to a server.

    Args:
      home: Path of the home folder in which the file is created.
      host: URL of the server.
    """
    context = {"cluster": "kind", "user": "me"}
    config = {
        "clusters": [{"name": "kind", "cluster": {"server": host}}],
        "users": [{"name": "me", "user": {}}],
        "contexts": [{"name": "kind", "context": context}],
        "current-context": "kind",
    }
    (home / ".kube").mkdir()
    (home / ".kube" / "config").write_text(yaml.safe_dump(config))
