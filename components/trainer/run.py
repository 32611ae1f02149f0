"""The Trainer: trains a network on TFRecord files and exports it as a SavedModel."""

import hashlib
import os
import tempfile

from tfx import v1 as tfx

from components.trainer.config import SETTINGS, UNFINISHED, TrainerSettings
from components.trainer.hyperparameters import hyperparameter_texts, override
from components.trainer.network.inspection import count_flops
from components.trainer.training.collapse import COLLAPSED, has_collapsed
from components.trainer.training.devices import choose_strategy, is_chief, worker
from components.trainer.training.precision import set_precision
from components.trainer.training.training import Training
from components.trainer.warm_start import base_model_of
from data.errors import InputError
from data.files.removing import remove_folder
from serving.model.export import export_saved_model


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    """Trains a network and exports it as a SavedModel; TFX calls this function by its import path.

    An interrupted training run resumes after its last completed epoch. If a hyperparameter search
    has been run, its best hyperparameters replace the settings of the same names.

    Args:
      fn_args: Arguments from TFX: the training and validation files, the folders for the SavedModel
        and the TensorBoard logs, the base model for a warm start, the best hyperparameters of a
        search, and `custom_config`, a dict with:
        - settings: TrainerSettings as JSON.
        - unfinished: Folder for the checkpoints of interrupted training runs.
        - pushed: Folder of the pushed model versions, from which the base model is chosen; given
          only on Kubeflow, where no resolver runs.

    Raises:
      InputError: The encoder's weights are unavailable or do not fit, the settings specify blocks
        or a number of layers that the encoder does not have, TF_CONFIG is missing or malformed,
        there are no training examples, or the trained network predicts only one class.
      FailedTrainingError: A batch does not fit into memory, or the loss is NaN or infinite.
    """
    settings = TrainerSettings.model_validate_json(fn_args.custom_config[SETTINGS])
    # The strategy must be created first, because it can connect the workers only before TensorFlow
    # is initialised.
    strategy = choose_strategy(settings.training.strategy)
    if is_chief(strategy):
        print(flush=True)  # ends the line on which the runner has printed the step's name
    if fn_args.hyperparameters:
        values = fn_args.hyperparameters["values"]
        settings = override(settings, values)
        if is_chief(strategy):
            texts = ", ".join(hyperparameter_texts(values))
            print(f"  hyperparameters of the best trial: {texts}", flush=True)
    base_model = base_model_of(fn_args, settings)
    folder = _unfinished_folder(fn_args, settings, base_model, worker(strategy))
    training = Training(
        settings,
        strategy,
        fn_args.train_files,
        fn_args.eval_files,
        folder=folder,
        log_dir=fn_args.model_run_dir,
        base_model=base_model,
    )
    if has_collapsed(training.run()):
        raise InputError(COLLAPSED)
    if settings.serving_precision:
        set_precision(training.network, settings.serving_precision)
    with tempfile.TemporaryDirectory() as discarded:
        export_saved_model(
            training.network,
            fn_args.serving_model_dir if is_chief(strategy) else discarded,
            classes=settings.classes,
            view=settings.view,
            intensity_range=settings.intensity_range,
            max_pixels=settings.max_pixels,
            flips=settings.flips,
            confidence_map=settings.confidence_map,
            val_files=fn_args.eval_files,
            config=settings.model_dump(mode="json"),
            flops=count_flops(training.network, settings.view.height, settings.view.width),
        )
    remove_folder(folder)


def _unfinished_folder(
    fn_args: tfx.components.FnArgs, settings: TrainerSettings, base_model: str | None, worker: int
) -> str:
    """Returns the checkpoint folder of this worker for a training run with these inputs.

    The folder depends only on the inputs, so that a restarted run finds its checkpoints. The output
    folder cannot hold the checkpoints, because TFX treats a restarted run as a new execution with a
    new output folder.
    """
    inputs = (settings.model_dump_json(), base_model, fn_args.train_files, fn_args.eval_files)
    name = hashlib.sha256(repr(inputs).encode()).hexdigest()[:16]
    return os.path.join(fn_args.custom_config[UNFINISHED], f"{name}-{worker}")
