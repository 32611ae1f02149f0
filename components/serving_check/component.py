"""The ServingCheck component: loads the model in a fresh process, and asks it."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from tfx import v1 as tfx
from tfx.components.util.model_utils import is_infra_validated
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact
from tfx.utils import path_utils

from components.evaluator.component import SPLIT
from components.evaluator.evaluated_images import read_images
from components.example_gen.artifact import read_examples, read_records
from components.serving_check.verdict import VERDICT_FILE, ServingVerdict, decide
from data.examples import features
from data.examples.parsing import decode_mask
from data.examples.records import Record
from serving.config import CheckConfig
from serving.model import probe

_BLESSED, _NOT_BLESSED = "INFRA_BLESSED", "INFRA_NOT_BLESSED"
_REPOSITORY = Path(__file__).parents[2]
_LONGEST_REASON = 300  # characters: TensorFlow puts whole graphs into messages


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
    """Sends images of the test split to the model, and blesses it if it serves them well.

    Args:
      examples: The examples.
      model: The candidate model.
      evaluation: What the Evaluator measured on each image.
      blessing: As TFX's InfraValidator makes it, so that TFX's Pusher understands; beside its file
        it holds check.json, a `ServingVerdict`.
      check: CheckConfig as JSON.
      code: Version of the code that checks; a new version is a reason to check anew.
      infra_blessing: What TFX's InfraValidator, another judge, decided; None if it was not asked.
    """
    limits = CheckConfig.model_validate_json(check)
    keys = choose(read_records(examples, SPLIT), limits.images)
    found = {
        _key(example): example
        for example in read_examples(examples.uri, SPLIT)
        if _key(example) in keys
    }
    sent = [found[key] for key in keys]
    evaluated = {image.key: image.candidate for image in read_images(evaluation.uri)}
    answers = _ask(path_utils.serving_model_path(model.uri), sent)
    if isinstance(answers, str):
        verdict = ServingVerdict(blessed=False, reasons=[answers], images=len(sent))
    else:
        truths = [
            decode_mask(example.features.feature[features.MASK].bytes_list.value[0]).numpy()
            for example in sent
        ]
        verdict = decide(answers, keys, truths, evaluated, limits)
    if infra_blessing and not is_infra_validated(infra_blessing):
        verdict.reasons.append("InfraValidator: TF Serving did not load it, or did not answer")
        verdict.blessed = False
    _write(blessing, verdict)


def choose(records: Sequence[Record], number: int) -> list[str]:
    """Chooses the images that are sent: the smallest, the largest, and others as if by lot.

    Args:
      records: Of the pairs of the split; there is at least one.
      number: How many, at most.

    Returns:
      Their keys, the smallest's first, the largest's last.
    """
    areas = {
        record.pair.key: record.statistics.height * record.statistics.width
        for record in records
        if record.statistics
    }
    smallest, largest = (find(areas, key=lambda key: areas[key]) for find in (min, max))
    by_lot = sorted(areas, key=lambda key: hashlib.sha256(key.encode()).digest())
    others = [key for key in by_lot if key not in (smallest, largest)]
    room = max(number - len({smallest, largest}), 0)
    return list(dict.fromkeys([smallest, *others[:room], largest]))[-number:]


def _key(example: tf.train.Example) -> str:
    return example.features.feature[features.KEY].bytes_list.value[0].decode()


def _ask(model: str, examples: Sequence[tf.train.Example]) -> dict[str, Any] | str:
    """Returns the model's answers, or what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        with tf.io.TFRecordWriter(os.path.join(folder, probe.EXAMPLES)) as writer:
            for example in examples:
                writer.write(example.SerializeToString())
        done = subprocess.run(  # noqa: S603, our own program
            [sys.executable, "-m", probe.__name__, model, folder],
            cwd=_REPOSITORY,  # of all folders, Python looks there first
            # The Trainer's process may still hold a GPU's memory.
            env=os.environ | {"TF_FORCE_GPU_ALLOW_GROWTH": "true"},
            capture_output=True,
            text=True,
            check=False,
        )
        sys.stderr.write(done.stderr)
        if done.returncode:  # of a signal it is the negative number
            return (
                f"the process that served it ended with {done.returncode}"
                f"{': too little memory?' if done.returncode == -signal.SIGKILL else ''}"
            )
        answers: dict[str, Any] = json.loads(Path(folder, probe.ANSWERS).read_text())
    if probe.FAILURE in answers:
        return f"it does not load, or fails: {answers[probe.FAILURE][:_LONGEST_REASON]}"
    return answers


def _write(blessing: artifact.Artifact, verdict: ServingVerdict) -> None:
    blessing.set_int_custom_property("blessed", int(verdict.blessed))
    files = {
        _BLESSED if verdict.blessed else _NOT_BLESSED: "",
        VERDICT_FILE: verdict.model_dump_json(indent=2),
    }
    for name, text in files.items():
        with tf.io.gfile.GFile(os.path.join(blessing.uri, name), "w") as file:
            file.write(text)
