import datetime

import pytest

from tests.pipeline.conftest import GOOD, changed


@pytest.mark.parametrize("schedule", ["30 2 * * *", "0 */6 * * MON-FRI", "@daily", None])
def test_schedules(load, schedule):
    assert load(changed(airflow={"schedule": schedule})).airflow.schedule == schedule


def test_a_start_date_is_a_date(load, problems):
    text = GOOD + "airflow: {start_date: %s}"
    assert load(text % "2026-02-03").airflow.start_date == datetime.date(2026, 2, 3)
    (line,) = problems(text % "soon")
    assert line.startswith("airflow.start_date: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (changed(airflow__schedule="nightly"), ["airflow.schedule: ", "cron", "'nightly'"]),
        (changed(airflow__schedule="30 2 * *"), ["airflow.schedule: ", "five fields"]),
        (changed(airflow__retries=-1), ["airflow.retries: ", "greater than or equal to 0", "-1"]),
    ],
)
def test_impossible_values_are_one_line(problems, text, words):
    (line,) = problems(text)
    assert line.startswith(words[0])
    assert all(word in line for word in words), line
