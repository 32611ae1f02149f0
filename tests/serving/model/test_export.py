import subprocess
import sys

import pytest
import tensorflow as tf


def test_the_optimizer_s_state_is_not_in_it(saved_model):
    variables = tf.train.list_variables(str(saved_model / "variables/variables"))
    assert sorted(shape for _, shape in variables if shape) == [[1, 1, 3, 3], [3]]


PLAIN_TENSORFLOW = """
import sys

for name in ("keras", "data", "serving", "components", "pipeline", "tfx"):
    sys.modules[name] = None  # importing it raises ImportError
import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
image = tf.io.encode_png(tf.fill([5, 7, 3], tf.constant(9, tf.uint8)))
answer = model.signatures["serving_default"](image_bytes=tf.stack([image]))
print(tf.io.decode_png(answer["mask_png_bytes"][0]).shape)
"""


@pytest.mark.parametrize("model", ["saved_model", "sliding_model"])
def test_plain_tensorflow_loads_it_without_keras_and_without_this_project(request, model, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PLAIN_TENSORFLOW, str(request.getfixturevalue(model))],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.stdout == "(5, 7, 1)\n", done.stderr
