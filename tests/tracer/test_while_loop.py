"""Loops that turn as long as a condition holds: one node of the graph, a number of iterations that is known when they run, derivatives of any order."""

import re
import resource

import mpmath
import numpy as np
import pytest

from tests.tracer.test_control import checked
from tracer import CarryError, cond, eager, grad, hessian, hvp, jit, jvp, scan, value_and_grad, while_loop
from tracer.graph.evaluate import evaluate
from tracer.graph.serial import from_json, to_json
from tracer.graph.verify import verify
from tracer.ops import TABLE

RNG = np.random.default_rng(2)
X, W = RNG.uniform(0.5, 1.5, size=5), RNG.normal(size=(5, 5)) / 4


def root(x, a):
    """Newton's method for the square root of a, from x."""
    return while_loop(lambda s: np.abs(s[0] * s[0] - a) > 1e-13 * a, lambda s: (0.5 * (s[0] + a / s[0]), s[1] + 1), (x, 0))[0]


def grown(x, w):
    s, rounds = while_loop(lambda s: np.sum(s[0] ** 2) < 40, lambda s: (np.tanh(w @ s[0]) + 1.3 * s[0] + 0.1 * x, s[1] + 1), (x, 0))
    return np.sum(s ** 2) * rounds + s[0]


def test_values_and_gradients():
    compiled = checked(grown, X, W)
    assert evaluate(verify(compiled.graph), X, W)[0] == pytest.approx(grown(X, W), rel=1e-12)
    assert evaluate(verify(compiled.gradient_graph), X, W)[0] == pytest.approx(grown(X, W), rel=1e-12)
    again = from_json(to_json(compiled.gradient_graph), TABLE)
    for a, b in zip(evaluate(again, X, W), evaluate(compiled.gradient_graph, X, W), strict=True):
        np.testing.assert_array_equal(a, b)
    assert "while(" in str(compiled.graph) and "unwind(" in str(compiled.gradient_graph) and "unwind" in compiled.gradient_graph.to_dot()
    assert "while " in compiled.source


def test_a_fixed_point_has_the_slope_of_what_it_finds():
    start, slope = grad(root, argnums=(0, 1))(1.0, 2.0)
    assert abs(start) < 1e-12 and slope == pytest.approx(0.5 / np.sqrt(2), rel=1e-12)
    assert jit(root)(1.0, 2.0) == root(1.0, 2.0)


@pytest.mark.parametrize("x", [50.0, 1.0, 0.3, 1e-3, 1e-30])
def test_any_number_of_iterations_none_too(x):
    def f(x, a):
        y, n = while_loop(lambda s: s[0] < 40, lambda s: (s[0] * a, s[1] + 1), (x, 0))
        return y * n + np.sin(a)
    n = int(np.ceil(np.log(40 / x) / np.log(1.5))) if x < 40 else 0
    value, (dx, da) = value_and_grad(f, argnums=(0, 1))(x, 1.5)
    assert value == pytest.approx(x * 1.5**n * n + np.sin(1.5), rel=1e-12)
    assert dx == pytest.approx(1.5**n * n, rel=1e-12)
    assert da == pytest.approx(x * n * n * 1.5 ** (n - 1) + np.cos(1.5), rel=1e-12)


def test_another_number_of_iterations_or_another_length_compiles_nothing():
    f = value_and_grad(lambda x: np.sum(while_loop(lambda s: s[0] < 100, lambda s: s * 1.5 + np.sin(s[1]) ** 2, x)), cache=False)
    for n in (5, 7, 1000):
        f(np.full(n, 0.5))
        f(np.full(n, 0.01))
    assert f.explain().compiles <= 2  # small arrays are taken apart


def test_what_happens_is_what_happens_without_a_trace():
    with_integers = lambda n: while_loop(lambda s: s[0] != 1, lambda s: (cond(s[0] % 2 == 0, lambda: s[0] // 2, lambda: 3 * s[0] + 1), s[1] + 1), (n, 0))[1]
    assert jit(with_integers)(np.int64(27)) == with_integers(27) == 111
    x = eager.tensor([0.5, 1.0], requires_grad=True)
    eager.sum(while_loop(lambda s: float(s.sum()) < 10, lambda s: s * 1.5, x)).backward()
    assert x.grad.tolist() == [1.5**5, 1.5**5]


def test_derivatives_of_any_order():
    def taken(x, n):
        for _ in range(n):
            x = mpmath.sin(x) * mpmath.mpf("1.3") + x
        return x * x

    def f(x):
        return while_loop(lambda s: s < 3, lambda s: np.sin(s) * 1.3 + s, x) ** 2
    for order, derivative in enumerate([f, grad(f), grad(grad(f)), grad(grad(grad(f)))]):
        assert derivative(0.4) == pytest.approx(float(mpmath.diff(lambda x: taken(x, 3), mpmath.mpf("0.4"), order)), rel=1e-10)
    assert jvp(grad(f), (0.4,), (1.0,))[1] == pytest.approx(grad(grad(f))(0.4), rel=1e-13)
    assert grad(lambda x: jvp(f, (x,), (x,))[1])(0.4) == pytest.approx(grad(f)(0.4) + 0.4 * grad(grad(f))(0.4), rel=1e-12)
    assert jvp(lambda x: jvp(grad(f), (x,), (1.0,))[1], (0.4,), (1.0,))[1] == pytest.approx(grad(grad(grad(f)))(0.4), rel=1e-12)


def test_hessians_of_states_and_of_what_is_around():
    def f(p):
        return grown(p[:5], np.reshape(p[5:], (5, 5)))
    p, found = np.concatenate([X, W.ravel()]), hessian(f)
    steps = 1e-6 * np.eye(30)
    slopes = np.array([(grad(f)(p + step) - grad(f)(p - step)) / 2e-6 for step in steps])
    np.testing.assert_allclose(found(p), slopes, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found(p), found(p).T, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(hvp(f, (p,), (p,)), found(p) @ p, rtol=1e-9, atol=1e-9)


def test_loops_in_loops_and_arms():
    def f(x, w):
        def outer(s, row):
            s = while_loop(lambda s: np.sum(s * s) < 4, lambda s: while_loop(lambda t: t[0] < 1, lambda t: t + 0.3 * np.cos(row), s) * 1.2, s)
            return 0.4 * s, cond(s[0] > 0.5, lambda: np.sum(while_loop(lambda t: t[0] > 0.1, lambda t: t * 0.5, s)), lambda: s[0])
        last, made = scan(outer, x, w)
        return np.sum(last) + np.sum(made ** 2)
    checked(f, X, W, rtol=1e-6)


def test_states_of_several_dtypes_and_shapes():
    def f(x, w):
        def body(s):
            x = np.where(s["even"], s["x"] * 1.1, s["x"] + np.sum(s["m"]) * 0.01)
            return {"m": s["m"] @ w + 0.1, "k": s["k"] + 1, "even": np.logical_not(s["even"]), "x": x}
        s = while_loop(lambda s: (s["k"] < 9) & (np.max(s["x"]) < 3), body, {"m": w, "k": 0, "even": True, "x": x})
        return np.sum(s["x"]) + np.sum(s["m"]) + s["k"]
    checked(f, X, W)
    gradient = value_and_grad(f)(X.astype(np.float32), W.astype(np.float32))[1]
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, value_and_grad(f)(X, W)[1], rtol=1e-4)


def test_dtypes_follow_what_comes_out():
    assert grad(lambda x: while_loop(lambda s: s[1] < 3.5, lambda s: (s[0] * x, s[1] + 1), (1, 0))[0])(3.0) == 4 * 3.0**3


def test_a_state_that_nobody_asks_for_is_not_kept():
    def f(x):
        return while_loop(lambda s: s[0] < 10, lambda s: (s[0] + 1, s[1] * np.cos(s[1]), s[2] + 2 * x), (0.0, x, x))[2]
    source = value_and_grad(f).lower(1.0).source
    assert "cos" not in source and "np.concatenate" not in source
    assert grad(f)(1.0) == 21.0


def test_nan_ends_a_loop_as_its_condition_says():
    f = value_and_grad(lambda x: while_loop(lambda s: s < 10, lambda s: s * s, x))
    assert np.isnan(f(np.nan)[0]) and f(np.nan)[1] == 1.0
    assert f(np.inf) == (np.inf, 1.0)


def test_memory_grows_with_the_iterations_and_is_given_back():
    f = value_and_grad(lambda x, n: np.sum(while_loop(lambda s: s[1] < n, lambda s: (np.sin(s[0]) + x, s[1] + 1), (x, 0))[0]))
    x = np.zeros(1000)
    f(x, 10.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    f(x, 5_000.0)  # a tape of 40 MB, which doubles
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(20):
        f(x, 5_000.0)
    assert after - before < 160_000 and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - after < 40_000


def test_inside_njit_and_in_batches():
    from numba import njit
    f = value_and_grad(lambda x: while_loop(lambda s: s < 3, lambda s: np.sin(s) * 1.3 + s, x) ** 2)
    assert njit(lambda x: f(x))(0.4) == f(0.4)
    xs = np.array([0.4, 5.0, 1e-3, np.nan, 2.9])
    values, slopes = f.batch(xs)
    singles = [f(x) for x in xs]
    # Sines and cosines of lanes round for themselves.
    np.testing.assert_allclose(values, [v for v, _ in singles], rtol=1e-14)
    np.testing.assert_allclose(slopes, [g for _, g in singles], rtol=1e-14)


@pytest.mark.parametrize("cond_fun, body_fun, init, error, text", [
    (lambda s: s[0] < 3, lambda s: s[0], lambda x: x, CarryError, "is given init_val of shape (2,) and returns shape () for it: shapes must stay"),
    (lambda s: s < 3, lambda s: s * 2, lambda x: x, CarryError, "returns an array of shape (2,); it must return one bool. Reduce it with np.any or np.all"),
    (lambda s: None, lambda s: s * 2, lambda x: x[0], CarryError, "returns a NoneType; it must return one bool"),
    (lambda s: s[0] < 3, lambda s: s[0] * 2, lambda x: (x[0], x[1]), CarryError, "returns a Traced in its place: it must return the same structure"),
    (lambda s: s[0] < 3, lambda s: (s[0] + 1, s[0] * 1.5), lambda x: (x[0], np.arange(2)[0]), CarryError, "of dtype int64 and returns float64 for it"),
])
def test_what_does_not_fit(cond_fun, body_fun, init, error, text):
    with pytest.raises(error, match=re.escape(text)):
        grad(lambda x: np.sum(while_loop(cond_fun, body_fun, init(x))))(np.array([0.5, 1.0]))
