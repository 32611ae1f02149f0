"""The gate's rules in words."""


def metric_text(metric: str) -> str:
    """Returns a metric's name for people: `lake: boundary IoU`, `mean IoU`."""
    kind, _, name = metric.partition("/")
    words = kind.replace("_", " ").replace("iou", "IoU")
    return f"{name}: {words}" if name else words
