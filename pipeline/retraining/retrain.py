"""`unetfx retrain`: one scheduled turn."""

import datetime
import socket
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from components.evaluator.metric_names import MEAN_IOU
from data.errors import UnetfxError
from pipeline.config.config import Config
from pipeline.config.loading import load_config
from pipeline.execution.console import library_noise_to, print_failure
from pipeline.execution.local_run import Ended, run_locked
from pipeline.execution.lock import LockedError, only_one
from pipeline.exit_codes import BAD_INPUT, DONE, FAILED
from pipeline.retraining.changes import News, Turn, as_it_was_read, find_news, remember
from pipeline.retraining.notification import Notice, Outcome, tell

_IN_WORDS: Mapping[str, str] = {
    "pushed": "pushed",
    "not_blessed": "not blessed",
    "does_not_serve": "does not serve",
    "failed": "failed",
    "bad_input": "bad data or config",
    "nothing_new": "nothing new",
}
_FINGERPRINT = "input_fingerprint"  # as TFX's ExampleGens call it
_MOST_NAMED = 3  # reasons, in one line


def retrain(config_file: Path) -> int:
    """Runs the pipeline if there is something new, tells of it, and removes what is not needed.

    Args:
      config_file: The config file.

    Returns:
      The exit code: 0 done, nothing new, or another process is at work; 1 an unexpected failure; 3
      not blessed, by the gate or by ServingCheck.

    Raises:
      InputError: The data or the config are wrong. Others have been told.
    """
    config = load_config(config_file)
    config.retrain.notify.address()  # a mistake there is found before the long part
    try:
        with only_one(config.home, "unetfx retrain") as died:
            if died:
                print(
                    f"{config.name}: the last one died at its work: {died}. This turn takes over."
                )
            return _Turn(config, config_file).run()
    except LockedError as error:
        print(f"{config.name}: this turn is left out. {error}")
        return DONE


class _Result(NamedTuple):
    """What came of a turn."""

    outcome: Outcome
    code: int
    reasons: Sequence[str] = ()
    ended: Ended | None = None


class _Turn:
    """A turn, for who holds the lock."""

    def __init__(self, config: Config, config_file: Path) -> None:
        self._config = config
        self._file = config_file
        self._log = config.home / "logs" / "retrain.txt"
        self._began = _now()
        self._news: Sequence[str] = ()

    def run(self) -> int:
        try:
            result = self._run()
        except UnetfxError as error:
            self._tell(_Result("bad_input", BAD_INPUT, str(error).splitlines()))
            raise
        self._tell(result)
        return result.code

    def _run(self) -> _Result:
        with library_noise_to(self._log):
            news = find_news(self._config)
        if not news.words and news.last:
            _say_nothing_new(self._config, news, news.last)
            if news.state != news.last.state:  # files were touched, or can be told by their times
                remember(self._config, news.last.model_copy(update={"state": news.state}))
            return _Result("nothing_new", DONE)
        self._news = news.words
        print(f"{self._config.name}: new: {', '.join(news.words)}.", flush=True)
        ended = run_locked(self._config, self._file)
        if ended.failure is not None:
            return _Result("failed", FAILED, [ended.failure])
        result = _judge(ended)
        self._conclude(news, result)
        return result

    def _conclude(self, news: News, result: _Result) -> None:
        run = result.ended.run if result.ended else None
        if run is None:
            return
        read = run.artifacts["Examples"].custom_properties[_FINGERPRINT].string_value
        state = as_it_was_read(self._config, news.state, read)
        reasons = list(result.reasons)
        remember(
            self._config, Turn(state=state, run=run.id, outcome=result.outcome, reasons=reasons)
        )
        self._clean()

    def _clean(self) -> None:
        with library_noise_to(self._log):
            from pipeline.retraining.cleaning import clean

            try:
                cleaned = clean(self._config)
            except Exception as error:  # the turn is over, and its verdict stands
                traceback.print_exc()
                problems = [f"old runs' artifacts were not removed: {error}; see {self._log}"]
            else:
                problems = list(cleaned.problems)
                if cleaned.removed:
                    print(f"Removed   {cleaned}")
        for problem in problems:
            print_failure(f"warning: {problem}")

    def _tell(self, result: _Result) -> None:
        notify = self._config.retrain.notify
        if result.outcome == "nothing_new" and not notify.nothing_new:
            return
        for problem in tell(self._notice(result), notify):
            print_failure(f"warning: {problem}")

    def _notice(self, result: _Result) -> Notice:
        from_run = result.ended and result.ended.run
        report = result.ended and result.ended.report
        pushed = from_run and result.outcome == "pushed"
        notice = Notice(
            text="",
            pipeline=self._config.name,
            outcome=result.outcome,
            reasons=list(result.reasons),
            news=list(self._news),
            run=from_run.id if from_run else None,
            metrics=from_run.metrics if from_run else {},
            report=_page(report) if report else None,
            version=from_run.pushed_folder if from_run and pushed else None,
            host=socket.gethostname(),
            began=self._began,
            ended=_now(),
        )
        return notice.model_copy(update={"text": _in_words(notice)})


def _judge(ended: Ended) -> _Result:
    run, report = ended.run, ended.report
    if run is None or report is None:
        return _Result("nothing_new", ended.code)
    if ended.code == DONE:
        again = {"Trainer", "Pusher"} <= run.cached
        return _Result("nothing_new" if again else "pushed", ended.code, ended=ended)
    from pipeline.reports.publishing import read_published

    metrics = read_published(report)
    reasons = [*metrics.reasons, *metrics.serving.reasons] if metrics else []
    outcome: Outcome = "does_not_serve" if run.blessed else "not_blessed"
    return _Result(outcome, ended.code, reasons, ended)


def _say_nothing_new(config: Config, news: News, last: Turn) -> None:
    state = news.state
    span = f", the newest span is {state.span}" if state.span else ""
    verdict = _IN_WORDS[last.outcome] if last.outcome != "nothing_new" else "as an earlier one"
    if last.reasons:
        verdict += f": {'; '.join(last.reasons[:_MOST_NAMED])}"
    print(
        f"{config.name}: nothing new since run {last.run} ({verdict}). {state.pairs} pairs{span}."
    )


def _in_words(notice: Notice) -> str:
    """The whole notice in a line."""
    words = [f"{notice.pipeline}: {_IN_WORDS[notice.outcome]}"]
    if notice.version:
        words[0] += f" version {Path(notice.version).name}"
    iou = notice.metrics.get(MEAN_IOU)
    if iou is not None:
        words.append(f"mean IoU {iou:.3f}")
    words += notice.reasons[:_MOST_NAMED]
    if notice.news:
        words.append(f"new: {', '.join(notice.news)}")
    return "; ".join(words)


def _page(report: Path) -> str:
    from components.report.page import PAGE_FILE

    return str(report / PAGE_FILE)


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat(" ", "seconds")
