"""The ServingCheck component, which loads a model in a new process and checks its responses."""

import hashlib
import heapq
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from tfx import v1 as tfx
from tfx.components.util.model_utils import is_infra_validated
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact
from tfx.utils import path_utils

from components.evaluator.config import EVALUATED_SPLIT
from components.evaluator.evaluated_images import read_images
from components.example_gen.artifact import read_examples, read_records
from components.serving_check.verdict import VERDICT_FILE, ServingVerdict, decide
from data.errors import one_line
from data.examples import features
from data.examples.parsing import decode_mask
from data.examples.records import Record
from data.files.paths import join
from data.files.writing import write_text
from serving.config import CheckConfig
from serving.model import probe

_BLESSED, _NOT_BLESSED = "INFRA_BLESSED", "INFRA_NOT_BLESSED"
_MOST_SAMPLED = 10_000  # maximum number of keys in memory; any check sends far fewer images
_REPOSITORY = Path(__file__).parents[2]


@component
def ServingCheck(
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    evaluation: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelEvaluation],
    blessing: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.InfraBlessing],
    check: tfx.dsl.components.Parameter[str],
    code: tfx.dsl.components.Parameter[str],
    infra_blessing: tfx.dsl.components.InputArtifact[
        tfx.types.standard_artifacts.InfraBlessing
    ] = None,
) -> None:
    """Sends images of the test split to the model, and blesses the model if it passes the check.

    To pass, the model must return correct responses and keep within the limits on latency and
    memory.

    Args:
      examples: The examples artifact, which contains the images and masks of the test split.
      model: The candidate model.
      evaluation: Output of the Evaluator, which contains the confusion matrix of each image.
      blessing: The output artifact. It has the same marker file and property as an artifact of
        TFX's InfraValidator, so that TFX's Pusher can read it, and a `ServingVerdict` in
        check.json.
      check: A `CheckConfig` as JSON: the number of images and the limits on latency and memory.
      code: Version of the code that checks models. The version is part of the cache key, so the
        model is checked again when the code changes.
      infra_blessing: Blessing artifact of TFX's InfraValidator; None if the pipeline does not
        contain InfraValidator.
    """
    limits = CheckConfig.model_validate_json(check)
    keys = choose_keys(read_records(examples, EVALUATED_SPLIT), limits.images)
    by_key = {
        _key(example): example
        for example in read_examples(examples.uri, EVALUATED_SPLIT)
        if _key(example) in keys
    }
    sent = [by_key[key] for key in keys]
    evaluated = {
        image.key: image.candidate.confusion_matrix
        for image in read_images(evaluation.uri)
        if image.key in keys
    }
    answers = _probe(path_utils.serving_model_path(model.uri), sent)
    if isinstance(answers, str):
        verdict = ServingVerdict(blessed=False, reasons=[answers], images=len(sent))
    else:
        truths = [
            decode_mask(example.features.feature[features.MASK].bytes_list.value[0]).numpy()
            for example in sent
        ]
        verdict = decide(answers, keys, truths, evaluated, limits)
    if infra_blessing and not is_infra_validated(infra_blessing):
        verdict.reasons.append(
            "InfraValidator: TF Serving did not load the model or did not answer"
        )
        verdict.blessed = False
    _write(blessing, verdict)


def choose_keys(records: Iterable[Record], number: int) -> list[str]:
    """Chooses the images to send: the smallest, the largest, and a random sample of the others.

    Args:
      records: Records of the usable pairs of the test split, at least one.
      number: Maximum number of images to choose.

    Returns:
      Keys of the chosen images, with the smallest image first and the largest last. If `number` is
      1, only the key of the largest image.
    """
    smallest = largest = (math.inf, "")
    sample: list[tuple[bytes, str]] = []
    for record in records:
        if record.statistics is None:
            continue
        key, area = record.pair.key, record.statistics.height * record.statistics.width
        smallest = min(smallest, (area, key))
        largest = min(largest, (-area, key))
        sample.append((hashlib.sha256(key.encode()).digest(), key))
        if len(sample) > _MOST_SAMPLED:
            sample = heapq.nsmallest(number + 2, sample)
    ends = (smallest[1], largest[1])
    others = [key for _, key in sorted(sample) if key not in ends]
    number_of_others = max(number - len(set(ends)), 0)
    return list(dict.fromkeys([ends[0], *others[:number_of_others], ends[1]]))[-number:]


def _key(example: tf.train.Example) -> str:
    return example.features.feature[features.KEY].bytes_list.value[0].decode()


def run_probe(model: str, folder: str) -> subprocess.CompletedProcess[str]:
    """Runs the module `probe` in a new process, and waits for its end.

    Args:
      model: Folder of the SavedModel.
      folder: Folder of the requests and of the responses.

    Returns:
      Exit code and output of the process.
    """
    return subprocess.run(  # noqa: S603, the command is a module of this package
        [sys.executable, "-m", probe.__name__, model, folder, str(os.getpid())],
        cwd=_REPOSITORY,  # makes `python -m` import the same code as this process
        # TensorFlow must not reserve all GPU memory at once, because the process that ran the
        # Trainer may still hold some of it.
        env=os.environ | {"TF_FORCE_GPU_ALLOW_GROWTH": "true"},
        capture_output=True,
        text=True,
        check=False,
    )


def _probe(model: str, examples: Sequence[tf.train.Example]) -> dict[str, Any] | str:
    """Probes the model in a new process; returns the responses or the reason for a failure."""
    with tempfile.TemporaryDirectory() as folder:
        with tf.io.TFRecordWriter(os.path.join(folder, probe.EXAMPLES)) as writer:
            for example in examples:
                writer.write(example.SerializeToString())
        process = run_probe(model, folder)
        sys.stderr.write(process.stderr)
        if process.returncode:
            memory = " (out of memory?)" if process.returncode == -signal.SIGKILL else ""
            return f"the process that served the model exited with {process.returncode}{memory}"
        answers: dict[str, Any] = json.loads(Path(folder, probe.ANSWERS).read_text())
    if probe.FAILURE in answers:
        return f"the model does not load, or fails: {one_line(answers[probe.FAILURE])}"
    return answers


def _write(blessing: artifact.Artifact, verdict: ServingVerdict) -> None:
    blessing.set_int_custom_property("blessed", int(verdict.blessed))
    write_text(join(blessing.uri, _BLESSED if verdict.blessed else _NOT_BLESSED), "")
    write_text(join(blessing.uri, VERDICT_FILE), verdict.model_dump_json(indent=2))
