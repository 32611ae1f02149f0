"""The Trainer: trains a network on TFRecords and exports it as a SavedModel."""

import hashlib
import os
import tempfile

from tfx import v1 as tfx

from components.trainer.config import SETTINGS, UNFINISHED, TrainerSettings
from components.trainer.hyperparameters import hyperparameter_texts, override
from components.trainer.training.collapse import COLLAPSED, has_collapsed
from components.trainer.training.devices import choose_strategy, is_chief, worker
from components.trainer.training.training import Training
from components.trainer.warm_start import base_model_of
from data.errors import InputError
from data.files import remove_folder
from serving.model.export import export_saved_model


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    """Trains a network and exports it as a SavedModel; TFX calls this function by its import path.

    An interrupted training is resumed after its last complete epoch. The best hyperparameters of a
    search replace the settings of the same names.

    Args:
      fn_args: The training and validation files, the folders for the SavedModel and TensorBoard's
        logs, the base model of a warm start, the best hyperparameters of a search, and
        `custom_config`, a dict with:
        - settings: TrainerSettings as JSON.
        - unfinished: Folder for the checkpoints of interrupted training runs.
        - pushed: On Kubeflow, where no resolver runs, folder of the pushed versions, from which the
          base model is chosen.

    Raises:
      InputError: The encoder's weights are not available or do not fit, the encoder lacks a block
        that the settings name, TF_CONFIG is missing or malformed, there are no examples, or the
        network predicts one class only.
      FailedTrainingError: A batch does not fit into memory, or the loss is NaN or infinite.
    """
    settings = TrainerSettings.model_validate_json(fn_args.custom_config[SETTINGS])
    # The strategy must be created first, since a strategy can connect the workers only before
    # TensorFlow is initialised.
    strategy = choose_strategy(settings.training.strategy)
    if is_chief(strategy):
        print(flush=True)  # ends the line in which the runner prints the name of the step
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
    with tempfile.TemporaryDirectory() as discarded:
        export_saved_model(
            training.network_in(settings.serving_precision),
            fn_args.serving_model_dir if is_chief(strategy) else discarded,
            classes=settings.classes,
            view=settings.view,
            intensity_range=settings.intensity_range,
            max_pixels=settings.max_pixels,
            config=settings.model_dump(mode="json"),
        )
    remove_folder(folder)


def _unfinished_folder(
    fn_args: tfx.components.FnArgs, settings: TrainerSettings, base_model: str | None, worker: int
) -> str:
    """Returns the folder for the checkpoints of this worker in a training with these inputs.

    The folder depends only on the arguments, so that a restarted run finds the checkpoints. TFX
    treats a restarted run as a new execution with a new output folder.
    """
    inputs = (settings.model_dump_json(), base_model, fn_args.train_files, fn_args.eval_files)
    name = hashlib.sha256(repr(inputs).encode()).hexdigest()[:16]
    return os.path.join(fn_args.custom_config[UNFINISHED], f"{name}-{worker}")
