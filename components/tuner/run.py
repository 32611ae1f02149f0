"""The Tuner: searches for the best hyperparameters with short training runs."""

import contextlib
import hashlib
import os
import sys
import time

import keras
import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus
from tfx import v1 as tfx

from components.trainer.config import SETTINGS, UNFINISHED
from components.trainer.hyperparameters import hyperparameter_texts, override
from components.trainer.training.checkpoints import MONITOR
from components.trainer.training.collapse import has_collapsed
from components.trainer.training.devices import choose_strategy, is_chief, worker
from components.trainer.training.training import FailedTrainingError, Training
from components.trainer.warm_start import base_model_of
from components.tuner.config import TunerSettings
from components.tuner.search_space import hyperparameters
from data.errors import InputError
from data.files.removing import remove_folder

FAILED_SCORE = -1.0
"""Score of a failed trial, which is lower than any mean IoU.

Failed trials are not marked as failed in KerasTuner, because TFX would then omit them from its
table of trials."""
_ORACLES = {
    "random": keras_tuner.oracles.RandomSearchOracle,
    "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
}


def tuner_fn(fn_args: tfx.components.FnArgs) -> tfx.components.TunerFnResult:
    """Prepares a hyperparameter search; TFX calls this function by its import path.

    Args:
      fn_args: Arguments from TFX: the training and validation files, the base model for a warm
        start, and `custom_config`, a dict with:
        - settings: TunerSettings as JSON.
        - unfinished: Folder for the state of interrupted searches.
        - pushed: Folder of the pushed model versions, from which the base model is chosen; given
          only on Kubeflow, where no resolver runs.

    Returns:
      The search, which TFX then runs.
    """
    return tfx.components.TunerFnResult(tuner=Search(fn_args), fit_kwargs={})


class Search(BaseTuner):
    """A KerasTuner search in which each trial trains a network in the same way as the Trainer.

    An interrupted search resumes with the interrupted trial, after the last completed epoch.
    """

    def __init__(self, fn_args: tfx.components.FnArgs) -> None:
        """Creates the search, or resumes an interrupted search with the same settings and files.

        Args:
          fn_args: Files, base model and settings for the search, as in `tuner_fn`.
        """
        self._fn_args = fn_args
        settings = fn_args.custom_config[SETTINGS]
        self._settings = TunerSettings.model_validate_json(settings)
        self._strategy = choose_strategy(self._settings.trainer.training.strategy)
        number = worker(self._strategy)
        self._base_model = base_model_of(fn_args, self._settings.trainer)
        inputs = repr((settings, self._base_model, fn_args.train_files, fn_args.eval_files))
        name = f"{hashlib.sha256(inputs.encode()).hexdigest()[:16]}-{number}"
        location = {"directory": fn_args.custom_config[UNFINISHED], "project_name": name}
        # KerasTuner prints a line when it reloads a search. The line goes to standard error,
        # because standard output is reserved for the results of the trials.
        with contextlib.redirect_stdout(sys.stderr):
            try:
                super().__init__(self._oracle(), **location)
            except ValueError:
                # The saved state is corrupt, because the process was killed while writing it. The
                # search starts again from the first trial.
                super().__init__(self._oracle(), **location, overwrite=True)

    def search(self) -> None:
        """Runs all trials.

        KerasTuner's own loop is not used, because it would treat every error as a failed trial.

        Raises:
          InputError: Training cannot start (for example, because there are no examples), or every
            trial failed.
        """
        if is_chief(self._strategy):
            print(flush=True)  # ends the line on which the runner has printed the step's name
        self.save()
        trial = self.oracle.create_trial(self.tuner_id)
        while trial.status == TrialStatus.RUNNING:
            score = self._run_trial(trial)
            self.oracle.update_trial(trial.trial_id, {MONITOR: score})
            trial.status = TrialStatus.COMPLETED
            self.on_trial_end(trial)
            trial = self.oracle.create_trial(self.tuner_id)
        remove_folder(self.project_dir)
        (best,) = self.oracle.get_best_trials(1)
        if best.score == FAILED_SCORE:
            raise InputError(
                f"tuner.search: every trial failed, the first one because {best.message}"
            )

    def search_space_summary(self, extended: bool = False) -> None:
        """Keeps TFX from printing the search space, which is already in the config."""

    def results_summary(self, num_trials: int = 10) -> None:
        """Keeps TFX from printing the results, because each trial has already printed its own."""

    def _oracle(self) -> keras_tuner.Oracle:
        tuner = self._settings.tuner
        oracle = _ORACLES[tuner.algorithm](
            objective=keras_tuner.Objective(MONITOR, "max"),
            max_trials=tuner.trials,
            hyperparameters=hyperparameters(tuner.search),
            # The seed is increased by 1, because KerasTuner would replace a seed of 0 with a random
            # seed.
            seed=self._settings.trainer.training.seed + 1,
        )
        oracle.verbose = 0
        return oracle

    def _run_trial(self, trial: Trial) -> float:
        """Runs a trial, prints its result, and returns the mean IoU on `val` or `FAILED_SCORE`."""
        values = trial.hyperparameters.values
        count = self._settings.tuner.trials
        texts = "   ".join(hyperparameter_texts(values))
        self._print(f"  trial {int(trial.trial_id) + 1}/{count}   {texts}   ")
        start = time.monotonic()
        folder = os.path.join(self.project_dir, f"training-{trial.trial_id}")
        keras.utils.clear_session()  # frees the memory of the previous trial's network
        try:
            training = Training(
                override(self._settings.trainer, values),
                self._strategy,
                self._fn_args.train_files,
                self._fn_args.eval_files,
                folder=folder,
                log_dir=folder,
                base_model=self._base_model,
                shown=False,
            )
            scores = training.run()
            score = scores[MONITOR]
            outcome = f"val mean IoU {score:.3f}   {time.monotonic() - start:.0f} s"
            if has_collapsed(scores):
                outcome += "   predicts one class only"
        except FailedTrainingError as error:
            trial.message, score, outcome = str(error), FAILED_SCORE, f"failed: {error}"
        self._print(f"{outcome}\n")
        remove_folder(folder)
        return score

    def _print(self, text: str) -> None:
        if is_chief(self._strategy):
            print(text, end="", flush=True)
