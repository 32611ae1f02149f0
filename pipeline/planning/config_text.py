"""Writes a planned config as YAML text, with the reasons as comments."""

from typing import Any

import yaml

from data.printable import printable
from pipeline.planning.plan import Plan

_SUBJECTS = {
    "take_val_from_train": "splits",
    "take_test_from_train": "splits",
    "intensity_range": "intensity",
}


def config_text(plan: Plan) -> str:
    """Returns the YAML text of a plan, in which a comment gives the reason for each key."""
    reasons = {
        decision.subject: printable(f"{decision.seen}: {decision.decided}")
        for decision in plan.decisions
    }
    lines = ["# Written by unetfx init. docs/config.md explains all keys."]
    for key, value in plan.config.items():
        if key == "data":
            lines.append("data:")
            for name, inner in value.items():
                lines += _entry(name, inner, reasons.pop(_SUBJECTS.get(name, name), None), "  ")
        else:
            if key == "training" and "epochs" in reasons:
                lines.append(f"# {reasons['epochs']}")
            lines += _entry(key, value, reasons.get(key), "")
    return "\n".join(lines) + "\n"


def _entry(key: str, value: Any, reason: str | None, indent: str) -> list[str]:
    text = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True
    )
    content = text.removesuffix("\n").removesuffix("\n...")
    lines = [f"# {reason}"] if reason else []
    return [indent + line for line in (*lines, f"{key}: {content}")]
