"""scan, fori_loop, while_loop and cond in functions that Numba compiles: the same function plain, compiled by Numba, and traced."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from tracer import cond, fori_loop, grad, jit, scan, while_loop


def root(a):
    return while_loop(lambda s: abs(s[0] * s[0] - s[1]) > 1e-12, lambda s: (0.5 * (s[0] + s[1] / s[0]), s[1]), (a, a))[0]


def settled(x, pull):
    def step(state, force):
        state = state + 0.1 * (force - np.tanh(state))
        return state, np.sum(state)
    last, sums = scan(step, x, pull)
    return np.sum(last ** 2) + sums[-1]


def backwards(x):
    def step(state, row):
        return (state[0] + row[0] * row[1], state[1] + 1.0), (state[0], (state[1], row[0]))
    (total, _), (before, (counts, rows)) = scan(step, (0.0, 0.0), (x, x * 2.0), reverse=True)
    return total + np.sum(before * counts) + rows[0]


def repeated(x):
    return fori_loop(0, 10, lambda i, y: y + 0.01 * i * np.sin(y), x) + scan(lambda c, _: (c * 0.9, None), x, length=4)[0]


def chosen(x):
    return cond(x > 1, lambda x: x * x, lambda x: -x, x)


@pytest.mark.parametrize("function, arguments", [
    (root, (2.0,)), (settled, (np.array([0.5, -0.5]), np.linspace(0.0, 1.0, 20))), (backwards, (np.array([1.0, 2.0, 3.5]),)), (repeated, (0.7,)),
    (chosen, (3.0,)), (chosen, (-3.0,))])
def test_plain_compiled_and_traced_are_one(function, arguments):
    plain = function(*arguments)
    assert njit(function)(*arguments) == pytest.approx(plain, rel=1e-14)
    assert jit(function)(*arguments) == pytest.approx(plain, rel=1e-14)
    assert grad(njit(function))(*arguments) == pytest.approx(grad(function)(*arguments), rel=1e-14)


def test_what_numba_must_know():
    with pytest.raises(TypingError, match="neither xs nor length"):
        njit(lambda x: scan(lambda c, _: (c, c), x)[0])(1.0)
    with pytest.raises(ValueError, match="no iterations in @njit code"):
        njit(lambda x, n: scan(lambda c, _: (c, c), x, None, n)[0])(1.0, 0)
