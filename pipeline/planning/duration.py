"""Estimates how long training takes on this machine, with a batch that fits into its memory."""

import math
from typing import Any

from pipeline.config.config import Config
from pipeline.planning.decision import Decision
from pipeline.planning.plan import Plan
from pipeline.planning.step_time import TooLargeError, seconds_per_step

_FEWEST_STEPS = 50  # training steps per epoch with `training.epochs: auto`
_MINUTE = 60


def with_duration(plan: Plan) -> Plan:
    """Adds the estimated duration of training to a plan, and a smaller batch if memory is short.

    Args:
      plan: The plan, whose batch may be too large for this machine.

    Returns:
      The plan with one decision more. If the time cannot be measured, the decision says so.
    """
    config = Config.model_validate(plan.config)
    batch = config.training.batch_size
    while True:
        content = _with_batch(plan.config, batch)
        try:
            seconds = seconds_per_step(Config.model_validate(content))
        except TooLargeError:
            if batch == 1:
                seen, decided = "not even one image fits into memory", "use a smaller view"
                break
            batch //= 2
            continue
        seen, decided = _estimate(plan, config, batch, seconds)
        break
    changed = batch != config.training.batch_size
    decided += f"; batches of {batch}, which fit into memory" if changed else ""
    *before, gate = plan.decisions
    decisions = [*before, Decision("epochs", seen, decided), gate]
    return plan._replace(config=content, decisions=decisions)


def _with_batch(config: dict[str, Any], batch: int) -> dict[str, Any]:
    training = config.get("training", {}) | {"batch_size": batch, "epochs": "auto"}
    before = {key: value for key, value in config.items() if key != "gate"}
    return {**before, "training": training, "gate": config["gate"]}


def _estimate(plan: Plan, config: Config, batch: int, seconds: float | None) -> tuple[str, str]:
    if seconds is None:
        return "a training step could not be timed", "auto: training ends when val has settled"
    batches = math.ceil(plan.views / batch)
    steps = batches * math.ceil(_FEWEST_STEPS / batches)
    minutes = steps * seconds / _MINUTE
    fewest = config.training.patience + 1
    return (
        f"a step of {batch} images takes {seconds:.2g} s here",
        f"auto: about {minutes:.2g} min an epoch, and at least {fewest} epochs, so "
        f"{fewest * minutes:.2g} min or more",
    )
