"""Plans a config for a folder of data, with the reason for each decision."""

import re
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from data.config import IGNORE, OTHER, SPLITS, DataConfig
from data.errors import InputError
from pipeline.planning.class_names import NamedClasses, find_class_names
from pipeline.planning.groups import Grouping, find_groups
from pipeline.planning.layout import Layout, find_layout
from pipeline.planning.survey import Survey, survey

_LARGE = 384  # images with a longer short side are read in crops
_CROP = 256
_STEP = 32  # sizes of views are multiples of this number of pixels
_FEW_PAIRS = 40
_FLOOR = 0.5  # floor of the gate, to be raised after the first run
_MANY_VALUES = 30  # with more values, masks hold ids of objects, or are damaged


class Decision(NamedTuple):
    """A part of the plan.

    Attributes:
      subject: Part of the config, such as `classes`.
      seen: Observation in the data that is the reason for the decision.
      decided: Value in the config, in words.
    """

    subject: str
    seen: str
    decided: str


class Plan(NamedTuple):
    """A config, with the reasons for its values.

    Attributes:
      config: The content of the config file.
      decisions: The decisions, in the order of the config.
      problems: Files that cannot be used, as text for messages.
    """

    config: dict[str, Any]
    decisions: list[Decision]
    problems: list[str]


def plan_config(folder: Path) -> Plan:
    """Looks at a folder of images and masks, and plans a config.

    Args:
      folder: Folder with the data.

    Returns:
      The plan. The config is valid for `pipeline.config.config.Config`.

    Raises:
      InputError: The arrangement of the files is not known, no mask can be read, or the masks do
        not hold classes.
    """
    with tempfile.TemporaryDirectory() as scratch:
        layout = find_layout(folder, scratch)
        content = {"source": layout.source, "classes": layout.classes or ["a", "b"]}
        seen = survey(layout.found.pairs, DataConfig.model_validate(content))
    if not seen.pairs:
        raise InputError(*seen.problems[:5])
    decisions = [_source(layout)]
    data: dict[str, Any] = {"source": layout.source}
    if layout.classes:
        classes, of_classes = _classes_of_source(seen, layout)
    else:
        classes, of_classes = _classes(seen, find_class_names(folder))
    data |= classes
    decisions.append(of_classes)
    for part, of_part in (_group(layout), _splits(layout), _view(seen), _intensity(seen)):
        data |= part
        decisions += [of_part] if of_part else []
    config = {"name": name_of(folder), "workspace": "runs", "data": data}
    count = len(layout.found.pairs)
    if count < _FEW_PAIRS:
        config["training"] = {"batch_size": 2}
        decisions.append(Decision("training", f"only {count} pairs", "batches of 2"))
    config["gate"] = {"mean_iou": _FLOOR}
    decisions.append(
        Decision("gate", "no model yet", f"mean_iou {_FLOOR}: raise it after the first run")
    )
    problems = [str(problem) for problem in layout.found.problems] + seen.problems
    return Plan(config, decisions, problems)


def name_of(folder: Path) -> str:
    """Returns a name for the pipeline, made from the name of the folder with the data."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", folder.resolve().name).strip("_") or "data"


def _source(layout: Layout) -> Decision:
    count = len(layout.found.pairs)
    left = len(layout.found.problems)
    more = f"; {left} files or entries without a pair" if left else ""
    return Decision("source", f"{layout.description}{more}", f"{count} pairs")


def _classes_of_source(seen: Survey, layout: Layout) -> tuple[dict[str, Any], Decision]:
    """Decides on the classes of a source that makes the masks, and knows their names."""
    total = seen.values.total()
    shares = {name: seen.values[class_id] / total for class_id, name in enumerate(layout.classes)}
    shown = ", ".join(f"{name} ({share:.1%})" for name, share in list(shares.items())[:6])
    shown += f" and {len(shares) - 6} more" if len(shares) > 6 else ""
    decided = "rename them" if layout.classes[1:] == ["object"] else "named by the source"
    decided = f"{len(layout.classes)} classes: {decided}"
    return {"classes": layout.classes}, Decision("classes", shown, decided)


def _classes(seen: Survey, named: NamedClasses | None) -> tuple[dict[str, Any], Decision]:
    total = seen.values.total()
    values = sorted(seen.values, key=lambda value: (isinstance(value, str), value))
    shares = {value: seen.values[value] / total for value in values}
    shown = ", ".join(f"{value} ({share:.1%})" for value, share in list(shares.items())[:6])
    shown += f" and {len(values) - 6} more" if len(values) > 6 else ""
    ignored = values[-1] == IGNORE and values != [0, IGNORE] and len(values) > 2
    labels = values[:-1] if ignored else values
    if len(labels) < 2:
        raise InputError(
            f"the masks hold a single value, {labels[0]}, so there is nothing to learn. Are these "
            "the masks?"
        )
    if named is not None and set(labels) <= set(named.names) | named.ignored:
        return _named_classes([each for each in labels if each in named.names], named, shown)
    if len(labels) > _MANY_VALUES:
        return _objects(labels, shown)
    names = ["background", "object"] if len(labels) == 2 else []
    names = names or [f"class_{number}" for number in range(len(labels))]
    part: dict[str, Any] = {"classes": names}
    if labels != list(range(len(labels))):
        part["mask_values"] = dict(zip(labels, names, strict=True))
    decided = f"{', '.join(names[:4])}{', …' if len(names) > 4 else ''}: rename them"
    if ignored:
        decided += f"; {IGNORE} is ignored"
    return part, Decision("classes", f"values {shown}", decided)


def _named_classes(
    labels: Sequence[int | str], named: NamedClasses, shown: str
) -> tuple[dict[str, Any], Decision]:
    by_colour = isinstance(labels[0], str)
    names = {
        value: name for value, name in named.names.items() if isinstance(value, str) == by_colour
    }
    part: dict[str, Any] = {"classes": list(dict.fromkeys(names.values()))}
    if [*names] != [*range(len(part["classes"]))]:
        part["mask_values"] = f"from {named.table}"
    unused = len(names) - len(labels)
    more = f"; {unused} of them do not occur in the masks that were read" if unused else ""
    decided = f"{len(part['classes'])} classes, named by {named.table}{more}"
    return part, Decision("classes", f"values {shown}", decided)


def _objects(labels: Sequence[int | str], shown: str) -> tuple[dict[str, Any], Decision]:
    if not all(isinstance(value, int) for value in labels) or labels[0] != 0:
        raise InputError(
            f"the masks hold {len(labels)} values ({shown}), which look like a photograph or a "
            "smoothed mask, not like classes. Export the masks again without anti-aliasing."
        )
    part = {
        "classes": ["background", "object"],
        "mask_values": {0: "background", OTHER: "object"},
    }
    seen = f"values {shown}: ids of objects (instance masks)"
    return part, Decision("classes", seen, "every value but 0 is object: rename it")


def _group(layout: Layout) -> tuple[dict[str, Any], Decision | None]:
    if layout.source["kind"] == "manifest":
        return {}, None  # a column `group` is used without being named
    keys = [pair.key for pair in layout.found.pairs]
    if _has_splits(layout):
        return {}, None
    grouping: Grouping | None = find_groups(keys)
    if grouping is None:
        return {}, None
    seen = f"{grouping.groups} names such as {grouping.example} ({grouping.largest} pairs)"
    decided = f"{grouping.expression}: alike images stay in one split"
    return {"group": grouping.expression}, Decision("group", seen, decided)


def _has_splits(layout: Layout) -> bool:
    source = layout.source
    return bool(source.get("split_folders")) or isinstance(source.get("annotations"), dict)


def _splits(layout: Layout) -> tuple[dict[str, Any], Decision | None]:
    if not _has_splits(layout):
        return {}, None
    present = {pair.split for pair in layout.found.pairs}
    missing = [split for split in SPLITS[1:] if split not in present]
    part = {f"take_{split}_from_train": 0.1 for split in missing}
    if not missing:
        return {}, None
    decided = f"a tenth of train becomes {' and a tenth '.join(missing)}"
    return part, Decision("splits", f"nothing for {' or '.join(missing)}", decided)


def _view(seen: Survey) -> tuple[dict[str, Any], Decision]:
    height, width = (round(statistics.median(sides)) for sides in zip(*seen.sizes, strict=True))
    distinct = len(set(seen.sizes))
    text = f"{width}×{height} pixels" + (f" (median of {distinct} sizes)" if distinct > 1 else "")
    if min(height, width) > _LARGE:
        part = {"view": {"kind": "crop", "height": _CROP, "width": _CROP}}
        return part, Decision("view", text, f"crops of {_CROP}×{_CROP}, to keep small objects")
    sides = [max(_STEP, _STEP * round(side / _STEP)) for side in (height, width)]
    part = {"view": {"kind": "resize", "height": sides[0], "width": sides[1]}}
    return part, Decision("view", text, f"whole images, resized to {sides[1]}×{sides[0]}")


def _intensity(seen: Survey) -> tuple[dict[str, Any], Decision | None]:
    if not seen.max_sample:
        return {}, None
    bits = max(8, seen.max_sample.bit_length())
    part = {"intensity_range": [0, 2**bits - 1]} if bits < 16 else {}
    decided = f"0..{2**bits - 1} becomes 0..255"
    return part, Decision("intensity", f"16-bit images up to {seen.max_sample}", decided)
