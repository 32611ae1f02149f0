"""Simulates the launcher of Kubeflow Pipelines 2.16, which runs a step and transfers its files.

The simulation follows the source code in backend/src/v2/component/launcher_v2.go,
objectstore/object_store.go and metadata/client.go of kubeflow/pipelines.
"""

import json
import posixpath
from pathlib import Path
from typing import NamedTuple

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as kfp_spec

from tests import warm_process
from tests.e2e import pod

FOLDERS = {"gs://": "/gcs/", "minio://": "/minio/", "s3://": "/s3/"}
LOGS = "executor-logs"


class LauncherError(Exception):
    """The launcher fails."""


class Store:
    """Simulates an object store, which has no folders.

    Attributes:
      objects: Content of each object in all buckets, by URI.
    """

    def __init__(self):
        self.objects = {}

    def download(self, uri, root):
        # Like the real launcher, this code does not add a slash to the prefix, so `…/model` also
        # matches `…/model_run`.
        for key, content in sorted(self.objects.items()):
            if key.startswith(uri):
                path = Path(posixpath.normpath(f"{root}{local_path(key)}"))
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
                except OSError as error:
                    raise LauncherError(f"unable to complete copying {key}: {error}") from error

    def upload(self, path, uri):
        if path.is_file():
            self.objects[uri] = path.read_bytes()
        for file in path.rglob("*"):
            if file.is_file():  # a bucket cannot contain an empty folder
                self.objects[f"{uri}/{file.relative_to(path)}"] = file.read_bytes()

    def read(self, uri, *names):
        return self.objects["/".join([uri, *names])].decode()

    def names(self, uri):
        return {key.removeprefix(f"{uri}/") for key in self.objects if key.startswith(f"{uri}/")}


class Result(NamedTuple):
    """Result of a step that the launcher has run.

    Attributes:
      code: Exit code; 0 for success.
      log: Log of the pod.
      message: Termination message of the pod.
      artifacts: Output artifacts by key.
      parameters: Output parameters by key.
    """

    code: int
    log: str
    message: str
    artifacts: dict = {}  # noqa: RUF012
    parameters: dict = {}  # noqa: RUF012


def local_path(uri):
    """Returns the path in the pod for the URI of an artifact; None if the scheme is not known."""
    for scheme, folder in FOLDERS.items():
        if uri.startswith(scheme):
            return folder + uri.removeprefix(scheme)
    return None


def launch(name, executor_input, arguments, *, store, run_root, root, pod_options):
    """Runs a step in a new pod.

    Args:
      name: Name of the pod.
      executor_input: An `ExecutorInput` message from the driver, as JSON text.
      arguments: Command and arguments of the step, with placeholders.
      store: The store of the artifacts.
      run_root: URI of the folder for the run's artifacts.
      root: Empty folder for the pod.
      pod_options: `mounts` and `environment` of the pod; `start`, a function such as
        `start_process`; and `started`, a function that is called with the process of the pod after
        the process starts.

    Returns:
      The result of the step, as a `Result`.
    """
    step = json.loads(executor_input)
    json_format.ParseDict(step, kfp_spec.ExecutorInput())
    volumes, message = root / "volumes", root / "message"
    for folder in FOLDERS.values():
        (volumes / folder.strip("/")).mkdir(parents=True)
    message.touch()
    mounts = {folder.rstrip("/"): volumes / folder.strip("/") for folder in FOLDERS.values()}
    mounts |= {"/dev/termination-log": message} | pod_options["mounts"]
    try:
        for artifact in _artifacts(step["inputs"]).values():
            if local_path(artifact["uri"]):
                store.download(artifact["uri"], volumes)
    except LauncherError as error:
        return Result(1, f"F1129 main.go:54] failed to execute component: {error}\n", "")
    outputs = _artifacts(step["outputs"])
    for artifact in outputs.values():
        Path(f"{volumes}{local_path(artifact['uri'])}").parent.mkdir(parents=True, exist_ok=True)
    log = Path(f"{volumes}{local_path(outputs[LOGS]['uri'])}")
    command = _without_placeholders(arguments, executor_input, step)
    assert command[:2] == ["python", "-m"], command
    environment = pod_options["environment"] | {
        "KFP_POD_NAME": name,
        "KFP_POD_UID": f"uid-of-{name}",
        "HOME": "/tmp",
    }
    log.touch()
    process = pod_options["start"](command, environment, mounts, log, root)
    pod_options["started"](process)
    process.join()
    store.upload(log, outputs[LOGS]["uri"])
    text = log.read_text()
    if process.exitcode:
        lines = ["I1129 launcher_v2.go:151] publish success.", f"exit status {process.exitcode}"]
        lines.append(f"F1129 main.go:54] failed to execute component: {lines[-1]}")
        return Result(1, text + "\n".join(lines) + "\n", message.read_text())
    try:
        published, parameters = _publish(step, store, run_root, root)
    except (LauncherError, json_format.ParseError) as error:
        text += f"F1129 main.go:54] failed to execute component: {error}\n"
        return Result(1, text, message.read_text())
    return Result(0, text, message.read_text(), published, parameters)


def start_process(command, environment, mounts, log, root):
    """Starts a step in a process with TensorFlow and TFX already imported.

    Args:
      command: Command and arguments of the step: `python -m MODULE …`.
      environment: Environment variables of the pod.
      mounts: Folders and files of this machine, by path in the pod.
      log: File for the output of the step.
      root: Folder of the pod on this machine.

    Returns:
      The process, with `join`, `kill`, `is_alive` and `exitcode`.
    """
    description = pod.describe(root / "root", f"{command[2]}:main", mounts)
    return warm_process.start(
        "tests.e2e.pod:main",
        command[2:],
        log,
        environment=environment | {pod.DESCRIPTION: description},
        folder=root,
    )


def _artifacts(side):
    return {key: values["artifacts"][0] for key, values in side.get("artifacts", {}).items()}


def _without_placeholders(arguments, executor_input, step):
    """Replaces placeholders in the arguments, also those in the inserted executor input."""
    values = {"{{$}}": executor_input}
    for side in ("inputs", "outputs"):
        for key, artifact in _artifacts(step[side]).items():
            values[f"{{{{$.{side}.artifacts['{key}'].uri}}}}"] = artifact["uri"]
            values[f"{{{{$.{side}.artifacts['{key}'].path}}}}"] = local_path(artifact["uri"]) or ""
    for key, value in step["inputs"]["parameterValues"].items():
        text = value if isinstance(value, str) else json.dumps(value)
        values[f"{{{{$.inputs.parameters['{key}']}}}}"] = text
    for placeholder, value in values.items():
        arguments = [argument.replace(placeholder, value) for argument in arguments]
    return arguments


def _publish(step, store, run_root, root):
    """Uploads the output artifacts; returns the output artifacts and the output parameters."""
    output_file = root / "volumes" / step["outputs"]["outputFile"].lstrip("/")
    output = kfp_spec.ExecutorOutput()
    if output_file.exists():
        json_format.Parse(output_file.read_text(), output)  # unknown fields are errors
    parameters = dict(json_format.MessageToDict(output).get("parameterValues", {}))
    for key, parameter in step["outputs"].get("parameters", {}).items():
        if key not in parameters:
            file = root / "root" / parameter["outputFile"].lstrip("/")
            if not file.exists():
                raise LauncherError(f"failed to read output parameter {key}")
            parameters[key] = file.read_text()
    published = {}
    for key, artifact in _artifacts(step["outputs"]).items():
        for written in json_format.MessageToDict(output.artifacts[key]).get("artifacts", []):
            artifact["uri"] = written.get("uri") or artifact["uri"]
            artifact["metadata"] = artifact.get("metadata", {}) | written.get("metadata", {})
        path = local_path(artifact["uri"])
        if path:
            if not artifact["uri"].startswith(f"{run_root}/"):
                raise LauncherError(f"{artifact['uri']} is outside {run_root}")
            source = root / "volumes" / path.lstrip("/")
            if source.exists():  # for a missing path, the real launcher only logs a warning
                store.upload(source, artifact["uri"])
        kind = artifact["type"].get("schemaTitle") or _title(artifact["type"]["instanceSchema"])
        metadata = {name: _stored(value) for name, value in artifact.get("metadata", {}).items()}
        metadata |= {"display_name": key, "store_session_info": '{"Provider":"minio"}'}
        published[key] = {"uri": artifact["uri"], "kind": kind, "metadata": metadata}
    return published, parameters


def _title(schema):
    title = (yaml.safe_load(schema) or {}).get("title")
    if not title:
        raise LauncherError("No title specified")
    return title


def _stored(value):
    """Returns a metadata value in the form in which ML Metadata would return it."""
    if value is None:
        raise LauncherError("unknown/unsupported value type <nil>")
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, list):
        return {"list": value}
    if isinstance(value, dict):
        return {"struct": value}
    return value
