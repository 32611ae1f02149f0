"""Names of the features in the tf.Example of a pair."""

from data.class_names import class_key

IMAGE = "image/encoded"
KEY = "image/key"
SOURCE = "image/source"
GROUP = "image/group"
SPAN = "image/span"
SHA256 = "image/sha256"
HEIGHT = "image/height"
WIDTH = "image/width"
MEANS = ("image/mean_red", "image/mean_green", "image/mean_blue")
STD = "image/std"
COLOURS = ("image/share_red", "image/share_blue")
SHARPNESS = "image/sharpness"
IMAGE_STATISTICS = (HEIGHT, WIDTH, *MEANS, STD, *COLOURS, SHARPNESS)
"""Statistics of the image, in the order in which a served model returns them."""
MASK = "mask/encoded"


def fraction(class_name: str) -> str:
    """Returns the name of the feature that holds a class's share of the labelled pixels."""
    return f"mask/fraction/{class_key(class_name)}"


def column(name: str) -> str:
    """Returns the name of the feature for a manifest column, such as `column/scanner`."""
    return f"column/{name}"
