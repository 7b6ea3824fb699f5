"""Both sweeps: against finite differences and each other, guards behind selects, assembly, planted faults."""

import dataclasses

import mpmath
import numpy as np
import pytest
from arrays import central_differences, directional, finish, gradient, start

from tracer import grad, hessian, jvp, stop_gradient, value_and_grad
from tracer.derive.reverse import gradients
from tracer.errors import DerivativeError
from tracer.graph.op import NOT_DIFFERENTIABLE
from tracer.ops import TABLE
from tracer.trace.value import make

RNG = np.random.default_rng(5)
VECTOR, MATRIX = RNG.uniform(0.5, 1.5, 6), RNG.uniform(0.5, 1.5, (6, 4))

PROGRAMS = {
    "chain": lambda v, m: np.sum(np.sin(v) * np.exp(-v) / (1.0 + v)),
    "broadcast": lambda v, m: np.sum(v[:, None] * m + np.log(m)),
    "stencil": lambda v, m: np.sum((v[2:] - 2.0 * v[1:-1] + v[:-2]) ** 2),
    "contraction": lambda v, m: np.sum(np.tanh(m.T @ v)),
    "reuse": lambda v, m: (lambda s: s * s + np.sqrt(s))(np.sum(v * v)),
    "elements": lambda v, m: v[0] * v[1] + v[-1] / v[2] + m[1, 2] * m[1, 2],
    "select": lambda v, m: np.sum(np.where(v > 1.0, np.log(v), v * v)),
    "normal": lambda v, m: np.sum(np.linalg.norm(m, axis=0)) + np.max(v) * np.min(v),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_reverse_agrees_with_differences(name):
    function = PROGRAMS[name]
    for found, expected in zip(gradient(function, VECTOR, MATRIX), central_differences(function, VECTOR, MATRIX)):
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", PROGRAMS)
def test_forward_agrees_with_reverse(name):
    function = PROGRAMS[name]
    directions = [RNG.normal(size=VECTOR.shape), RNG.normal(size=MATRIX.shape)]
    expected = sum(np.sum(g * d) for g, d in zip(gradient(function, VECTOR, MATRIX), directions))
    np.testing.assert_allclose(directional(function, (VECTOR, MATRIX), directions), expected, rtol=1e-12)


@pytest.mark.parametrize("function, at, expected", [
    (lambda x: np.sum(np.where(x > 0, x * np.log(x), 0.0)), [0.0, 1.0, 2.0], [0.0, 1.0, 1.0 + np.log(2.0)]),
    (lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0)), [-1.0, 0.0, 4.0], [0.0, 0.0, 0.25]),
    (lambda x: np.sum(np.where(x == 0, 1.0, np.sin(x) / x)), [0.0, 1.0], [0.0, np.cos(1.0) - np.sin(1.0)]),
    (lambda x: np.sum(np.where(x < 1, 1.0 / (x * x), 2.0)), [0.5, 1.0], [-16.0, 0.0]),
    (lambda x: np.sum(np.where(x > 0, np.sum(np.where(x > 0, np.log(x), 0.0)), x)), [0.0, 2.0], [1.0, 0.5]),
    (lambda x: np.sum(np.where(x > 0, np.exp(np.log(x) * 0.5), 0.0)), [0.0, 4.0], [0.0, 0.25]),
])
def test_the_arm_that_was_not_taken_gives_no_nan(function, at, expected):
    found = grad(function)(np.array(at))
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_outside_of_selects_ieee_rules_hold():
    assert np.isnan(grad(lambda x: np.sqrt(x * x))(0.0))
    assert grad(lambda x: np.sqrt(x))(0.0) == np.inf
    assert np.isnan(grad(lambda x: np.sqrt(np.sum(x**2)))(np.zeros(3))).all()


def test_reads_of_one_array_meet_in_one_assemble_node():
    def f(x):
        total = 0.0
        for i in range(40):
            total = total + x[i] * x[(i * 7) % 40]
        return total
    trace, (x,) = start([np.ones(40)])
    graph = finish([x], gradients(trace, f(x), [x]))
    assert [n.op.name for n in graph.nodes].count("assemble") == 1


def test_independent_argument_has_gradient_zero():
    g = grad(lambda x, y: x * 2.0, argnums=(0, 1))
    assert g(1.0, 3.0) == (2.0, 0.0)
    np.testing.assert_array_equal(grad(lambda x, y: np.sum(x), argnums=1)(np.ones(2), np.ones((2, 3))), np.zeros((2, 3)))


def test_derivatives_of_derivatives():
    third = grad(grad(grad(lambda x: np.sin(x) * x**3)))
    x = 0.7
    expected = float(mpmath.diff(lambda t: mpmath.sin(t) * t**3, x, 3))
    np.testing.assert_allclose(third(x), expected, rtol=1e-12)
    h = hessian(lambda v: np.sum(v[1:] * v[:-1] ** 2))(np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(h, [[4, 2, 0], [2, 6, 4], [0, 4, 0]], rtol=1e-14)


def test_closures_do_not_confuse_perturbations():
    """d/dx (x * d/dy (x + y)) is 1 (Siskind and Pearlmutter 2005), and the inner derivative of x*y at y = x keeps x fixed."""
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert grad(lambda x: grad(lambda y: x * y)(x))(3.0) == 1.0


def test_stop_gradient_counts_as_constant():
    assert grad(lambda x: stop_gradient(x) * x)(3.0) == 3.0
    assert jvp(lambda x: stop_gradient(x) * x, (3.0,), (1.0,)) == (9.0, 3.0)


def test_float32_stays_float32():
    x = np.array([1.0, 2.0], np.float32)
    value, slope = value_and_grad(lambda x: np.sum(x * x * 0.5))(x)
    assert np.float32(value) == 2.5 and slope.dtype == np.float32
    np.testing.assert_array_equal(slope, x)


def test_an_operation_without_derivative_is_named():
    record = TABLE["sin"]
    forbidden = dataclasses.replace(record, partials=NOT_DIFFERENTIABLE)
    trace, (x,) = start([np.float64(1.0)])
    with pytest.raises(DerivativeError, match=r"`sin`.* has no derivative, and it lies between the argument and the result"):
        gradients(trace, make(forbidden, (x,)), [x])


@pytest.mark.parametrize("fault", ["sign", "dropped", "missing factor"])
def test_a_planted_fault_in_a_partial_is_seen(fault):
    """What the checks of the operation table rely on: differences do notice."""
    true = TABLE["multiply"].partials
    wrong = {"sign": (lambda x, y, out: -y, true[1]), "dropped": (true[0], 0.0), "missing factor": (lambda x, y, out: 1.0, true[1])}[fault]
    forged = dataclasses.replace(TABLE["multiply"], partials=wrong)
    def product(v):
        return np.sum(make(forged, (v, v + 1.0)) if not isinstance(v, np.ndarray) else v * (v + 1.0))
    found = gradient(product, VECTOR)[0]
    expected = central_differences(product, VECTOR)[0]
    assert not np.allclose(found, expected, rtol=1e-3)


@pytest.mark.parametrize("inner", [np.maximum, np.minimum, np.fmax])
def test_guarded_partials_take_the_dtype_of_their_cotangent(inner):
    x = np.array([0.5, 0.7], np.float32)
    found = grad(lambda x: np.sum(np.where(x > 0.6, inner(x, x * x), x)))(x)
    expected = grad(lambda x: np.sum(np.where(x > 0.6, inner(x, x * x), x)))(x.astype(np.float64))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
