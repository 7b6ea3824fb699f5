"""Distributions, interpolators, linear algebra and distances of SciPy on traced values, against SciPy and its differences."""

import numpy as np
import pytest
from scipy import integrate, interpolate, linalg, stats
from scipy.spatial import distance

from tracer import DerivativeError, UnsupportedError, value_and_grad

X = np.array([0.7, 1.9, 0.4, 1.2])
WEIGHTS = np.array([1.0, -0.5, 2.0, 0.3])
COUNTS = np.array([0, 1, 2, 5])
MATRIX = np.array([[3.0, 0.5, 0.1], [0.5, 2.0, 0.3], [0.1, 0.3, 1.5]])
KNOTS = np.array([0.0, 0.5, 1.1, 1.6, 2.4])
TABLES = {"spline": interpolate.CubicSpline(KNOTS, np.sin(KNOTS)),
          "natural": interpolate.CubicSpline(KNOTS, np.sin(KNOTS), bc_type="natural", extrapolate=False),
          "pchip": interpolate.PchipInterpolator(KNOTS, KNOTS ** 2), "akima": interpolate.Akima1DInterpolator(KNOTS, KNOTS ** 2),
          "rows": interpolate.CubicSpline(KNOTS, np.stack([KNOTS, KNOTS ** 2], axis=1)), "line": interpolate.interp1d(KNOTS, KNOTS ** 2, bounds_error=False),
          "pieces": interpolate.PPoly(np.array([[1.0, -1.0], [0.5, 2.0]]), np.array([0.0, 1.0, 3.0]))}


def numerical(function, x, h=1e-4):
    """Central differences, extrapolated."""
    def of_step(h):
        return np.array([(float(function(x + d)) - float(function(x - d))) / (2 * h) for d in h * np.eye(x.size)])
    return (4 * of_step(h / 2) - of_step(h)) / 3


def check(function, x=X):
    value, slope = value_and_grad(function)(x)
    assert value == pytest.approx(float(function(x)), rel=1e-11)
    np.testing.assert_allclose(slope, numerical(function, x), rtol=2e-6, atol=1e-8)
    assert np.any(slope != 0)


# (shapes, whether there are formulas for the distribution function)
CONTINUOUS = {"norm": ((), True), "lognorm": ((0.7,), True), "expon": ((), True), "uniform": ((), True), "t": ((4.0,), True), "cauchy": ((), True),
              "laplace": ((), True), "logistic": ((), True), "gamma": ((2.3,), True), "chi2": ((3.2,), True), "invgamma": ((2.5,), True),
              "beta": ((2.0, 3.1), True), "weibull_min": ((1.7,), True), "gumbel_r": ((), True), "gumbel_l": ((), True), "pareto": ((2.2,), True),
              "halfnorm": ((), True), "rayleigh": ((), True), "maxwell": ((), True), "halfcauchy": ((), True), "skewnorm": ((1.5,), False),
              "truncnorm": ((-1.0, 2.5), True), "vonmises": ((1.3,), False)}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_distributions(name):
    (shapes, has_cdf), kind = CONTINUOUS[name], getattr(stats, name)

    def places(x):
        return x / 3 if name in ("uniform", "beta") else x + 1.1 if name == "pareto" else x
    for method in ("logpdf", "pdf", *(("cdf", "sf", "logcdf", "logsf") if has_cdf else ())):
        if (name, method) != ("uniform", "logpdf") and (name, method) != ("uniform", "pdf"):
            check(lambda x, method=method: np.sum(WEIGHTS * getattr(kind, method)(places(x), *shapes)))
    check(lambda x: np.sum(kind.logpdf(places(X), *[a * x[0] / 0.7 for a in shapes], loc=0.1 * x[1] - 0.19, scale=x[3] / 1.2)) + x[2])


@pytest.mark.parametrize("name, shapes", [("poisson", ()), ("binom", (7,)), ("bernoulli", ()), ("nbinom", (3,)), ("geom", ())])
def test_discrete_distributions(name, shapes):
    counts = {"bernoulli": COUNTS % 2, "geom": COUNTS + 1}.get(name, COUNTS)
    for method in ("logpmf", "pmf"):
        check(lambda x, method=method: np.sum(WEIGHTS * getattr(getattr(stats, name), method)(counts, *shapes, x / 3)))
    assert value_and_grad(lambda x: np.sum(getattr(stats, name).pmf(counts + 0.5, *shapes, x / 3)))(X)[0] == 0.0


def test_outside_of_the_support_and_with_a_bad_scale():
    x = np.array([-1.0, 0.5, 1.0, 2.0])
    for kind, shapes in ((stats.uniform, ()), (stats.expon, ()), (stats.beta, (2.0, 3.0)), (stats.gamma, (2.0,)), (stats.truncnorm, (0.0, 1.0))):
        for method in ("pdf", "logpdf"):
            density = getattr(kind, method)
            value, slope = value_and_grad(lambda x, f=density, s=shapes: np.sum(np.where(np.isfinite(v := f(x, *s)), v, -3.0)))(x)
            expected = getattr(kind, method)(x, *shapes)
            assert value == pytest.approx(np.sum(np.where(np.isfinite(expected), expected, -3.0))) and np.isfinite(slope).all()
    assert np.isnan(value_and_grad(lambda s: stats.norm.logpdf(0.3, 0.0, s))(-1.0)[0])


def test_quantiles_and_frozen_distributions():
    check(lambda x: np.sum(WEIGHTS * (stats.norm.ppf(x / 3) + stats.expon.ppf(x / 3) + stats.logistic.isf(x / 3) + stats.weibull_min.ppf(x / 3, 1.7))))
    check(lambda x: np.sum(stats.norm(x[0], x[1]).logpdf(X)) + stats.norm(0.1, 2.0).cdf(x[2]) + stats.gamma(a=x[0], scale=x[1]).logpdf(1.3))
    check(lambda x: stats.norm.cdf(x[0], loc=x[1]) * stats.norm.mean(0.3) + stats.norm.pdf(x=x[2], scale=x[3]))


def test_the_normal_distribution_in_several_dimensions():
    normal = stats.multivariate_normal
    check(lambda x: normal.logpdf(x[:3], np.zeros(3), MATRIX * x[3]) + normal.pdf(x[:3], x[:3] ** 2, MATRIX))
    check(lambda x: np.sum(normal(x[:3], MATRIX).logpdf(np.arange(6.0).reshape(2, 3))) + normal.logpdf(x[:2], np.zeros(2), [2.0, 0.5]))
    frozen = normal(np.ones(3), MATRIX)
    check(lambda x: frozen.logpdf(x[:3]) + np.sum(frozen.pdf(np.outer(x[:2], x[1:]))) + normal.logpdf(x[0], 0.3, x[1]))


def test_what_a_distribution_has_no_formula_for_is_refused_by_name():
    with pytest.raises(UnsupportedError, match=r"scipy.stats.vonmises.cdf is not supported on traced values \(.*:\d+\). Of this distribution pdf, logpdf are."):
        value_and_grad(lambda x: stats.vonmises.cdf(x, 2.0))(1.0)
    with pytest.raises(DerivativeError, match="gammainc"):
        value_and_grad(lambda a: stats.gamma.cdf(1.0, a))(2.0)
    with pytest.raises(UnsupportedError, match=r"scipy.stats.levy.pdf .* Write its density"):
        value_and_grad(lambda x: stats.levy.pdf(x))(1.0)
    with pytest.raises(TypeError, match=r"scipy.stats.t is missing df"):
        value_and_grad(lambda x: stats.t.pdf(x))(1.0)


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_looked_up_at_traced_places(name):
    check(lambda x: np.sum(TABLES[name](x).T * WEIGHTS) + np.sum(TABLES[name](x[0])))
    if name not in ("line", "rows", "pieces"):
        check(lambda x: np.sum(TABLES[name](x, 1) * WEIGHTS) + TABLES[name].derivative()(x[0]) + TABLES[name](0.3))


def test_tables_that_are_made_inside():
    check(lambda x: np.sum(interpolate.CubicSpline(KNOTS, KNOTS ** 3)(x) * WEIGHTS) + interpolate.interp1d(KNOTS, KNOTS ** 2)(x[0]))
    check(lambda x: np.sum(TABLES["spline"](x * 3.0)))  # beyond the last knot
    with pytest.raises(UnsupportedError, match=r"CubicSpline of a traced table .* np.interp"):
        value_and_grad(lambda x: interpolate.CubicSpline(KNOTS[:4], x)(0.3))(X)


ALGEBRA = {
    "norm, det, inv": lambda x: linalg.norm(x) + linalg.det(MATRIX * x[0]) + np.sum(linalg.inv(MATRIX * x[1])),
    "solve": lambda x: np.sum(linalg.solve(MATRIX * x[3], x[:3], assume_a="pos"))
                       + np.sum(linalg.solve(MATRIX + np.outer(x[:3], x[1:]), X[:3], transposed=True)),
    "solve_triangular": lambda x: np.sum(linalg.solve_triangular(MATRIX * x[3], x[:3], lower=True))
                                  + np.sum(linalg.solve_triangular(MATRIX, x[:3], trans="T"))
                                  + np.sum(linalg.solve_triangular(MATRIX * x[3], x[:3], unit_diagonal=True)),
    "cholesky": lambda x: np.sum(linalg.cholesky(MATRIX * x[0], lower=True) * np.arange(9.0).reshape(3, 3)) + linalg.cholesky(MATRIX * x[1])[0, 2],
    "cho_solve": lambda x: np.sum(linalg.cho_solve(linalg.cho_factor(MATRIX * x[0]), x[:3]))
                           + np.sum(linalg.cho_solve((linalg.cholesky(MATRIX), False), x[1:])),
    "block_diag": lambda x: np.sum(linalg.block_diag(MATRIX * x[0], x[:2], x[1]) * np.arange(30.0).reshape(5, 6)),
    "integrals": lambda x: integrate.trapezoid(x, KNOTS[:4]) + integrate.simpson(x, dx=0.3)
                           + np.sum(integrate.cumulative_trapezoid(x, KNOTS[:4], initial=0)),
    "cdist": lambda x: sum(np.sum(distance.cdist(x.reshape(2, 2), np.arange(6.0).reshape(3, 2), m) * np.arange(6.0).reshape(2, 3))
                           for m in ("euclidean", "sqeuclidean", "cityblock", "cosine", "canberra", "braycurtis", "chebyshev")),
    "pdist": lambda x: np.sum(distance.pdist(np.outer(x, x + 1.0)[:, :3]) * np.arange(6.0)) + np.sum(distance.pdist(x[:, None], "minkowski", p=3)),
    "distances": lambda x: distance.mahalanobis(x[:3], X[1:], MATRIX) + sum(
        getattr(distance, name)(x, WEIGHTS) for name in ("euclidean", "cosine", "correlation", "canberra", "braycurtis", "chebyshev", "cityblock",
                                                         "sqeuclidean", "minkowski")),
}


@pytest.mark.parametrize("function", ALGEBRA.values(), ids=ALGEBRA.keys())
def test_functions_that_end_in_compiled_code(function):
    check(function, np.array([0.83, 1.71, 0.45, 1.2]))
