"""Graphs as SymPy expressions."""

import numpy as np
import pytest
import sympy as sp

from tracer import grad, jit
from tracer.errors import UnsupportedError


def test_scalars_are_real_symbols():
    x = sp.Symbol("x", real=True)
    f = jit(lambda x: np.sin(x) * x)
    f(0.5)
    assert sp.simplify(sp.sympify(f.expr) - x * sp.sin(x)) == 0


def test_arrays_are_indexed_symbols():
    f = jit(lambda v: np.sum(v * v))
    f(np.ones(3))
    v = sp.IndexedBase("v", real=True)
    assert sp.expand(f.expr - sum(v[k] ** 2 for k in range(3))) == 0


def test_large_arrays_refuse():
    f = jit(lambda v: np.sum(v))
    f(np.ones(65))
    with pytest.raises(UnsupportedError, match="65 elements"):
        print(f.expr)


def test_gradient_expression_is_the_derivative():
    g = grad(lambda x: np.exp(x) * np.log(x))
    g(1.5)
    x = sp.Symbol("x", real=True)
    found = g.gradient_expr
    found = found[-1] if isinstance(found, tuple) else found
    assert abs(float((found - sp.diff(sp.exp(x) * sp.log(x), x)).subs(x, 1.3))) < 1e-12
