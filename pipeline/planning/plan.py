"""Plans a config for a folder of data, with the reason for each decision."""

import math
import re
import statistics
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from data.config import OTHER, SPLITS, DataConfig, Splits
from data.errors import InputError
from data.listing.pair import group_of
from pipeline.config.loading import config_of
from pipeline.planning.class_names import find_class_names
from pipeline.planning.classes import plan_classes
from pipeline.planning.decision import Decision
from pipeline.planning.groups import Grouping, find_groups
from pipeline.planning.layout import Layout, find_layout, in_lines
from pipeline.planning.splits import shares_for, shares_from_train
from pipeline.planning.survey import Survey, survey

WORKSPACE = "runs"
"""The workspace in the config, relative to the current folder."""

_LARGE = 384  # images with a longer short side are read in crops
_CROP = 256
_STEP = 32  # sizes of views are multiples of this number of pixels
_FEW_PAIRS = 40
_FLOOR = 0.5  # floor of the gate, to be raised after the first run
_RARE = 0.01  # share of the pixels below which a class has a greater weight in the loss


class Plan(NamedTuple):
    """A config, with the reasons for its values.

    Attributes:
      config: The content of the config file.
      decisions: The decisions, in the order of the config.
      problems: Files that cannot be used, as text for messages.
      views: Number of views of the training images in an epoch: images, or crops that cover them.
    """

    config: dict[str, Any]
    decisions: list[Decision]
    problems: list[str]
    views: int


def plan_config(folder: Path) -> Plan:
    """Looks at a folder of images and masks, and plans a config.

    Args:
      folder: Folder with the data.

    Returns:
      The plan. The config is valid for `pipeline.config.config.Config`.

    Raises:
      InputError: The arrangement of the files is not known, no mask can be read, the masks do not
        hold classes, or a name cannot be in a config.
    """
    with tempfile.TemporaryDirectory() as scratch:
        layout = find_layout(folder, scratch)
        content = {"source": layout.source, "classes": layout.classes or ["a", "b"]}
        seen = survey(layout.found.pairs, DataConfig.model_validate(content))
    if not seen.pairs:
        raise InputError(*in_lines(seen.problems)[:5])
    decisions = [_source(layout)]
    data: dict[str, Any] = {"source": layout.source}
    if layout.classes:
        classes, of_classes = _classes_of_source(seen, layout)
    else:
        classes, of_classes = plan_classes(seen, find_class_names(folder))
    data |= classes
    decisions.append(of_classes)
    group, of_group = _group(layout)
    splits, of_splits = _splits(layout, group.get("group"))
    for part, of_part in (
        (group, of_group),
        (splits, of_splits),
        _view(seen),
        _intensity(seen),
    ):
        data |= part
        decisions += [of_part] if of_part else []
    config = {"name": name_of(folder), "workspace": WORKSPACE, "data": data}
    objects = OTHER in data.get("mask_values", {})
    training, of_training = _training(seen, len(layout.found.pairs), objects=objects)
    if training:
        config["training"] = training
        decisions.append(of_training)
    config["gate"] = {"mean_iou": _FLOOR}
    decisions.append(
        Decision("gate", "no model yet", f"mean_iou {_FLOOR}: raise it after the first run")
    )
    problems = in_lines([*layout.found.problems, *seen.problems])
    views = _views(seen, config_of(config, folder).data, layout)
    return Plan(config, decisions, problems, views)


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


def _training(seen: Survey, pairs: int, *, objects: bool) -> tuple[dict[str, Any], Decision]:
    part: dict[str, Any] = {}
    reasons, decided = [], []
    if pairs < _FEW_PAIRS:
        part["batch_size"] = 2
        reasons.append(f"only {pairs} pairs")
        decided.append("batches of 2")
    rarest = min(seen.values.values()) / seen.values.total()
    if rarest < _RARE and not objects:
        part["class_weights"] = "balanced"
        reasons.append(f"a class with {rarest:.1%} of the pixels")
        decided.append("rare classes weigh more")
    return part, Decision("training", ", ".join(reasons), ", ".join(decided))


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
    in_source = source.get("split_folders") or source.get("split_lists")
    return bool(in_source) or isinstance(source.get("annotations"), dict)


def _splits(layout: Layout, group: str | None) -> tuple[dict[str, Any], Decision | None]:
    pairs = layout.found.pairs
    if _has_splits(layout):
        return _missing_splits(layout)
    if layout.source["kind"] == "manifest" and {pair.split for pair in pairs} == {*SPLITS}:
        return {}, None  # the table may have a column with the splits
    groups = [(group and group_of(pair.key, group)) or pair.group for pair in pairs]
    number = len(set(groups))
    noun = "groups" if number < len(pairs) else "pairs"
    shares = shares_for(groups)
    if shares is None:
        return {}, Decision("splits", f"only {number} {noun}", "too few to train: add more")
    if shares == Splits():
        return {}, None
    text = f"train {shares.train} : val {shares.val} : test {shares.test}, so that each has some"
    return {"splits": shares.model_dump()}, Decision("splits", f"only {number} {noun}", text)


def _missing_splits(layout: Layout) -> tuple[dict[str, Any], Decision | None]:
    present = {pair.split for pair in layout.found.pairs}
    missing = [split for split in SPLITS[1:] if split not in present]
    if not missing:
        return {}, None
    groups = [pair.group for pair in layout.found.pairs if pair.split == "train"]
    seen = f"nothing for {' or '.join(missing)}"
    share = shares_from_train(groups, missing)
    if share is None:
        return {}, Decision("splits", seen, "too few pairs to take one from train: add some")
    decided = f"{share:.0%} of train becomes {f' and {share:.0%} '.join(missing)}"
    return {f"take_{split}_from_train": share for split in missing}, Decision(
        "splits", seen, decided
    )


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


def _views(seen: Survey, data: DataConfig, layout: Layout) -> int:
    shares = data.splits
    if _has_splits(layout):
        images = sum(pair.split == "train" for pair in layout.found.pairs)
    else:
        share = shares.train / (shares.train + shares.val + shares.test)
        images = math.ceil(share * len(layout.found.pairs))
    if data.view.kind == "resize":
        return images
    tiles = [
        math.ceil(height / data.view.height) * math.ceil(width / data.view.width)
        for height, width in seen.sizes
    ]
    return math.ceil(images * statistics.mean(tiles))


def _intensity(seen: Survey) -> tuple[dict[str, Any], Decision | None]:
    if not seen.max_sample:
        return {}, None
    bits = max(8, seen.max_sample.bit_length())
    part = {"intensity_range": [0, 2**bits - 1]} if bits < 16 else {}
    decided = f"0..{2**bits - 1} becomes 0..255"
    return part, Decision("intensity", f"16-bit images up to {seen.max_sample}", decided)
