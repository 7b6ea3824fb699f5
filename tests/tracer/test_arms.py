"""Arms that are dear, or that can fail, are computed only where they are taken: forward and backward."""

import math

import numpy as np
import pytest

from tracer import grad, hessian, jit, value_and_grad
from tracer.graph.evaluate import evaluate
from tracer.graph.verify import verify
from tracer.ops import TABLE

BRANCH, WHERE = TABLE["branch"], TABLE["where"]
RNG = np.random.default_rng(4)
X, W = RNG.uniform(0.5, 1.5, size=6), RNG.normal(size=(6, 6)) / 6


def branches(graph) -> int:
    return len({(node.inputs, node.attrs[:-1]) for node in graph.nodes if node.op is BRANCH})


def along(function, x, direction):
    def at(step):
        return function(x + step * direction)
    return (8 * (at(1e-4) - at(-1e-4)) - (at(2e-4) - at(-2e-4))) / 12e-4


def solved(x):
    if x[0] > 0:
        y = np.sin(W @ x)
        z = np.sum(y * y)
    else:
        y = np.cos(x)
        z = np.sum(np.linalg.solve(np.eye(6) + W, y))
    return z * np.sum(y)


@pytest.mark.parametrize("sign", [1, -1])
def test_one_branch_for_all_that_an_if_assigns(sign):
    compiled, direction = value_and_grad(solved, cache=False), RNG.normal(size=6)
    value, gradient = compiled(sign * X)
    assert value == pytest.approx(solved(sign * X), rel=1e-12)
    assert gradient @ direction == pytest.approx(along(solved, sign * X, direction), rel=1e-8)
    assert branches(compiled.graph) == 1 and branches(compiled.gradient_graph) == 2 and not any(n.op is WHERE for n in compiled.graph.nodes)
    assert evaluate(verify(compiled.gradient_graph), sign * X)[0] == pytest.approx(value, rel=1e-12)
    assert "if " in compiled.source


def many(x, n=20):
    for _ in range(n):
        x = np.sin(x) + 0.5 * x
    return x


def early(x):
    if x < 0:
        return x
    x = many(x)
    if x > 0.5:
        return many(x, 5) * many(x, 7)
    return many(x, 6)


@pytest.mark.parametrize("x", [-1.0, 0.5, 0.05, 3.0])
def test_early_returns_are_branches_in_branches(x):
    compiled = value_and_grad(early, cache=False)
    assert compiled(x)[0] == pytest.approx(early(x), rel=1e-12)
    assert compiled(x)[1] == pytest.approx(along(early, x, 1.0), rel=1e-6, abs=1e-9)
    assert [node.op for node in compiled.graph.nodes if node.op.kind != "source"][-1] is BRANCH
    assert grad(grad(early))(x) == pytest.approx(along(grad(early), x, 1.0), rel=1e-5, abs=1e-8)


def test_a_look_up_in_an_arm_may_be_out_of_range_in_the_other():
    def f(x):
        k = math.floor(x[0])
        if 0 <= k < 4:
            return x[k] * x[1]
        return x[2]
    compiled = value_and_grad(f)
    assert compiled(np.array([3.5, 2.0, 5.0, 7.0])) == (14.0, pytest.approx([0.0, 7.0, 0.0, 2.0]))
    assert compiled(np.array([9.5, 2.0, 5.0, 7.0])) == (5.0, pytest.approx([0.0, 0.0, 1.0, 0.0]))
    assert compiled(np.array([-1.5, 2.0, 5.0, 7.0]))[0] == 5.0


def test_no_nan_of_the_arm_that_is_not_taken_comes_through_a_product_of_matrices():
    def f(q):
        n = q * 0.0
        if n == 0:
            return q
        m = np.array([[n, 1.0], [2.0, n]]) / n
        return np.sum(np.dot(m, m)) + q
    assert grad(f)(3.0) == 1.0


def test_what_only_the_other_arm_is_given_may_have_no_slope():
    def f(x):
        y = np.sqrt(x)  # of no slope at 0, and needed behind the `if` as well
        z = many(y) * x if x > 1 else x * x
        return z + np.floor(y)
    assert grad(f)(0.0) == 0.0

    def g(x):
        y, k = np.sqrt(x), x
        while k > 1:
            k = k * 0.5 + 0.01 * y
        return k + np.floor(y)
    assert grad(g)(0.0) == 1.0


def test_a_condition_that_is_asked_again_for_what_it_has_chosen():
    def f(x, y):
        if x > y:
            a = many(x)
        else:
            a = many(y) * y
        b = a * a + x
        if x > y:
            b = many(b) * a
        else:
            b = b - many(a)
        return b * a
    for arguments in ((1.0, 0.5), (0.5, 1.0)):
        value, slopes = value_and_grad(f, argnums=(0, 1))(*arguments)
        assert value == pytest.approx(f(*arguments), rel=1e-12)
        for k, slope in enumerate(slopes):
            moved = lambda t, k=k, a=arguments: f(*[each if j != k else t for j, each in enumerate(a)])
            assert slope == pytest.approx(along(moved, arguments[k], 1.0), rel=1e-8, abs=1e-10)
    assert branches(jit(f).lower(1.0, 0.5).graph) == 2


def test_cheap_arms_stay_selects():
    compiled = jit(lambda x: (2.0 * x[1] if x[1] > 0 else x[1] * x[1]) if x[2] > 0 else x[0])
    assert branches(compiled.lower(X).graph) == 0
    assert branches(jit(lambda x: many(x, 2) if x > 0 else x * x).lower(1.0).graph) == 0


def test_branches_in_loops():
    def f(x):
        total = 0.0
        for k in range(100):
            if x > k * 0.02:
                total = total + many(x * k, 6)
            else:
                total = total * 0.9 + many(x + k, 5)
        while total > 1.0:
            total = many(total * 0.1, 6) if total > 5 else total - 0.3
        return total
    compiled = value_and_grad(f, cache=False)
    for x in (0.71, 1.93):
        assert compiled(x)[0] == pytest.approx(f(x), rel=1e-10)
        assert compiled(x)[1] == pytest.approx(along(f, x, 1.0), rel=1e-6, abs=1e-7)


def test_lanes_of_a_batch_compute_both_arms():
    xs = np.array([-1.0, 0.5, 1e-6, 3.0, 0.7, -0.1, 2.0, np.nan, 1.0])
    compiled = value_and_grad(early)
    values, slopes = compiled.batch(xs)
    assert "one in each lane" in str(compiled.explain())
    np.testing.assert_allclose(values, [compiled(x)[0] for x in xs], rtol=1e-14)
    np.testing.assert_allclose(slopes, [compiled(x)[1] for x in xs], rtol=1e-13)


def test_hessians_through_arms():
    found = hessian(solved)(X)
    for direction in np.eye(6):
        np.testing.assert_allclose(found @ direction, along(grad(solved), X, direction), rtol=1e-6, atol=1e-8)
