"""Branches that the user says: only the arm that is taken is computed and derived."""

import re

import numpy as np
import pytest

from tests.tracer.test_control import checked
from tracer import CarryError, InPlaceError, cond, eager, grad, hessian, jit, jvp, scan, value_and_grad
from tracer.errors import ArgumentError
from tracer.graph.evaluate import evaluate
from tracer.graph.serial import from_json, to_json
from tracer.graph.verify import verify
from tracer.ops import TABLE

RNG = np.random.default_rng(1)
X, W = RNG.uniform(0.5, 1.5, size=20), RNG.normal(size=(20, 20)) / 6


def chosen(x, w):
    y = cond(np.sum(x) > 0, lambda x: np.sin(x) * np.sum(w @ x), lambda x: np.log(-x) * w[0], x)
    return np.sum(y * y)


@pytest.mark.parametrize("sign", [1, -1])
def test_either_arm(sign):
    compiled = checked(chosen, sign * X, W, rtol=1e-7)
    assert sum(node.op is TABLE["branch"] for node in compiled.graph.nodes) == 1
    assert evaluate(verify(compiled.graph), sign * X, W)[0] == pytest.approx(chosen(sign * X, W), rel=1e-12)
    assert evaluate(from_json(to_json(compiled.graph), TABLE), sign * X, W)[0] == pytest.approx(chosen(sign * X, W), rel=1e-12)
    assert "log(" in compiled.source and "if " in compiled.source and "branch(" in str(compiled.graph) and "branch" in compiled.graph.to_dot()


def test_the_other_arm_makes_no_nan_and_takes_no_time():
    def f(x):
        return cond(x > 0, lambda: np.sqrt(x), lambda: np.sum(np.linalg.inv(np.outer(X, X) * x)))
    assert grad(f)(4.0) == 0.25
    calls = []

    def counted(x):
        calls.append(1)
        return x * 2
    assert cond(True, lambda x: x, counted, 3.0) == 3.0 and not calls


def test_trees_and_several_results():
    def f(x, k):
        position, other = cond(k > 1, lambda p: (p["a"] * k, {"b": np.sin(k)}), lambda p: (p["a"] - k, {"b": 0.5}), {"a": x})
        return np.sum(position) * other["b"]
    checked(f, X, 2.0)
    checked(f, X, 0.5)


def test_arms_in_arms_and_loops():
    def f(x, u):
        def step(c, row):
            c = cond(c[0] > 0.7, lambda c: c * 0.5, lambda c: cond(row > 0, lambda c: c + np.exp(c) * 0.1, lambda c: c - 0.3 * row * c[::-1], c), c)
            return c, np.sum(c)
        last, made = scan(step, x, u)
        return np.sum(last ** 2) + np.sum(made * u)
    checked(f, X, RNG.normal(size=13), rtol=1e-6)


def test_loops_in_arms():
    def f(x, w):
        def looped(c):
            last, made = scan(lambda c, row: (np.tanh(w @ c + row), c), c, w)
            return last + made[2]
        return np.sum(cond(x[0] > 0, looped, lambda c: c * 2, x) ** 2)
    checked(f, X, W, rtol=1e-7)
    checked(f, -X, W, rtol=1e-7)


def test_states_of_numbers_in_a_loop():
    def f(x):
        def step(c, row):
            return cond(c > 0.5, lambda c: c * 0.5, lambda c: c + 0.3 * row * np.sin(c), c), c
        return np.sum(scan(step, x, np.arange(9.0))[1])
    checked(f, 0.3)


@pytest.mark.parametrize("sign", [1, -1])
def test_derivatives_of_derivatives(sign):
    x, step = sign * X[:5], 1e-5
    slope = grad(chosen, cache=False)
    w = W[:5, :5]
    expected = [(slope(x + step * e, w) - slope(x - step * e, w)) / (2 * step) for e in np.eye(5)]
    np.testing.assert_allclose(hessian(chosen, cache=False)(x, w), expected, rtol=1e-6, atol=1e-7)
    direction = RNG.normal(size=5)
    np.testing.assert_allclose(jvp(lambda x: chosen(x, w), (x,), (direction,))[1], slope(x, w) @ direction, rtol=1e-11)


def test_batches_and_float32():
    xs = np.concatenate([X[:6], -X[:6]])
    compiled = grad(lambda x: cond(x > 0, lambda: x ** 3, lambda: np.exp(x)))
    np.testing.assert_allclose(compiled.batch(xs), np.where(xs > 0, 3 * xs ** 2, np.exp(xs)), rtol=1e-12)
    _, slope = value_and_grad(lambda x: cond(x[0] > 0, lambda: np.sum(x * x), lambda: 0.0))(X.astype(np.float32))
    assert slope.dtype == np.float32


def test_without_a_trace_and_eagerly():
    assert cond(np.array(False), lambda x: x, lambda x: -x, 2.0) == -2.0
    x = eager.tensor(3.0, requires_grad=True)
    cond(x > 1, lambda x: x * x, lambda x: x, x).backward()
    assert x.grad.item() == 6.0


def test_a_number_that_is_captured_alone():
    assert jit(lambda x: cond(x > 0, lambda: 1.0, lambda: 2.0) + 0 * x)(3.0) == 1.0
    assert grad(lambda x: cond(x > 0, lambda: x, lambda: 2.0))(-3.0) == 0.0


# Bad input ----------------------------------------------------------------------------------------------------------------------

def message(kind, function, *arguments) -> str:
    with pytest.raises(kind) as caught:
        jit(function, cache=False)(*arguments)
    return re.sub(r"\([^()]*test_cond\.py:\d+\)", "(HERE)", str(caught.value))


def test_arms_that_do_not_fit():
    assert message(CarryError, lambda x: cond(x[0] > 0, lambda: x, lambda: x[1:]), X) == (
        "the arms of cond() (HERE) return shapes (20,) and (19,): they must be the same.")
    assert message(CarryError, lambda x: cond(x[0] > 0, lambda: x, lambda: (x, x)), X) == (
        "the arms of cond() (HERE) return a Traced and a tuple of 2: they must return the same structure.")
    assert message(CarryError, lambda x: cond(x[0] > 0, lambda: x, lambda: x.astype(np.float32)), X) == (
        "the arms of cond() (HERE) return dtypes float64 and float32: they must be the same. Convert one of them with .astype('float64').")


def test_a_condition_that_is_an_array():
    assert message(ArgumentError, lambda x: cond(x > 0, lambda: x, lambda: x), X) == (
        "cond() (HERE) is asked to choose by an array of shape (20,); it takes one bool. Reduce it with np.any or np.all, or choose element by element with "
        "np.where.")


def closure(x):
    out = np.zeros(3)

    def arm():
        out[0] = x
        return x
    return cond(x > 0, arm, lambda: x) + out[0]


def operand(x):
    out = np.zeros(3)

    def arm(out):
        out[1] = 5.0
        return out
    return np.sum(cond(x > 0, arm, lambda out: out * x, out)) + out[1]


def elements(x):
    out = np.zeros(3)
    out[0] = x
    return np.sum(cond(x > 0, lambda out: out * x, lambda out: np.negative(out, out=out), out)) + out[0]


def appended(x):
    kept = []
    return cond(x > 0, lambda: kept.append(x) or x, lambda: x) + len(kept)


@pytest.mark.parametrize("function", [closure, operand, elements, appended])
def test_an_arm_that_changes_what_is_around_it(function):
    assert message(InPlaceError, function, 2.0) == (
        "an arm of cond() (HERE) changes an array, a list or a dict from around it, which would happen whether the arm is taken or not. Change a copy, and "
        "return it from both arms.")


def test_an_arm_may_fill_an_array_of_its_own():
    def f(x):
        def arm(x):
            out = np.zeros(3)
            out[0], out[1] = x, x * x
            return out
        return np.sum(cond(x > 0, arm, lambda x: np.ones(3) * x, x))
    assert grad(f)(2.0) == 5.0 and grad(f)(-2.0) == 3.0
