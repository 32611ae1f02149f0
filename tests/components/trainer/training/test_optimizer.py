"""The fused optimizer must give the same numbers as Keras' own."""

import keras
import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.trainer.training.optimizer import Adam

SHAPES = [(3, 3, 2, 4), (4,), ()]


def learn(optimizer, gradients):
    """Returns the weights and the moments after a step with each of the gradients."""
    variables = [keras.Variable(np.full(shape, 0.5, np.float32)) for shape in SHAPES]
    optimizer.build(variables)
    step = tf.function(lambda *step_gradients: optimizer.apply(step_gradients))
    for step_gradients in gradients:
        step(*map(tf.constant, step_gradients))
    numbers = {"weights": variables}
    for kind in ("momentum", "velocity"):
        numbers[kind] = [moment for moment in optimizer.variables if moment.path.endswith(kind)]
        assert len(numbers[kind]) == len(variables)
    return {
        kind: np.concatenate([one.numpy().ravel() for one in several])
        for kind, several in numbers.items()
    }


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**32 - 1),
    steps=st.integers(1, 12),
    size=st.sampled_from([1e-6, 1e-2, 1.0, 1e3]),
    scheduled=st.booleans(),
)
def test_it_is_keras_adam(seed, steps, size, scheduled):
    random = np.random.default_rng(seed)
    gradients = [
        [random.normal(0, size, shape).astype(np.float32) for shape in SHAPES] for _ in range(steps)
    ]
    rate = keras.optimizers.schedules.CosineDecay(0.01, 10) if scheduled else 0.01
    ours, theirs = (
        learn(kind(learning_rate=rate), gradients) for kind in (Adam, keras.optimizers.Adam)
    )
    # Gradients of opposite signs cancel in a momentum, but their rounding errors do not.
    rounding = {"weights": 0, "momentum": 1e-6 * size, "velocity": 0}
    for kind, least in rounding.items():
        np.testing.assert_allclose(ours[kind], theirs[kind], rtol=1e-4, atol=least, err_msg=kind)


def test_it_is_one_operation():
    variable = keras.Variable(np.zeros(3, np.float32))
    optimizer = Adam(0.01)
    optimizer.build([variable])
    step = tf.function(lambda gradient: optimizer.apply([gradient]))
    graph = step.get_concrete_function(tf.TensorSpec([3])).graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("ResourceApplyAdam") == 1
    assert not {"Sqrt", "Square", "RealDiv"} & set(kinds)


def test_the_average_follows_the_weights_and_can_take_their_place():
    weight = keras.Variable(np.float32(2))
    optimizer = Adam(0.5, ema_momentum=0.4, averaged=[weight])
    optimizer.build([weight])

    @tf.function
    def step(gradient):
        optimizer.apply([gradient])
        optimizer.update_averages()

    expected = 2.0
    for number in range(1, 5):
        step(tf.constant(1.0))
        momentum = min(0.4, (1 + number) / (10 + number))
        expected = expected * momentum + float(weight) * (1 - momentum)
    last = float(weight)
    optimizer.swap_averages()
    np.testing.assert_allclose(float(weight), expected, rtol=1e-6)
    optimizer.swap_averages()
    assert float(weight) == last
    assert optimizer.variables[-1].path.endswith("_average")  # so it is saved with the optimizer


def test_without_momentum_there_is_no_average():
    weight = keras.Variable(np.float32(2))
    optimizer = Adam(0.5, averaged=[weight])
    optimizer.build([weight])
    optimizer.update_averages()
    optimizer.swap_averages()
    assert float(weight) == 2
    assert not [variable for variable in optimizer.variables if "average" in variable.path]
