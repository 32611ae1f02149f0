"""The `airflow:` section of a config file."""

import datetime
import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from data.config import Positive, Strict

_PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
_CRON = re.compile(r"[\w*/,#?-]+( +[\w*/,#?-]+){4}")


class AirflowConfig(Strict):
    """Schedule and retries for the pipeline on Airflow.

    Airflow starts at most one run of the pipeline at a time and does not catch up on missed runs.

    Attributes:
      schedule: Start times of the runs, in Airflow's default time zone: a cron expression with five
        fields, such as `30 2 * * *`, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@quarterly` or
        `@yearly`. Null for no schedule; runs are then started manually or by another system.
      start_date: Date before which no scheduled run starts.
      retries: Number of retries after an unexpected failure. Airflow does not retry a run whose
        input was invalid or whose model was not blessed.
      retry_delay_minutes: Time between a failure and the retry, in minutes.
      not_blessed: State of the `verdict` task in Airflow if the model is not blessed or fails
        ServingCheck. With `failed`, the Airflow run fails; with `skipped`, it succeeds.
      on_failure: A program and its arguments. Airflow runs the program when a task has failed and
        will not be retried, even if the task was killed or could not start. On its standard
        input, the program receives a JSON object that describes the failure. Null for no program.
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
        # Only the format is checked here. Airflow checks the values in a cron expression when the
        # pipeline is created.
        if schedule is None or schedule in _PRESETS or _CRON.fullmatch(schedule):
            return schedule
        raise ValueError(
            "should be a cron expression of five fields, such as '30 2 * * *', or one of "
            f"{', '.join(_PRESETS)}; found {schedule!r}"
        )
