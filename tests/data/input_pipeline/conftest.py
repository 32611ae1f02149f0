import numpy as np
import pytest
import tensorflow as tf
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

LABELS = st.sampled_from([0, 1, 2, 254, 255])


def eagerly(function, array, view):
    return tf.nest.map_structure(lambda tensor: tensor.numpy(), function(tf.constant(array), view))


def in_tf_data(function, array, view):
    dataset = tf.data.Dataset.from_tensors(array).map(lambda tensor: function(tensor, view))
    return next(dataset.as_numpy_iterator())


FEW = settings(max_examples=30)  # each builds a graph
HOW = pytest.mark.parametrize("apply", [eagerly, in_tf_data])


def masks(*sizes):
    return hnp.arrays(np.uint8, st.tuples(*sizes), elements=LABELS)
