"""The part of a config file that says when and how Airflow runs the pipeline."""

import datetime
import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from data.config import Positive, Strict

_PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
_CRON = re.compile(r"[\w*/,#?-]+( +[\w*/,#?-]+){4}")


class AirflowConfig(Strict):
    """When and how Airflow runs the pipeline. One run at a time, and none for missed times.

    Attributes:
      schedule: When a run begins: a cron expression of five fields, `30 2 * * *`, or `@hourly`,
        `@daily`, `@weekly`, `@monthly`, `@quarterly` or `@yearly`, in Airflow's default time zone.
        Null for runs that a person or another system starts.
      start_date: No scheduled run begins before this day.
      retries: How often a run that failed unexpectedly is tried again. Wrong input is not tried
        again, nor is a model that is not blessed.
      retry_delay_minutes: How long to wait before that, in minutes.
      not_blessed: Whether a run whose model is not blessed, or does not serve, is `failed` in
        Airflow, or its verdict is `skipped` and the run a success.
      on_failure: A program and its arguments, called when a task has failed for good, be it killed
        or never started. It gets one JSON object on its standard input. Null for none.
    """

    schedule: str | None = None
    start_date: datetime.date = datetime.date(2026, 1, 1)
    retries: Annotated[int, Field(ge=0)] = 1
    retry_delay_minutes: Positive = 5.0
    not_blessed: Literal["failed", "skipped"] = "failed"
    on_failure: Annotated[list[str], Field(min_length=1)] | None = None

    @field_validator("schedule")
    @classmethod
    def _is_a_schedule(cls, schedule: str | None) -> str | None:
        # Whether the fields' numbers make sense, Airflow says when the pipeline is created.
        if schedule is None or schedule in _PRESETS or _CRON.fullmatch(schedule):
            return schedule
        raise ValueError(
            "should be five fields as in cron, like '30 2 * * *', or one of "
            f"{', '.join(_PRESETS)}; found {schedule!r}"
        )
