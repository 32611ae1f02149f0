"""What the Tuner component runs: short trainings, each with other hyperparameters."""

import contextlib
import hashlib
import os
import sys
import time

import keras
import keras_tuner
import tensorflow as tf
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus
from tfx import v1 as tfx

from components.trainer.config import SETTINGS, UNFINISHED
from components.trainer.hyperparameters import in_words, override
from components.trainer.training.callbacks import MONITOR, has_collapsed
from components.trainer.training.devices import choose_strategy, is_chief, worker
from components.trainer.training.training import FailedTrainingError, Training
from components.trainer.warm_start import base_model_of
from components.tuner.config import TunerSettings
from components.tuner.search_space import hyperparameters
from data.errors import InputError

FAILED_SCORE = -1.0
"""Score of a trial of which nothing came, less than any mean IoU. TFX leaves trials out that
KerasTuner calls failed, and nobody would see them."""
_ORACLES = {
    "random": keras_tuner.oracles.RandomSearchOracle,
    "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
}


def tuner_fn(fn_args: tfx.components.FnArgs) -> tfx.components.TunerFnResult:
    """Prepares a search. TFX calls it by its import path.

    Args:
      fn_args: Holds the training and validation files, the base model of a warm start, and
        `custom_config`, a dict with:
        - settings: TunerSettings as JSON.
        - unfinished: The folder where searches lie until they are finished.
        - pushed: See `base_model_of`.

    Returns:
      What TFX searches with.
    """
    return tfx.components.TunerFnResult(tuner=Search(fn_args), fit_kwargs={})


class Search(BaseTuner):
    """A search by KerasTuner, each trial of which is a training as the Trainer does it.

    A search that was interrupted goes on with the trial, and in it with the epoch, that it was at.
    """

    def __init__(self, fn_args: tfx.components.FnArgs) -> None:
        """Takes up what an interrupted search has left.

        Args:
          fn_args: As for `tuner_fn`.
        """
        self._fn_args = fn_args
        told = fn_args.custom_config[SETTINGS]
        self._settings = TunerSettings.model_validate_json(told)
        self._strategy = choose_strategy(self._settings.trainer.training.strategy)
        number = worker(self._strategy)
        self._base_model = base_model_of(fn_args, self._settings.trainer)
        everything = repr((told, self._base_model, fn_args.train_files, fn_args.eval_files))
        name = f"{hashlib.sha256(everything.encode()).hexdigest()[:16]}-{number}"
        place = {"directory": fn_args.custom_config[UNFINISHED], "project_name": name}
        with contextlib.redirect_stdout(sys.stderr):  # it says that it takes an old search up
            try:
                super().__init__(self._oracle(), **place)
            except ValueError:  # it was killed while it wrote
                super().__init__(self._oracle(), **place, overwrite=True)

    def search(self) -> None:
        """Runs the trials.

        KerasTuner's own loop would take any error for a trial that failed.

        Raises:
          InputError: A training cannot begin at all, or every trial failed.
        """
        if is_chief(self._strategy):
            print(flush=True)  # ends the line that says that the Tuner runs
        self.save()
        trial = self.oracle.create_trial(self.tuner_id)
        while trial.status == TrialStatus.RUNNING:
            score = self._try(trial)
            self.oracle.update_trial(trial.trial_id, {MONITOR: score})
            trial.status = TrialStatus.COMPLETED
            self.on_trial_end(trial)
            trial = self.oracle.create_trial(self.tuner_id)
        tf.io.gfile.rmtree(self.project_dir)
        (best,) = self.oracle.get_best_trials(1)
        if best.score == FAILED_SCORE:
            raise InputError(f"tuner.search: every trial failed, the first one so: {best.message}")

    def search_space_summary(self, extended: bool = False) -> None:
        """Says nothing: TFX calls it, and the config says the same."""

    def results_summary(self, num_trials: int = 10) -> None:
        """Says nothing: TFX calls it, and each trial had its line."""

    def _oracle(self) -> keras_tuner.Oracle:
        tuner = self._settings.tuner
        oracle = _ORACLES[tuner.algorithm](
            objective=keras_tuner.Objective(MONITOR, "max"),
            max_trials=tuner.trials,
            hyperparameters=hyperparameters(tuner.search),
            seed=self._settings.trainer.training.seed + 1,  # KerasTuner takes 0 for none
        )
        oracle.verbose = 0
        return oracle

    def _try(self, trial: Trial) -> float:
        """Trains, and says in a line what came of it."""
        values = trial.hyperparameters.values
        count = self._settings.tuner.trials
        self._say(f"  trial {int(trial.trial_id) + 1}/{count}   {'   '.join(in_words(values))}   ")
        began = time.monotonic()
        folder = os.path.join(self.project_dir, f"training-{trial.trial_id}")
        keras.utils.clear_session()  # or the networks of all trials stay in memory
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
            outcome = f"val mean IoU {score:.3f}   {time.monotonic() - began:.0f} s"
            if has_collapsed(scores):
                outcome += "   predicts one class only"
        except FailedTrainingError as error:
            trial.message, score, outcome = str(error), FAILED_SCORE, f"failed: {error}"
        self._say(f"{outcome}\n")
        if tf.io.gfile.exists(folder):
            tf.io.gfile.rmtree(folder)
        return score

    def _say(self, text: str) -> None:
        if is_chief(self._strategy):
            print(text, end="", flush=True)
