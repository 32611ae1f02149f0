"""A server that forks a process with TensorFlow already imported for each probe of ServingCheck.

The server imports TensorFlow for the first probe, without Keras, and runs no operation, after which
a fork would not be safe. The argument is the path of the server's socket.
"""

import gc
import json
import os
import runpy
import socketserver
import sys
from pathlib import Path

PROBE = "serving.model.probe"


class _Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    def verify_request(self, request, client_address):
        import tensorflow  # noqa: F401

        return True

    def service_actions(self):
        super().service_actions()
        if os.getppid() == 1:
            sys.exit("the test process has died")


class _Process(socketserver.StreamRequestHandler):
    def handle(self):
        gc.freeze()  # else each collection would visit the objects of all imported modules
        sys.argv, variables, output = json.loads(self.rfile.readline())
        with Path(output).open("ab") as file:
            os.dup2(file.fileno(), sys.stderr.fileno())
        os.environ.clear()
        os.environ.update(variables)
        sys.argv.append(str(os.getppid()))
        runpy.run_module(PROBE, run_name="__main__", alter_sys=True)
        self.wfile.write(b"0")


if __name__ == "__main__":
    sys.modules |= {"keras": None, "tf_keras": None}  # as the probe does
    with _Server(sys.argv[1], _Process) as server:
        print("ready", flush=True)
        server.serve_forever()
