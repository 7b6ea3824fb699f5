"""The element-wise operations, one by one, from their records: partials beside mpmath, machine code beside NumPy and SciPy."""

import mpmath
import numpy as np
import pytest
import scipy.special
import sympy as sp

from tracer import grad, jit
from tracer.graph.op import NOT_DIFFERENTIABLE, NOT_SYMBOLIC, ZERO
from tracer.ops import TABLE, derive_partials
from tracer.ops.apply import apply
from tracer.ops.derived import PARTIALS

POINTS = 40
DIGITS = 40
SAMPLED = [op for op in TABLE.values() if op.kind == "elementwise" and op.domain is not None]
SMOOTH = [op for op in SAMPLED if op.partials is not ZERO and op.sympy is not NOT_SYMBOLIC and op.name not in ("cast", "copy_of", "strong_multiply")]
LANES = (1, 7, 8, 9, 100)


def samples(op, count=POINTS):
    random = np.random.default_rng(7)
    return [random.uniform(low, high, count) for low, high in op.domain]


def high_precision(op):
    """The SymPy form as a function of mpmath numbers."""
    symbols = sp.symbols(f"x:{len(op.domain)}", real=True)
    return sp.lambdify(symbols, op.sympy(*symbols), "mpmath")


@pytest.mark.parametrize("op", SMOOTH, ids=str)
def test_partials_beside_mpmath(op):
    points = samples(op)
    out = op.evaluate(*points)
    function = high_precision(op)
    for position, factor in enumerate(op.partials):
        if factor is ZERO:
            continue
        found = np.broadcast_to(factor(*points, out) if callable(factor) else factor, POINTS)
        orders = tuple(int(k == position) for k in range(len(points)))
        with mpmath.workdps(DIGITS):
            for k, values in enumerate(zip(*points)):
                wanted = float(mpmath.diff(function, tuple(map(mpmath.mpf, values)), orders))
                assert found[k] == pytest.approx(wanted, rel=1e-11, abs=1e-13), (position, values)


def test_derived_partials_are_those_of_the_generator():
    assert derive_partials.TARGET.read_text() == derive_partials.text()
    assert {name for name, op in TABLE.items() if op.partials is PARTIALS.get(name, ...)} == set(PARTIALS)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("length", LANES)
def test_machine_code_beside_evaluate(length, dtype):
    """All operations in one kernel, beside NumPy and SciPy."""
    ops = [op for op in SAMPLED if op.name not in ("cast", "copy_of", "where") and op.source != "" and op.numpy]
    arguments = [tuple(a.astype(dtype) for a in samples(op, length)) for op in ops]
    found = jit(lambda args: tuple([apply(op, a) for op, a in zip(ops, args)]), simplify=False)(arguments)
    wrong = []
    for op, inputs, value in zip(ops, arguments, found):
        wanted = op.evaluate(*inputs)
        if not np.allclose(value, wanted, rtol=1e-12 if dtype == "float64" else 5e-6, atol=1e-13 if dtype == "float64" else 1e-6):
            wrong.append((op.name, value, wanted))
    assert not wrong


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_polygamma_beside_mpmath(order):
    x = np.geomspace(0.05, 200.0, 40)
    found = jit(lambda x: apply(TABLE["polygamma"], (x * 0.0 + float(order), x)))(x)
    with mpmath.workdps(DIGITS):
        wanted = [float(mpmath.polygamma(order, mpmath.mpf(v))) for v in x]
    np.testing.assert_allclose(found, wanted, rtol=1e-13)


EXTREMES = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -5e-324, 1e308, -1e308, 1.0, -1.0, 0.5, -2.0])
# Of two zeros NumPy's extremes give either, by the machine; ours order -0.0 below 0.0.
EITHER_ZERO = ("maximum", "minimum", "fmax", "fmin")


def extreme_arguments(op):
    if len(op.domain) == 1:
        return (EXTREMES,)
    return tuple(a.ravel() for a in np.meshgrid(EXTREMES, EXTREMES))


def shape_of(value):
    """NaN, an infinity, a zero with its sign, or finite."""
    kinds = np.select([np.isnan(value), np.isposinf(value), np.isneginf(value), (value == 0) & np.signbit(value), value == 0], list("n+-zo"), "f")
    return kinds


@np.errstate(all="ignore")
@pytest.mark.parametrize("arity", [1, 2])
def test_classes_at_extremes(arity):
    ops = [op for op in SAMPLED if len(op.domain) == arity and op.numpy and op.name not in ("cast", "copy_of", "where")]
    arguments = [extreme_arguments(op) for op in ops]
    found = jit(lambda args: tuple([apply(op, a) for op, a in zip(ops, args)]), simplify=False)(arguments)
    wrong = []
    for op, inputs, value in zip(ops, arguments, found):
        wanted = np.asarray(op.evaluate(*inputs))
        if wanted.dtype == bool:
            bad = value != wanted
        else:
            bad = shape_of(np.asarray(value)) != shape_of(wanted)
            if op.name in EITHER_ZERO:
                bad &= (value != 0) | (wanted != 0)
            if op.name == "zeta":  # Euler and Maclaurin for q > 0 and finite s; NaN, not a reflection, for other q
                bad &= (inputs[1] > 0) & np.isfinite(inputs[0]) & np.isfinite(inputs[1]) & (inputs[0] < 100) & (inputs[1] > 1e-300) & (inputs[1] < 1e300)
        if bad.any():
            k = int(np.flatnonzero(bad)[0])
            wrong.append((op.name, int(bad.sum()), [float(a[k]) for a in inputs], float(value[k]), float(wanted[k])))
    assert not wrong, "\n".join(map(str, wrong))


@np.errstate(all="ignore")
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_integer_division(dtype):
    info = np.iinfo(dtype)
    values = np.array(sorted({info.min, info.min + 1, 0, 1, 2, 3, 7, info.max - 1, info.max} | ({-1, -2, -7} if info.min else set())), dtype)
    x, y = (a.ravel() for a in np.meshgrid(values, values))
    functions = (np.floor_divide, np.remainder, np.fmod)
    found = jit(lambda x, y: tuple([f(x, y) for f in functions]), simplify=False)(x, y)
    for function, value in zip(functions, found):
        np.testing.assert_array_equal(value, function(x, y), err_msg=function.__name__)


KINKS = [("maximum", (1.0, 1.0), (0.5, 0.5)), ("minimum", (1.0, 1.0), (0.5, 0.5)), ("fmax", (1.0, 1.0), (1.0, 0.0)), ("absolute", (0.0,), (0.0,)),
         ("arctan2", (0.0, 0.0), (0.0, 0.0)), ("hypot", (0.0, 0.0), (np.nan, np.nan)), ("power", (0.0, 0.0), (0.0, 0.0)),
         ("logaddexp", (np.inf, np.inf), (0.5, 0.5)), ("logaddexp", (-np.inf, -np.inf), (0.5, 0.5)), ("xlogy", (0.0, 0.0), (0.0, np.nan))]


@np.errstate(all="ignore")
@pytest.mark.parametrize("name, at, wanted", KINKS, ids=str)
def test_kinks(name, at, wanted):
    op, inputs = TABLE[name], [np.array(v) for v in at]
    out = op.evaluate(*inputs)
    np.testing.assert_array_equal([float(f(*inputs, out)) if callable(f) else f for f in op.partials], wanted)


def test_slopes_where_their_plain_form_has_no_value():
    """Bessel functions of order one at 0, psi far out, arcsin beside 1, extremes of a NaN."""
    special = scipy.special
    for function in (special.i1, special.i1e, special.j1):
        assert grad(lambda x, function=function: function(x))(0.0) == 0.5
    slope = grad(lambda x: special.psi(x))
    np.testing.assert_allclose(slope(1e200), 1e-200, rtol=1e-13)
    assert slope(np.inf) == 0.0
    near = 1.0 - 1e-10
    with mpmath.workdps(50):
        exact = float(1 / mpmath.sqrt(1 - mpmath.mpf(near) ** 2))
    np.testing.assert_allclose(grad(np.arcsin)(near), exact, rtol=1e-13)
    assert grad(np.maximum, argnums=(0, 1))(np.nan, 1.0) == (1.0, 1.0)
    np.testing.assert_allclose(grad(lambda x, y: special.kl_div(x, y))(1e200, 1e-200), 400 * np.log(10.0), rtol=1e-14)
    np.testing.assert_allclose(grad(lambda x, y: special.rel_entr(x, y))(1e-200, 1e200), 1 - 400 * np.log(10.0), rtol=1e-14)
    assert np.isnan(grad(lambda x: special.logit(x))(1.5)) and grad(lambda x: special.logit(x))(1.0) == np.inf


@pytest.mark.parametrize("name", ["cbrt", "copysign", "fmod", "erfinv", "erfcinv", "erfcx", "ndtri", "i0e", "i1e", "zeta", "gammainc",
                                  "gammaincc", "betainc", "stdtr", "exp1", "expi"])
def test_partials_that_sympy_has_no_form_for(name):
    """Against differences of the function's own values, extrapolated."""
    op = TABLE[name]
    rng = np.random.default_rng(4)
    inputs = [rng.uniform(*bounds, 50) for bounds in op.domain]
    for k, partial in enumerate(op.partials):
        if partial is ZERO or partial is NOT_DIFFERENTIABLE:
            continue

        def slope(step, k=k):
            above, below = (op.evaluate(*[x + sign * step * (j == k) for j, x in enumerate(inputs)]) for sign in (1, -1))
            return (above - below) / (2 * step)
        wanted = (4 * slope(1e-4) - slope(2e-4)) / 3
        found = partial(*inputs, op.evaluate(*inputs)) if callable(partial) else np.full(50, partial)
        smooth = np.abs(slope(1e-4) - slope(2e-4)) < 1e-4 * (1 + np.abs(wanted))  # no step of fmod between
        assert smooth.sum() > 40
        np.testing.assert_allclose(np.broadcast_to(found, 50)[smooth], wanted[smooth], rtol=2e-6, atol=1e-8)


ELEMENTARY = {
    "exp": ((-700.0, 700.0), mpmath.exp), "exp2": ((-1000.0, 1000.0), lambda x: mpmath.mpf(2) ** x), "expm1": ((-5.0, 5.0), mpmath.expm1),
    "log": ((1e-3, 1e3), mpmath.log), "log2": ((1e-3, 1e3), lambda x: mpmath.log(x, 2)), "log10": ((1e-3, 1e3), mpmath.log10),
    "log1p": ((-0.9, 5.0), mpmath.log1p), "sin": ((-1e3, 1e3), mpmath.sin), "cos": ((-1e3, 1e3), mpmath.cos), "tan": ((-1e2, 1e2), mpmath.tan),
    "arcsin": ((-1.0, 1.0), mpmath.asin), "arccos": ((-1.0, 1.0), mpmath.acos), "arctan": ((-1e2, 1e2), mpmath.atan), "sinh": ((-20.0, 20.0), mpmath.sinh),
    "cosh": ((-20.0, 20.0), mpmath.cosh), "tanh": ((-5.0, 5.0), mpmath.tanh), "arcsinh": ((-1e2, 1e2), mpmath.asinh), "arccosh": ((1.0, 1e2), mpmath.acosh),
    "arctanh": ((-0.99, 0.99), mpmath.atanh), "cbrt": ((0.0, 1e3), mpmath.cbrt), "sqrt": ((0.0, 1e3), mpmath.sqrt), "erf": ((-3.0, 3.0), mpmath.erf),
    "erfc": ((-3.0, 3.0), mpmath.erfc), "expit": ((-30.0, 30.0), lambda x: 1 / (1 + mpmath.exp(-x))),
}


@pytest.mark.parametrize("form", ["lanes", "scalars"])
def test_elementary_functions_are_within_4_ulp(form):
    """Of values computed with 50 digits; in lanes at 400 points, as scalars (packed calls where there are several) at 8."""
    rng = np.random.default_rng(2)
    names = sorted(ELEMENTARY)
    points = [rng.uniform(*ELEMENTARY[name][0], 400 if form == "lanes" else 8) for name in names]
    if form == "lanes":
        found = jit(lambda points: tuple([apply(TABLE[name], (x,)) for name, x in zip(names, points)]), simplify=False)(points)
    else:
        found = jit(lambda points: tuple([np.stack([apply(TABLE[name], (x[k],)) for k in range(8)]) for name, x in zip(names, points)]),
                    simplify=False)(points)
    worst = {}
    with mpmath.workdps(50):
        for name, x, value in zip(names, points, found):
            exact = [ELEMENTARY[name][1](mpmath.mpf(float(each))) for each in x]
            worst[name] = max(float(abs(mpmath.mpf(float(v)) - e)) / np.spacing(abs(float(e))) for v, e in zip(value, exact))
    assert not {name: ulp for name, ulp in worst.items() if ulp > 4}, worst


def test_tanh_in_lanes_from_the_smallest_numbers_to_infinity():
    rng = np.random.default_rng(6)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 22.0, 21.9, 1e300, 5e-324]
    x = np.concatenate([10.0 ** rng.uniform(-320, 1.5, 300), -(10.0 ** rng.uniform(-20, 1.5, 300)), special])
    found = jit(np.tanh)(x)
    assert np.signbit(found[601]) and not np.signbit(found[600]) and np.isnan(found[604])
    with mpmath.workdps(50):
        exact = [mpmath.tanh(mpmath.mpf(float(each))) if np.isfinite(each) else mpmath.mpf(float(np.tanh(each))) for each in x]
        error = [float(abs(mpmath.mpf(float(v)) - e)) / np.spacing(abs(float(e))) for v, e, each in zip(found, exact, x) if each == each]
    assert max(error) <= 4


def test_partials_of_both_kinds_are_counted():
    """Declared partials have their reason beside them; the others are SymPy's."""
    differentiable = [op for op in TABLE.values() if op.kind == "elementwise" and op.partials is not ZERO]
    derived = [op for op in differentiable if op.name in PARTIALS]
    assert (len(derived), len(differentiable) - len(derived)) == (21, 66)


def test_operator_powers_are_those_of_numpy_arrays():
    """``x ** 2`` is a square, whatever the level of simplification: no call of pow, and no test of the exponent in the derivative."""
    x = np.array([-3.0, -0.0, 0.5, np.inf, -np.inf])
    for exponent in (2, 2.0, -1, 0.5):
        f = jit(lambda x: x ** exponent, simplify=False)
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(f(x), x ** exponent)
        assert "power" not in str(f.graph)
    slope = grad(lambda x: np.sum(x ** 2), simplify=False)
    np.testing.assert_array_equal(slope(x), 2 * x)
    assert "power" not in str(slope.gradient_graph)
