"""What the Trainer component runs: from a config and TFRecords to a SavedModel."""

import hashlib
import os
import tempfile

import tensorflow as tf
from tfx import v1 as tfx

from components.trainer.config import SETTINGS, UNFINISHED, TrainerSettings
from components.trainer.hyperparameters import in_words, override
from components.trainer.training.callbacks import COLLAPSED, has_collapsed
from components.trainer.training.devices import choose_strategy, is_chief, worker
from components.trainer.training.training import Training
from components.trainer.warm_start import base_model_of
from data.errors import InputError
from serving.model.export import export_saved_model


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    """Trains and exports. TFX calls it by its import path.

    A training that was interrupted goes on after its last complete epoch.

    Args:
      fn_args: Holds the training and validation files, where the SavedModel and TensorBoard's logs
        belong, the base model of a warm start, a search's best hyperparameters, which go before
        the settings, and `custom_config`, a dict with:
        - settings: TrainerSettings as JSON.
        - unfinished: The folder for what is needed to go on after an interruption; without it, one
          beside those of the executions.
        - pushed: See `base_model_of`.

    Raises:
      InputError: The encoder's weights cannot be had, or do not fit; there are no examples; a batch
        does not fit into memory; the loss became no number; or the network predicts one class only.
    """
    settings = TrainerSettings.model_validate_json(fn_args.custom_config[SETTINGS])
    strategy = choose_strategy(settings.training.strategy)  # first: machines are joined before work
    if is_chief(strategy):
        print(flush=True)  # ends the line that says that the Trainer runs
    if fn_args.hyperparameters:
        values = fn_args.hyperparameters["values"]
        settings = override(settings, values)
        if is_chief(strategy):
            print(f"  the best trial's {', '.join(in_words(values))}", flush=True)
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
    with tempfile.TemporaryDirectory() as nowhere:
        export_saved_model(
            training.network_in(settings.serving_precision),
            fn_args.serving_model_dir if is_chief(strategy) else nowhere,
            classes=settings.classes,
            view=settings.view,
            intensity_range=settings.intensity_range,
            max_pixels=settings.max_pixels,
            config=settings.model_dump(mode="json"),
        )
    tf.io.gfile.rmtree(folder)


def _unfinished_folder(
    fn_args: tfx.components.FnArgs, settings: TrainerSettings, base_model: str | None, worker: int
) -> str:
    """Where a training with these settings and these examples lies until it is finished.

    Not in the execution's own folder: a run that is started again is another execution.
    """
    told = (settings.model_dump_json(), base_model, fn_args.train_files, fn_args.eval_files)
    name = hashlib.sha256(repr(told).encode()).hexdigest()[:16]
    executions = os.path.dirname(fn_args.model_run_dir.rstrip("/"))
    unfinished = fn_args.custom_config.get(UNFINISHED) or os.path.join(executions, ".unfinished")
    return os.path.join(unfinished, f"{name}-{worker}")
