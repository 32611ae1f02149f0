import base64
import io

import numpy as np
import pytest
from PIL import Image

from components.serving_check.verdict import decide
from serving.config import CheckConfig


def png(ids):
    buffer = io.BytesIO()
    Image.fromarray(np.array(ids, np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


MASK = [[0, 1], [1, 1]]
ANSWERS = {
    "load_seconds": 1,
    "alone": [png(MASK)],
    "milliseconds": [10],
    "together": [png(MASK)],
    "odd": [[1, 1], [33, 47], [7, 200]],
    "probabilities": [1, 2, 2, 3],
    "evaluation": [[1, 0], [0, 2]],
    "refusal": "… [image_bytes[1]] [is not a PNG",
    "peak_mib": 100,
    "again": [png(MASK)],
}
OTHER = png([[1, 1], [1, 1]])


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, None),
        ({"alone": [OTHER], "together": [OTHER], "again": [OTHER]}, "at least 1 of 4 pixels"),
        ({"alone": [png([[0]])]}, "the served mask has 1×1 pixels, the image 2×2"),
        (
            {"together": [OTHER], "again": [OTHER]},
            "in a batch differs from the mask for the image",
        ),
        ({"again": [OTHER]}, "loaded a second time"),
        ({"odd": [[1, 1], [33, 47], [7, 201]]}, "have masks of the sizes"),
        ({"probabilities": [1, 3, 2, 3]}, "probabilities has the shape [1, 3, 2, 3]"),
        ({"evaluation": [[0, 1], [0, 2]]}, "the signature evaluation returns different counts"),
        ({"refusal": "assertion failed"}, "does not name its position"),
        ({"refusal": ""}, "does not name its position"),
    ],
    ids=str,
)
def test_each_wrong_answer_is_a_reason(changed, reason):
    truth = np.array([[0, 255], [1, 1]], np.uint8)
    counts = np.array([[1, 0], [0, 2]])
    verdict = decide(ANSWERS | changed, ["a"], [truth], {"a": counts}, CheckConfig())
    if reason is None:
        assert (verdict.blessed, verdict.reasons) == (True, [])
    else:
        assert any(reason in line for line in verdict.reasons), verdict.reasons
