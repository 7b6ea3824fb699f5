"""NumPy's functions on traced values: the graph gives what NumPy gives, value, dtype and shape, for every keyword; gradients hold against differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from tests.tracer.arrays import central_differences, complex_step, directional, gradient, leaves, run, scalar_of
from tests.tracer.numpy_cases import CASES, ROWS, sample
from tracer.trace.numpy_api import REBOUND, rebound


def close(dtype):
    return {"rtol": 2e-5, "atol": 2e-5} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-13}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_value_dtype_and_shape_are_numpys(name):
    case = CASES[name]
    for dtype in case.dtypes:
        arguments = case.arguments(dtype)
        expected = [np.asarray(leaf) for leaf in leaves(case.function(*arguments))]
        found = run(case.function, *arguments)
        assert [(f.dtype, f.shape) for f in found] == [(e.dtype, e.shape) for e in expected], dtype
        for f, e in zip(found, expected):
            np.testing.assert_allclose(f, e, **close(np.float32 if dtype == "float32" else f.dtype), err_msg=dtype)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.rough])
def test_gradient_holds_against_differences(name):
    case = CASES[name]
    arguments = case.arguments("float64")
    scalar = scalar_of(case.function)
    found = gradient(scalar, *arguments)
    if case.smooth:
        expected, tolerance = complex_step(scalar, *arguments), {"rtol": 1e-9, "atol": 1e-10}
    else:
        expected, tolerance = central_differences(scalar, *arguments), {"rtol": 2e-6, "atol": 2e-7}
    for f, e in zip(found, expected):
        np.testing.assert_allclose(f, e, **tolerance)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.rough])
def test_forward_agrees_with_reverse(name):
    case = CASES[name]
    arguments = case.arguments("float64")
    directions = [np.sin(3.0 + np.arange(a.size)).reshape(a.shape) for a in arguments]
    scalar = scalar_of(case.function)
    expected = sum(np.sum(g * d) for g, d in zip(gradient(scalar, *arguments), directions))
    np.testing.assert_allclose(directional(scalar, arguments, directions), expected, rtol=1e-9, atol=1e-10)


# SciPy's functions ------------------------------------------------------------------------------------------------------

SCIPY = {
    "logsumexp": ("logsumexp", lambda f, x: f(x)), "logsumexp axis": ("logsumexp", lambda f, x: f(x, axis=0)),
    "logsumexp keepdims": ("logsumexp", lambda f, x: f(x, axis=(0, 1), keepdims=True)),
    "logsumexp b": ("logsumexp", lambda f, x: f(x, axis=1, b=np.array([1.0, 0.0, 2.0, 3.0]))),
    "logsumexp sign": ("logsumexp", lambda f, x: f(x, axis=1, b=np.array([1.0, -5.0, 2.0, 0.0]), return_sign=True)),
    "softmax": ("softmax", lambda f, x: f(x)), "softmax axis": ("softmax", lambda f, x: f(x, axis=1)),
    "log_softmax": ("log_softmax", lambda f, x: f(x)), "log_softmax axis": ("log_softmax", lambda f, x: f(x, axis=0)),
    "polygamma 0": ("polygamma", lambda f, x: f(0, x * x + 1)), "polygamma 2": ("polygamma", lambda f, x: f(2, x * x + 1)),
    "zeta": ("zeta", lambda f, x: f(2.5, x * x + 1)), "multigammaln": ("multigammaln", lambda f, x: f(x * x + 2, 3)),
    "factorial": ("factorial", lambda f, x: f(x)),
}


@pytest.mark.parametrize("name", SCIPY)
def test_scipys_functions(name):
    function, call = SCIPY[name]
    theirs = getattr(special, function)
    assert rebound(theirs) is REBOUND[function]
    x = sample(ROWS)
    expected = leaves(call(theirs, x))
    found = run(lambda v: call(REBOUND[function], v), x)
    for f, e in zip(found, expected):
        np.testing.assert_allclose(f, e, rtol=2e-14, atol=1e-15)
    slope = gradient(scalar_of(lambda v: call(REBOUND[function], v)), x)[0]
    np.testing.assert_allclose(slope, central_differences(scalar_of(lambda v: call(theirs, v)), x)[0], rtol=2e-6, atol=2e-7)


def test_logsumexp_at_the_extremes():
    for x in ([0.0, -50.0], [1000.0, 1000.0], [-np.inf, 1.0], [-np.inf, -np.inf], [np.inf, 1.0], [np.inf, -np.inf], [0.0, -np.inf], [np.nan, 1.0]):
        np.testing.assert_allclose(run(REBOUND["logsumexp"], np.array(x))[0], special.logsumexp(x), rtol=1e-15)
    np.testing.assert_allclose(gradient(REBOUND["logsumexp"], np.array([3.0, 3.0, -np.inf]))[0], [0.5, 0.5, 0.0])
