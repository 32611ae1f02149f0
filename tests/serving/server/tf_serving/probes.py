"""All probes, and the table of docs/serving.md that summarises them.

`python -m tests.serving.server.tf_serving.probes` prints the table.
"""

from collections.abc import Mapping, Sequence

from tests.serving.server.tf_serving import grpc_requests, http_requests, json_requests, paths
from tests.serving.server.tf_serving.probe import Probe

PROBES: Mapping[str, Sequence[Probe]] = {
    "status and metadata": paths.STATUS,
    "paths": paths.PATHS,
    "versions and labels": paths.VERSIONS,
    "methods": paths.METHODS,
    "HTTP": http_requests.HTTP,
    "compressed bodies": http_requests.ENCODINGS,
    "JSON documents": json_requests.DOCUMENTS,
    "keys and formats": json_requests.KEYS,
    "strings and Base64": json_requests.STRINGS,
    "numbers": json_requests.NUMBERS,
    "gRPC Predict": grpc_requests.PREDICT,
    "gRPC tensors": grpc_requests.TENSORS,
    "other gRPC methods": grpc_requests.OTHERS,
    "before the first version": grpc_requests.START,
}
"""The probes by subject."""


def table() -> str:
    """Returns the counts of equal and different answers, and the different ones, in Markdown."""
    every = [probe for probes in PROBES.values() for probe in probes]
    differing = sum(probe.here is not None for probe in every)
    lines = [
        f"Of {len(every)} probes, {len(every) - differing} have the same answer and {differing} do "
        "not:",
        "",
        "| subject | same | different |",
        "|---|---|---|",
    ]
    for subject, probes in PROBES.items():
        other = sum(probe.here is not None for probe in probes)
        lines.append(f"| {subject} | {len(probes) - other} | {other or ''} |")
    lines += ["", "| request | TF Serving | local server | why |", "|---|---|---|---|"]
    for subject, probes in PROBES.items():
        lines += [
            f"| {subject}: {probe.name} | {probe.answer} | {probe.here} | {probe.why} |"
            for probe in probes
            if probe.here is not None
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table())
