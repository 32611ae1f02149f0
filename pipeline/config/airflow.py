"""The `airflow:` section of a config file."""

import datetime
import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from data.config import Positive, Strict

_PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
_CRON = re.compile(r"[\w*/,#?-]+( +[\w*/,#?-]+){4}")


class AirflowConfig(Strict):
    """When and how Airflow runs the pipeline.

    Airflow runs one pipeline at a time and does not catch up on missed runs.

    Attributes:
      schedule: Start times: a cron expression of five fields, such as `30 2 * * *`, or `@hourly`,
        `@daily`, `@weekly`, `@monthly`, `@quarterly` or `@yearly`, in Airflow's default time zone.
        Null: runs start only by hand or by another system.
      start_date: First day of scheduled runs.
      retries: Number of retries after an unexpected failure. A run with wrong input or with a model
        that was not blessed is not retried.
      retry_delay_minutes: Minutes between a failure and the retry.
      not_blessed: State in Airflow when a model is not blessed or fails ServingCheck: `failed`
        fails the run; `skipped` skips the task of the verdict, and the run succeeds.
      on_failure: A program and its arguments, started when a task has failed after all retries,
        also if it was killed or could not start. It gets a JSON object on its standard input. Null
        for none.
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
        # Only the form is checked here: Airflow checks the numbers when the pipeline is created.
        if schedule is None or schedule in _PRESETS or _CRON.fullmatch(schedule):
            return schedule
        raise ValueError(
            "should be a cron expression of five fields, such as '30 2 * * *', or one of "
            f"{', '.join(_PRESETS)}; found {schedule!r}"
        )
