"""A server that responds like the API of Kubeflow Pipelines, and records the requests."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import yaml


class KubeflowApi(ThreadingHTTPServer):
    """A server that sends prepared responses and records the requests.

    Attributes:
      host: URL of the server.
      answers: Status code and JSON content of each response, by method and path, such as
        `POST /apis/v2beta1/runs`. Any other request is answered with status 404. A response to a
        request with a page size contains only one page of the lists in the content.
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
        url = urlsplit(self.path)
        request = f"{self.command} {url.path}"
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_json = "json" in (self.headers.get("Content-Type") or "")
        self.server.requests[request] = json.loads(body) if body and is_json else body
        code, answer = self.server.answers.get(request, (404, {}))
        content = json.dumps(_page(answer, parse_qs(url.query))).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815

    def log_message(self, *arguments):
        pass


def _page(answer, query):
    """Returns the requested page of the lists in an answer, or the answer if there are no pages."""
    (size,), (start,) = query.get("page_size", ["0"]), query.get("page_token", ["0"])
    end = int(start) + int(size)
    lists = {key: values for key, values in answer.items() if isinstance(values, list)}
    if not int(size) or not lists:
        return answer
    page = {key: values[int(start) : end] for key, values in lists.items()}
    has_more = any(len(values) > end for values in lists.values())
    return answer | page | ({"next_page_token": str(end)} if has_more else {})


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
