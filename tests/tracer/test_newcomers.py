"""What people who are new bring along: programs of physics, statistics and finance, and what they stumble over."""

import math
import time

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from tracer import InPlaceError, TracedBoolError, TracedConversionError, UnsupportedError, grad, hessian, jit, value_and_grad
from tracer.errors import ImpureError

X = np.array([0.4, -1.2, 2.3])


def numerical(function, x, h=1e-5):
    """Central differences."""
    x = np.asarray(x, float)
    return np.reshape([(function(x + d.reshape(x.shape)) - function(x - d.reshape(x.shape))) / (2 * h) for d in h * np.eye(x.size)], x.shape)


def agrees(function, *points, tolerance=1e-6):
    """Value and gradient at each point, against the native function and its differences."""
    compiled = value_and_grad(function)
    for x in points:
        value, gradient = compiled(x)
        assert value == pytest.approx(function(x), rel=1e-13)
        assert np.allclose(gradient, numerical(function, x), rtol=tolerance, atol=tolerance)


# Copies that hold what an argument does ---------------------------------------------------------------------------------

COPIES = {
    "tile": lambda x: np.tile(x, (2, 1)), "tile once": lambda x: np.tile(x, 1), "repeat": lambda x: np.repeat(x, 2), "repeat once": lambda x: np.repeat(x, 1),
    "roll by nothing": lambda x: np.roll(x, 0), "pad by nothing": lambda x: np.pad(x, 0), "concatenate one": lambda x: np.concatenate([x]),
    "stack one": lambda x: np.stack([x]), "vstack": lambda x: np.vstack([x]), "c_": lambda x: np.c_[x], "block": lambda x: np.block([x]),
    "delete": lambda x: np.delete(x, 0), "take": lambda x: np.take(x, [0, 1]), "x.take": lambda x: x.take([0, 1, 2]), "integers": lambda x: x[[0, 1]],
    "all of them": lambda x: x[np.arange(3)], "mask": lambda x: x[np.array([True, False, True])], "positive": np.positive,
    "compress": lambda x: np.compress([1, 1, 0], x), "sum over nothing": lambda x: np.sum(x, axis=()), "sum of one row": lambda x: np.sum(x[None], axis=0),
    "max of one row": lambda x: np.max(x[None], axis=0), "add.reduce": lambda x: np.add.reduce(x[None]), "choose": lambda x: np.choose([0, 0, 0], [x]),
    "take_along_axis": lambda x: np.take_along_axis(x, np.arange(3), 0), "full_like": lambda x: np.full_like(x, x), "resize": lambda x: np.resize(x, (2, 4)),
    "fewer": lambda x: np.resize(x, 2),
}


@pytest.mark.parametrize("name", COPIES)
def test_what_numpy_copies_may_be_written_to(name):
    def f(x):
        y = COPIES[name](x)
        y *= 2.0
        y[0] += 1.0
        return np.sum(y * y) + np.sum(x)
    agrees(f, X)


@pytest.mark.parametrize("view", [lambda x: x[1:], lambda x: x.T, lambda x: np.reshape(x, (1, 3)), lambda x: np.einsum("i->i", x), lambda x: np.diff(x, 0),
                                  lambda x: np.real_if_close(x), lambda x: x[None], lambda x: x[...]])
def test_views_of_arguments_are_still_refused(view):
    def f(x):
        y = view(x)
        y[0] = 1.0
        return np.sum(y)
    with pytest.raises(InPlaceError):
        grad(f)(X)


# None ---------------------------------------------------------------------------------------------------------------------

def hit(origin, centre):
    """Where a ray meets a sphere; None where it does not."""
    discriminant = centre * centre - origin
    if discriminant < 0:
        return None
    t = -centre - np.sqrt(discriminant)
    if t < 1e-3:
        t = -centre + np.sqrt(discriminant)
    return (t, np.array([t, origin])) if t > 1e-3 else None


def test_a_function_that_returns_none_where_there_is_nothing():
    def f(x):
        total = 0.0
        for k in range(4):
            found = hit(x * k - 1.0, x)
            if found is None:
                continue
            t, normal = found
            total += t * normal[0] + normal[1]
        return total
    agrees(f, 2.0, -1.3, 0.2)


class Sphere:
    def __init__(self, radius):
        self.radius = radius

    def hit(self, x):
        return self.radius * x if x > self.radius else None


def test_methods_that_return_none_and_the_largest_of_what_is_there():
    def f(x):
        best = None
        for sphere in [Sphere(1.0), Sphere(2.0), Sphere(3.0)]:
            distance = sphere.hit(x)
            if distance is not None and (best is None or distance > best):
                best = distance
        return best if best is not None else 0.0 * x
    agrees(f, 2.5, 0.5, 7.0)


def test_text_that_a_function_returns_is_asked_for_in_the_caller():
    def kind(x):
        return "big" if x > 1 else "small"

    def f(x):
        return x * x if kind(x) == "big" else 3 * x
    agrees(f, 2.0, 0.5)


def test_an_exception_where_there_is_none():
    def f(x):
        found = Sphere(1.0).hit(x)
        if found is None:
            raise ValueError("no hit")
        return found * x
    assert grad(f)(2.0) == pytest.approx(4.0)
    assert math.isnan(grad(f)(0.5))


@pytest.mark.parametrize("f", [lambda x: Sphere(1.0).hit(x), lambda x: Sphere(1.0).hit(x) + 1.0])
def test_none_that_nobody_asks_for_is_refused(f):
    with pytest.raises(TracedBoolError, match="None in the other"):
        grad(f)(2.0)


# np.vectorize --------------------------------------------------------------------------------------------------------------

def polynomial(x, p, power=1.0):
    a, b = p
    return a * x ** power + b * b


@pytest.mark.parametrize("excluded", [["p", 1], {1, "p"}])
def test_vectorize_passes_on_what_it_excludes(excluded):
    mapped, p = np.vectorize(polynomial, excluded=excluded), np.array([3.0, 4.0])
    agrees(lambda p: np.sum(mapped(X, p) * X), p)
    agrees(lambda p: np.sum(mapped(X ** 2, p=p, power=2.0)), p)
    agrees(lambda x: np.sum(mapped(x, p, power=np.array([1.0, 2.0, 3.0]))), X)
    agrees(lambda p: np.sum(np.vectorize(polynomial, excluded=[1])(X, p)), p)


def test_vectorize_of_several_results():
    mapped = np.vectorize(lambda x, y: (x * y, x + y))
    agrees(lambda x: np.sum(mapped(x, 2.0)[0] * mapped(x, x)[1]), X)


# Running extremes ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("ufunc", [np.maximum, np.minimum, np.fmax, np.fmin, np.logaddexp, np.logaddexp2])
def test_running(ufunc):
    x = np.random.default_rng(0).normal(size=(3, 7))
    weights = np.arange(21.0).reshape(3, 7)
    agrees(lambda x: np.sum(weights * ufunc.accumulate(x, axis=1)), x)
    agrees(lambda x: np.sum(weights * ufunc.accumulate(x)), x)
    assert grad(lambda x: np.sum(ufunc.accumulate(x)))(np.ones(0)).shape == (0,)


def test_drawdown():
    def drawdown(returns):
        wealth = np.cumprod(1 + 0.1 * returns)
        return np.max(1 - wealth / np.maximum.accumulate(wealth))
    agrees(drawdown, np.random.default_rng(3).normal(size=50))


def test_logaddexp_reduce():
    x = np.random.default_rng(0).normal(size=(3, 7))
    agrees(lambda x: np.sum(np.logaddexp.reduce(x, axis=1) ** 2) + np.sum(np.logaddexp.reduce(x)), x)


# Tables ----------------------------------------------------------------------------------------------------------------------

def test_tables_of_pandas_that_the_function_holds_compute_as_arrays():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"t": [1.0, 2.0, 4.0], "y": [2.0, 3.0, 5.0], "n": [1, 2, 3]})
    agrees(lambda x: np.mean((table["y"] - x * table["t"]) ** 2) + np.sum(np.exp(-table["t"] / 10) ** x * table.n) + np.sum(table["t"] > x), 2.5)
    agrees(lambda x: np.sum((x * table - table) ** 2), 2.5)
    agrees(lambda b: np.sum((b @ table[["t", "y", "n"]].T.iloc[:3]) ** 2), X)
    with pytest.raises(TracedConversionError, match=r"\.to_numpy\(\)"):
        grad(lambda b: np.sum(table @ b))(X)


# Masks, seeds, messages ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["pdf", "logpdf", "cdf", "logcdf", "sf", "logsf"])
def test_distributions_of_what_a_mask_picks(name):
    def f(x):
        found, m = np.empty(3), x > 0
        found[m] = getattr(stats.norm, name)(x[m], 0.3, scale=2.0)
        found[~m] = getattr(stats.norm(scale=1.5), name)(x[~m])
        return np.sum(found)
    agrees(f, X)


def test_a_generator_that_is_made_inside_with_a_seed():
    def f(x, seed):
        return x * np.random.default_rng(seed).normal()
    compiled = grad(f)
    assert [compiled(1.0, seed) for seed in (3, 4)] == [np.random.default_rng(seed).normal() for seed in (3, 4)]
    agrees(lambda x: np.sum(x * np.random.default_rng([1, 2]).normal(size=3)), X)
    for f in (lambda x: x * np.random.default_rng().normal(), lambda x: x * np.random.default_rng(None).normal()):
        with pytest.raises(ImpureError, match="with a seed"):
            grad(f)(1.0)


SOLVERS = {
    "scipy.integrate.solve_ivp": lambda p: integrate.solve_ivp(lambda t, y: -p * y, (0, 1), [1.0]).y[0, -1],
    "scipy.integrate.odeint": lambda p: integrate.odeint(lambda y, t: -p * y, 1.0, [0, 1.0])[-1, 0],
    "scipy.integrate.quad": lambda p: integrate.quad(lambda t: np.exp(-p * t), 0, 1)[0],
    "scipy.optimize.brentq": lambda p: optimize.brentq(lambda t: t ** 3 - p, 0, 10),
    "scipy.optimize.fsolve": lambda p: optimize.fsolve(lambda t: t ** 3 - p, 1.0)[0],
    "scipy.optimize.root": lambda p: optimize.root(lambda t: t ** 3 - p, 1.0).x[0],
    "scipy.optimize.minimize": lambda p: optimize.minimize(lambda t: (t - p) ** 2, 0.0).x[0],
    "scipy.optimize.least_squares": lambda p: optimize.least_squares(lambda t: t - p, 0.0).x[0],
}


@pytest.mark.parametrize("name", SOLVERS)
def test_solvers_are_refused_by_name_and_line(name):
    with pytest.raises(UnsupportedError, match=rf"{name} .*test_newcomers\.py:\d+.*not known while the graph is built\. (Write|Call|Use)"):
        grad(SOLVERS[name])(2.0)


def test_solvers_of_what_is_not_traced_and_those_that_are_python():
    assert grad(lambda p: p * optimize.minimize(lambda t: (t - 3) ** 2, 0.0).x[0])(2.0) == pytest.approx(3.0, rel=1e-6)
    agrees(lambda p: integrate.fixed_quad(lambda t: np.exp(-p * t), 0, 1, n=5)[0], 2.0)
    agrees(lambda p: optimize.newton(lambda t: t ** 3 - p, 1.0), 2.0)


def test_complex_numbers_are_refused_with_the_line():
    with pytest.raises(UnsupportedError, match=r"complex128 .*test_newcomers\.py:\d+.*real and imaginary parts"):
        grad(lambda x: np.abs(np.exp(1j * x)))(1.0)


def test_a_long_loop_with_an_early_exit_asks_no_round_about_all_earlier_ones():
    def root(x):
        for _ in range(1500):
            before = x
            x = 0.5 * (x + 2 / x)
            if abs(x - before) < 1e-13:
                break
        return x * x * before
    start = time.perf_counter()
    grad(root)(1.7)
    assert time.perf_counter() - start < 6.0  # of quadratic work it was 15


# Lists of data -----------------------------------------------------------------------------------------------------------------

def smoothed(rate, data):
    level, total = data[0], 0.0
    for x in data[1:]:
        total += (x - level) ** 2 * np.exp(-x * x)
        level = level + rate * (x - level)
    return total


@pytest.mark.parametrize("n", [5, 15, 16, 17, 150])
def test_a_loop_over_a_list_of_data(n):
    data = np.random.default_rng(n).normal(size=n)
    value, (slope, slopes) = value_and_grad(smoothed, (0, 1))(0.3, data.tolist())
    expected, (of_rate, of_data) = value_and_grad(smoothed, (0, 1))(0.3, data)
    assert value == pytest.approx(expected, rel=1e-13)
    assert slope == pytest.approx(of_rate, rel=1e-12)
    assert type(slopes) is list
    assert np.allclose(slopes, of_data, rtol=1e-12, atol=1e-14)
    assert np.allclose(hessian(smoothed, 1)(0.3, data.tolist()), hessian(smoothed, 1)(0.3, data), rtol=1e-11, atol=1e-13)


def test_lists_of_pairs_and_dicts_of_many_numbers():
    points = [(float(k), float(k) ** 2) for k in range(40)]
    assert grad(lambda a, points: sum((a * x - y) ** 2 for x, y in points))(1.3, points) == pytest.approx(sum(2 * x * (1.3 * x - y) for x, y in points))
    x, y = grad(lambda points: sum((1.3 * x - y) ** 2 for x, y in points))(points)[5]
    assert (x, y) == (pytest.approx(2.6 * (6.5 - 25)), pytest.approx(-2 * (6.5 - 25)))
    numbers = {f"k{k}": k * 0.5 for k in range(20)}
    assert grad(lambda d: sum(v * v for v in d.values()))(numbers) == {name: 2 * v for name, v in numbers.items()}
    assert grad(lambda *x: sum(k * v * v for k, v in enumerate(x)), argnums=3)(*numbers.values()) == 9.0
    assert jit(lambda x: x)(list(numbers.values())) == list(numbers.values())
    mixed = [*[0.5] * 20, 3, "a", np.ones(2), [np.float32(2.0)] * 17]
    found = grad(lambda m: sum(v * k for k, v in enumerate(m[:20])) * m[20] + np.sum(m[22]) + m[23][16] ** 2)(mixed)
    assert (found[4], found[20:22], found[23][16]) == (12.0, [None, None], 4.0)


def test_the_loop_over_a_list_is_one_of_the_graph():
    lengths = [len(value_and_grad(smoothed).lower(0.3, [0.1 * k for k in range(n)]).gradient_graph.nodes) - n for n in (100, 200)]
    assert lengths[0] == lengths[1] < 100
