"""`unetfx retrain`: runs the pipeline if the data, the config or the code have changed."""

import datetime
import socket
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from components.evaluator.gate_text import measured_text
from components.metric_names import MEAN_IOU
from data.errors import UnetfxError
from data.files.paths import join
from data.printable import printable
from pipeline.config.config import Config
from pipeline.config.loading import load_config
from pipeline.execution.console import library_noise_to, print_failure
from pipeline.execution.local_run import RunResult, run_locked
from pipeline.execution.lock import LockedError, only_one
from pipeline.exit_codes import BAD_INPUT, DONE, FAILED
from pipeline.retraining.changes import (
    Changes,
    PastRetraining,
    find_changes,
    save_retraining,
    state_of_run,
)
from pipeline.retraining.notification import Notice, Outcome, send_notice

_OUTCOME_TEXTS: Mapping[str, str] = {
    "pushed": "pushed",
    "not_blessed": "not blessed",
    "does_not_serve": "cannot be served",
    "failed": "failed",
    "bad_input": "bad data or config",
    "nothing_new": "nothing new",
}
_FINGERPRINT = "input_fingerprint"  # TFX's name for the property with the data fingerprint
_MOST_REASONS = 3  # maximum number of reasons in a one-line summary


def retrain(config_file: Path) -> int:
    """Runs the pipeline if the data, the config, the schema or the code have changed.

    After a run has finished, old artifacts are removed. The recipients in `retrain.notify` are
    notified of the outcome.

    Args:
      config_file: Path of the config file.

    Returns:
      The exit code: 0 if the model was pushed, if nothing has changed, or if another process is
      running the pipeline; 1 for an unexpected failure; 3 if the gate or ServingCheck refused the
      model.

    Raises:
      UnetfxError: The data or the config are invalid, or the Beam runner cannot be reached. The
        recipients in `retrain.notify` are notified before the error is raised, unless the config
        file or the webhook's URL is invalid, or the pipeline's folder cannot be locked.
    """
    config = load_config(config_file)
    config.retrain.notify.address()  # an invalid URL should stop the command before training
    try:
        with only_one(config.home, "unetfx retrain") as dead_holder:
            if dead_holder:
                print(
                    f"{config.name}: the previous process died before it had finished: "
                    f"{printable(dead_holder)}. This one takes over."
                )
            return _Retraining(config, config_file).run()
    except LockedError as error:
        print(f"{config.name}: skipped. {error}")
        return DONE


class _Result(NamedTuple):
    """The outcome of a retraining, with the exit code, the reasons and the pipeline run."""

    outcome: Outcome
    code: int
    reasons: Sequence[str] = ()
    run_result: RunResult | None = None


class _Retraining:
    """One retraining; the caller must hold the lock on the pipeline's folder."""

    def __init__(self, config: Config, config_file: Path) -> None:
        self._config = config
        self._file = config_file
        self._log = config.home / "logs" / "retrain.txt"
        self._start = _now()
        self._changes: Sequence[str] = ()
        self._drift: Sequence[str] = ()

    def run(self) -> int:
        try:
            result = self._run()
        except UnetfxError as error:
            self._notify(_Result("bad_input", BAD_INPUT, str(error).splitlines()))
            raise
        self._drift = self._find_drift()
        self._notify(result)
        return result.code

    def _run(self) -> _Result:
        with library_noise_to(self._log):
            if self._config.beam.profile != "local":
                # The search is a Beam job, and Beam would wait for minutes for a missing runner.
                from pipeline.execution.beam_engine import refuse_unreachable

                refuse_unreachable(self._config.beam)
            changes = find_changes(self._config)
        if not changes.names and changes.last:
            _print_nothing_new(self._config, changes, changes.last)
            return _Result("nothing_new", DONE)
        self._changes = changes.names
        print(f"{self._config.name}: new: {', '.join(changes.names)}.", flush=True)
        run_result = run_locked(self._config, self._file)
        if run_result.failure is not None:
            return _Result("failed", FAILED, [run_result.failure])
        result = _judge(run_result)
        self._save(changes, result)
        return result

    def _save(self, changes: Changes, result: _Result) -> None:
        run = result.run_result.run if result.run_result else None
        if run is None:
            return
        data = run.artifacts["Examples"].custom_properties[_FINGERPRINT].string_value
        past = PastRetraining(
            state=state_of_run(self._config, changes.state, data),
            run=run.id,
            outcome=result.outcome,
            reasons=list(result.reasons),
        )
        save_retraining(self._config, past)
        self._clean()

    def _clean(self) -> None:
        with library_noise_to(self._log):
            from pipeline.retraining.cleaning import clean

            try:
                cleaned = clean(self._config)
            except Exception as error:
                # A failure to remove artifacts must not change the result of the retraining.
                traceback.print_exc()
                problems = [f"artifacts of old runs were not removed: {error}; see {self._log}"]
            else:
                problems = list(cleaned.problems)
                if cleaned.removed:
                    print(f"Removed   {cleaned}")
        for problem in problems:
            print_failure(f"warning: {problem}")

    def _find_drift(self) -> Sequence[str]:
        if self._config.retrain.request_log is None:
            return ()
        with library_noise_to(self._log):
            from pipeline.retraining.drift import find_drift

            try:
                _, found = find_drift(self._config, [self._config.retrain.request_log])
            except Exception as error:
                # A log that cannot be compared must not change the result of the retraining.
                traceback.print_exc()
                problem = f"the logged requests were not compared: {error}"
            else:
                for sentence in found.sentences:
                    print(f"Drift     {printable(sentence)}")
                return found.sentences
        print_failure(f"warning: {problem}")
        return ()

    def _notify(self, result: _Result) -> None:
        notify = self._config.retrain.notify
        is_news = result.outcome != "nothing_new" or self._drift
        if not is_news and not notify.nothing_new:
            return
        for problem in send_notice(self._notice(result), notify):
            print_failure(f"warning: {problem}")

    def _notice(self, result: _Result) -> Notice:
        run = result.run_result and result.run_result.run
        report = result.run_result and result.run_result.report
        pushed = run and result.outcome == "pushed"
        notice = Notice(
            text="",
            pipeline=self._config.name,
            outcome=result.outcome,
            reasons=list(result.reasons),
            doubts=run.results.get("doubts", []) if run else [],
            drift=list(self._drift),
            news=list(self._changes),
            run=run.id if run else None,
            metrics=run.metrics if run else {},
            intervals=run.intervals if run else {},
            report=_page(report) if report else None,
            version=run.pushed_folder if run and pushed else None,
            host=socket.gethostname(),
            began=self._start,
            ended=_now(),
        )
        return notice.model_copy(update={"text": _summary(notice)})


def _judge(run_result: RunResult) -> _Result:
    run, report = run_result.run, run_result.report
    if run is None or report is None:
        return _Result("nothing_new", run_result.code)
    if run_result.code == DONE:
        unchanged = {"Trainer", "Pusher"} <= run.cached
        outcome: Outcome = "nothing_new" if unchanged else "pushed"
        return _Result(outcome, run_result.code, run_result=run_result)
    from pipeline.reports.publishing import read_published

    metrics = read_published(report)
    reasons = [*metrics.reasons, *metrics.serving.reasons] if metrics else []
    outcome = "does_not_serve" if run.blessed else "not_blessed"
    return _Result(outcome, run_result.code, reasons, run_result)


def _print_nothing_new(config: Config, changes: Changes, last: PastRetraining) -> None:
    state = changes.state
    span = f", the newest span is {state.spans[-1]}" if any(state.spans) else ""
    verdict = _OUTCOME_TEXTS[last.outcome] if last.outcome != "nothing_new" else "no new model"
    if last.reasons:
        verdict += f": {'; '.join(last.reasons[:_MOST_REASONS])}"
    print(
        f"{config.name}: nothing new since run {last.run} ({verdict}). {state.pairs} pairs{span}."
    )


def _summary(notice: Notice) -> str:
    """Summarises a notice in one line."""
    parts = [f"{notice.pipeline}: {_OUTCOME_TEXTS[notice.outcome]}"]
    if notice.version:
        parts[0] += f" version {Path(notice.version).name}"
    iou = notice.metrics.get(MEAN_IOU)
    if iou is not None:
        parts.append(f"mean IoU {measured_text(iou, notice.intervals.get(MEAN_IOU))}")
    parts += [*notice.reasons, *notice.doubts][:_MOST_REASONS]
    parts += [f"drift: {sentence}" for sentence in notice.drift[:_MOST_REASONS]]
    if notice.news:
        parts.append(f"new: {', '.join(notice.news)}")
    return "; ".join(parts)


def _page(report: str) -> str:
    from components.report.page import PAGE_FILE

    return join(report, PAGE_FILE)


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat(" ", "seconds")
