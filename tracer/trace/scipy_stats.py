"""Distributions of ``scipy.stats`` on traced values: densities, distribution functions and quantiles from their formulas.

Each row of the table has the formulas of the standard form; location and scale, supports, and what follows from the others are common.
SciPy's own functions compute whenever nothing traced comes in, and what is not in the table is refused by name.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..errors import UnsupportedError
from ..ops import TABLE
from .context import user_line_of, user_location
from .libraries import carries
from .numpy_api.masked import Picked
from .value import Traced, elementwise

_HALF_LOG_TAU, _ROOT_2 = 0.5 * math.log(2 * math.pi), math.sqrt(2.0)


def _special(name: str) -> Callable:
    """A function of ``scipy.special``, also of numbers that are not traced."""
    def function(*args):
        if any(type(each) is Traced for each in args):
            return elementwise(TABLE[name], args)
        return getattr(sys.modules["scipy.special"], name)(*args)
    return function


_betainc, _betaln, _expit, _gammainc, _gammaincc, _gammaln, _i0e, _log_expit, _log_ndtr, _logit, _ndtr, _ndtri, _stdtr, _xlog1py, _xlogy = [
    _special(name) for name in ("betainc", "betaln", "expit", "gammainc", "gammaincc", "gammaln", "i0e", "log_expit", "log_ndtr", "logit", "ndtr", "ndtri",
                                "stdtr", "xlog1py", "xlogy")]


class Form(NamedTuple):
    """The formulas of a standard distribution, of a value and its shapes. ``support``: where the density is not zero, of the shapes.
    ``inside``: a value of the support, for what is not in it."""

    log: Callable
    support: tuple = (-math.inf, math.inf)
    inside: float = 0.5
    cdf: Callable | None = None
    sf: Callable | None = None
    logcdf: Callable | None = None
    logsf: Callable | None = None
    ppf: Callable | None = None
    is_discrete: bool = False


def _normal(y):
    return -0.5 * y * y - _HALF_LOG_TAU


def _symmetric_log(y):
    size = np.abs(y)
    return -size - 2 * np.log1p(np.exp(-size))


def _log_choose(n, k):
    return _gammaln(n + 1.0) - _gammaln(k + 1.0) - _gammaln(n - k + 1.0)


POSITIVE, UNIT = (0.0, math.inf), (0.0, 1.0)
FORMS: dict[str, Form] = {
    "norm": Form(_normal, cdf=_ndtr, sf=lambda y: _ndtr(-y), logcdf=_log_ndtr, logsf=lambda y: _log_ndtr(-y), ppf=_ndtri),
    "lognorm": Form(lambda y, s: -np.log(y * s) - _HALF_LOG_TAU - 0.5 * (np.log(y) / s) ** 2, POSITIVE, cdf=lambda y, s: _ndtr(np.log(y) / s),
                    sf=lambda y, s: _ndtr(-np.log(y) / s), logcdf=lambda y, s: _log_ndtr(np.log(y) / s), logsf=lambda y, s: _log_ndtr(-np.log(y) / s),
                    ppf=lambda q, s: np.exp(s * _ndtri(q))),
    "expon": Form(lambda y: -y, POSITIVE, cdf=lambda y: -np.expm1(-y), sf=lambda y: np.exp(-y), logsf=lambda y: -y, ppf=lambda q: -np.log1p(-q)),
    "uniform": Form(lambda y: 0.0 * y, UNIT, cdf=lambda y: y, sf=lambda y: 1 - y, ppf=lambda q: q),
    "t": Form(lambda y, df: _gammaln((df + 1) / 2) - _gammaln(df / 2) - 0.5 * np.log(df * math.pi) - (df + 1) / 2 * np.log1p(y * y / df),
              cdf=lambda y, df: _stdtr(df, y), sf=lambda y, df: _stdtr(df, -y)),
    "cauchy": Form(lambda y: -np.log(math.pi * (1 + y * y)), cdf=lambda y: 0.5 + np.arctan(y) / math.pi, sf=lambda y: 0.5 - np.arctan(y) / math.pi,
                   ppf=lambda q: np.tan(math.pi * (q - 0.5))),
    "laplace": Form(lambda y: -np.abs(y) - math.log(2), cdf=lambda y: np.where(y > 0, 1 - 0.5 * np.exp(-np.abs(y)), 0.5 * np.exp(-np.abs(y))),
                    sf=lambda y: np.where(y > 0, 0.5 * np.exp(-np.abs(y)), 1 - 0.5 * np.exp(-np.abs(y)))),
    "logistic": Form(_symmetric_log, cdf=_expit, sf=lambda y: _expit(-y), logcdf=_log_expit, logsf=lambda y: _log_expit(-y), ppf=_logit),
    "gamma": Form(lambda y, a: _xlogy(a - 1.0, y) - y - _gammaln(a), POSITIVE,
                  cdf=lambda y, a: _gammainc(a, y), sf=lambda y, a: _gammaincc(a, y)),
    "chi2": Form(lambda y, df: _xlogy(df / 2 - 1, y) - y / 2 - _gammaln(df / 2) - math.log(2) / 2 * df, POSITIVE,
                 cdf=lambda y, df: _gammainc(df / 2, y / 2), sf=lambda y, df: _gammaincc(df / 2, y / 2)),
    "invgamma": Form(lambda y, a: -(a + 1.0) * np.log(y) - _gammaln(a) - 1 / y, POSITIVE,
                     cdf=lambda y, a: _gammaincc(a, 1 / y), sf=lambda y, a: _gammainc(a, 1 / y)),
    "beta": Form(lambda y, a, b: _xlog1py(b - 1.0, -y) + _xlogy(a - 1.0, y) - _betaln(a, b), UNIT,
                 cdf=lambda y, a, b: _betainc(a, b, y), sf=lambda y, a, b: _betainc(b, a, 1 - y)),
    "weibull_min": Form(lambda y, c: np.log(c) + _xlogy(c - 1.0, y) - y ** c, POSITIVE, cdf=lambda y, c: -np.expm1(-(y ** c)),
                        sf=lambda y, c: np.exp(-(y ** c)), logsf=lambda y, c: -(y ** c), ppf=lambda q, c: (-np.log1p(-q)) ** (1.0 / c)),
    "gumbel_r": Form(lambda y: -y - np.exp(-y), cdf=lambda y: np.exp(-np.exp(-y)), sf=lambda y: -np.expm1(-np.exp(-y)), logcdf=lambda y: -np.exp(-y),
                     ppf=lambda q: -np.log(-np.log(q))),
    "gumbel_l": Form(lambda y: y - np.exp(y), cdf=lambda y: -np.expm1(-np.exp(y)), sf=lambda y: np.exp(-np.exp(y)), logsf=lambda y: -np.exp(y)),
    "pareto": Form(lambda y, b: np.log(b) - (b + 1.0) * np.log(y), (1.0, math.inf), 2.0, cdf=lambda y, b: 1 - y ** -b, sf=lambda y, b: y ** -b,
                   logsf=lambda y, b: -b * np.log(y)),
    "halfnorm": Form(lambda y: _normal(y) + math.log(2), POSITIVE, cdf=lambda y: _special("erf")(y / _ROOT_2), sf=lambda y: 2 * _ndtr(-y)),
    "rayleigh": Form(lambda y: np.log(y) - 0.5 * y * y, POSITIVE, cdf=lambda y: -np.expm1(-0.5 * y * y), sf=lambda y: np.exp(-0.5 * y * y),
                     logsf=lambda y: -0.5 * y * y),
    "maxwell": Form(lambda y: _normal(y) + math.log(2) + 2 * np.log(y), POSITIVE,
                   cdf=lambda y: _gammainc(1.5, y * y / 2), sf=lambda y: _gammaincc(1.5, y * y / 2)),
    "halfcauchy": Form(lambda y: math.log(2 / math.pi) - np.log1p(y * y), POSITIVE, cdf=lambda y: 2 / math.pi * np.arctan(y)),
    "skewnorm": Form(lambda y, a: _normal(y) + math.log(2) + _log_ndtr(a * y)),
    "truncnorm": Form(lambda y, a, b: _normal(y) - np.log(_ndtr(b) - _ndtr(a)), (lambda a, b: a, lambda a, b: b), 0.5,
                      cdf=lambda y, a, b: (_ndtr(y) - _ndtr(a)) / (_ndtr(b) - _ndtr(a)), sf=lambda y, a, b: (_ndtr(b) - _ndtr(y)) / (_ndtr(b) - _ndtr(a))),
    "vonmises": Form(lambda y, kappa: kappa * (np.cos(y) - 1) - math.log(2 * math.pi) - np.log(_i0e(kappa))),
    "poisson": Form(lambda k, mu: _xlogy(k, mu) - _gammaln(k + 1.0) - mu, POSITIVE, 0.0, is_discrete=True),
    "binom": Form(lambda k, n, p: _log_choose(n, k) + _xlogy(k, p) + _xlog1py(n - k, -p), (lambda n, p: 0.0, lambda n, p: n), 0.0, is_discrete=True),
    "bernoulli": Form(lambda k, p: _xlogy(k, p) + _xlog1py(1 - k, -p), UNIT, 0.0, is_discrete=True),
    "nbinom": Form(lambda k, n, p: _gammaln(n + k) - _gammaln(k + 1.0) - _gammaln(n) + n * np.log(p) + _xlog1py(k, -p), POSITIVE, 0.0, is_discrete=True),
    "geom": Form(lambda k, p: np.log(p) + _xlog1py(k - 1.0, -p), (1.0, math.inf), 1.0, is_discrete=True),
}


# What follows from the formulas ---------------------------------------------------------------------------------------------

class _Standard:
    """A value in standard form, with what is not in the support replaced, and the conditions for that."""

    def __init__(self, form: Form, x, shapes: tuple, loc, scale):
        y = (np.asarray(x) if not carries((x,)) else x) - loc
        self.scale, self.shapes = scale, shapes
        y = y if form.is_discrete else y / scale
        low, high = [end(*shapes) if callable(end) else end for end in form.support]
        self.is_below, self.is_above = y < low, y > high
        self.is_inside = np.logical_not(np.logical_or(self.is_below, self.is_above))
        if form.is_discrete:
            self.is_inside = np.logical_and(self.is_inside, np.floor(y) == y)
        is_bounded = form.support != (-math.inf, math.inf)
        self.y = np.where(self.is_inside, y, form.inside if not callable(form.support[0]) or form.is_discrete else low) if is_bounded else y
        self.is_bounded = is_bounded

    def of_density(self, value, outside):
        value = np.where(self.is_inside, value, outside) if self.is_bounded else value
        return np.where(np.isnan(self.scale) | (self.scale > 0), value, np.nan) if carries((self.scale,)) else value

    def of_probability(self, value, below, above):
        return np.where(self.is_below, below, np.where(self.is_above, above, value)) if self.is_bounded else value


def _log_density(form: Form, x, shapes, loc, scale):
    at = _Standard(form, x, shapes, loc, scale)
    value = form.log(at.y, *shapes)
    return at.of_density(value if form.is_discrete else value - np.log(scale), -np.inf)


def _density(form: Form, x, shapes, loc, scale):
    return np.exp(_log_density(form, x, shapes, loc, scale))


def _probability(name: str, other: str, below: float) -> Callable:
    def function(form: Form, x, shapes, loc, scale):
        at = _Standard(form, x, shapes, loc, scale)
        if getattr(form, name) is not None:
            return at.of_probability(getattr(form, name)(at.y, *shapes), below, 1.0 - below)
        if getattr(form, other) is None:
            return None
        return at.of_probability(1 - getattr(form, other)(at.y, *shapes), below, 1.0 - below)
    return function


_cdf, _sf = _probability("cdf", "sf", 0.0), _probability("sf", "cdf", 1.0)


def _log_probability(name: str, plain: Callable, below: float) -> Callable:
    def function(form: Form, x, shapes, loc, scale):
        if getattr(form, name) is None:
            found = plain(form, x, shapes, loc, scale)
            return None if found is None else np.log(found)
        at = _Standard(form, x, shapes, loc, scale)
        return at.of_probability(getattr(form, name)(at.y, *shapes), below, 0.0 if below else -np.inf)
    return function


def _quantile(form: Form, q, shapes, loc, scale):
    return None if form.ppf is None else form.ppf(q, *shapes) * scale + loc


METHODS: dict[str, Callable] = {
    "pdf": _density, "logpdf": _log_density, "pmf": _density, "logpmf": _log_density, "cdf": _cdf, "sf": _sf, "ppf": _quantile,
    "logcdf": _log_probability("logcdf", _cdf, -np.inf), "logsf": _log_probability("logsf", _sf, 0.0),
    "isf": lambda form, q, *rest: _quantile(form, 1 - q, *rest),
}


# What stands for the objects ------------------------------------------------------------------------------------------------

class Distribution:
    """What stands for ``scipy.stats.norm`` and its kin, also frozen with parameters."""

    def __init__(self, original, args: tuple = (), kwargs: dict | None = None):
        self._original, self._args, self._kwargs = original, args, kwargs or {}

    def __call__(self, *args, **kwargs):
        return Distribution(self._original, args, kwargs)

    def __getattr__(self, name: str):
        found = getattr(self._original, name)
        if not callable(found) or name.startswith("_"):
            return found

        def method(*args, **kwargs):
            args, kwargs = (args[:1] + self._args + args[1:], self._kwargs | kwargs) if name in METHODS else (self._args + args, self._kwargs | kwargs)
            picked = next((each for each in (*args, *kwargs.values()) if isinstance(each, Picked)), None)
            if picked is not None:
                args, kwargs = [picked.partner(each) for each in args], {key: picked.partner(each) for key, each in kwargs.items()}
                return Picked(picked.mask, self._of_traced(name, args, kwargs))
            return self._of_traced(name, args, kwargs) if carries((*args, *kwargs.values())) else found(*args, **kwargs)
        return method

    def _of_traced(self, name: str, args: tuple, kwargs: dict):
        form, title = FORMS.get(self._original.name), f"scipy.stats.{self._original.name}"
        result = None
        if form is not None and name in METHODS and (name in ("pmf", "logpmf")) <= form.is_discrete:
            result = METHODS[name](form, *self._parameters(title, form, args, kwargs))
        if result is None:
            density = "pmf" if form is not None and form.is_discrete else "pdf"
            there = [each for each in METHODS if form is not None and (each[-3:] == density or getattr(form, each.removeprefix("log"), None) is not None)]
            raise UnsupportedError(f"{title}.{name} is not supported on traced values ({user_line_of(user_location(2))}). "
                                   + (f"Of this distribution {', '.join(there)} are." if there else "Write its density with scipy.special's functions."))
        return result

    def _parameters(self, title: str, form: Form, args: tuple, kwargs: dict) -> tuple:
        """(value, shapes, location, scale)."""
        names = [name.strip() for name in (self._original.shapes or "").split(",") if name.strip()]
        names = ["x", *names, "loc", *(() if form.is_discrete else ("scale",))]
        kwargs = {("x" if name in ("k", "q") else name): value for name, value in kwargs.items()}
        if len(args) > len(names) or not kwargs.keys() <= set(names[len(args):]):
            raise TypeError(f"{title} takes {', '.join(names)}")
        given = dict(zip(names, args)) | kwargs
        missing = [name for name in names[:-1] if name not in given and name not in ("loc", "scale")]
        if missing:
            raise TypeError(f"{title} is missing {', '.join(missing)}")
        arrays = {name: np.asarray(value) if type(value) in (list, tuple) and not carries(value) else value for name, value in given.items()}
        shapes = tuple([arrays[name] for name in names[1:] if name not in ("loc", "scale")])
        return arrays["x"], shapes, arrays.get("loc", 0.0), arrays.get("scale", 1.0)


class MultivariateNormal:
    """What stands for ``scipy.stats.multivariate_normal``."""

    def __init__(self, original, parameters: tuple = (), named: dict | None = None):
        self._original, self._parameters, self._named = original, parameters, named or {}

    def __call__(self, *args, **kwargs):
        return MultivariateNormal(self._original, args, kwargs) if carries((*args, *kwargs.values())) else FrozenNormal(self._original(*args, **kwargs))

    def __getattr__(self, name: str):
        found = getattr(self._original, name)
        if name not in ("pdf", "logpdf"):
            return found

        def method(x, *args, **kwargs):
            args, kwargs = self._parameters + args, self._named | kwargs
            if not carries((x, *args, *kwargs.values())):
                return found(x, *args, **kwargs)
            value = log_normal(x, *args, **kwargs)
            return value if name == "logpdf" else np.exp(value)
        return method


class FrozenNormal:
    """What stands for one with constant parameters."""

    def __init__(self, original):
        self._original = original

    def __getattr__(self, name: str):
        found = getattr(self._original, name)
        if name not in ("pdf", "logpdf"):
            return found

        def method(x):
            if not carries((x,)):
                return found(x)
            value = log_normal(x, self._original.mean, self._original.cov_object.covariance)
            return value if name == "logpdf" else np.exp(value)
        return method


def log_normal(x, mean=None, cov=1, allow_singular=False, seed=None):
    """The logarithm of the density of a normal distribution in several dimensions; NaN for a singular covariance."""
    cov = cov if carries((cov,)) else np.asarray(cov, float)
    n = max([np.shape(each)[-1] for each in (mean, cov) if each is not None and np.ndim(each)], default=None) or (np.shape(x)[-1] if np.ndim(x) else 1)
    matrix = cov if np.ndim(cov) == 2 else np.diag(np.broadcast_to(cov, (n,)))
    x = x if carries((x,)) else np.asarray(x, float)
    x = np.reshape(x, (-1, 1)) if n == 1 and np.ndim(x) == 1 and np.size(x) > 1 else x
    away = x - (0.0 if mean is None else mean if carries((mean,)) else np.asarray(mean, float))
    rows = np.reshape(away, (-1, n))
    distance = np.sum(rows * np.linalg.solve(matrix, rows.T).T, axis=-1)
    value = -0.5 * (distance + np.linalg.slogdet(matrix)[1]) - n * _HALF_LOG_TAU
    return np.reshape(value, np.shape(away)[:-1])


def distribution(value, kind: type):
    """What stands for an object of ``scipy.stats``; None for any other."""
    if not kind.__module__.startswith("scipy.stats."):
        return None
    if kind.__name__ == "multivariate_normal_gen":
        return MultivariateNormal(value)
    if kind.__name__ == "multivariate_normal_frozen":
        return FrozenNormal(value)
    if kind.__name__ in ("rv_continuous_frozen", "rv_discrete_frozen"):
        return Distribution(value.dist, value.args, value.kwds)
    return Distribution(value) if hasattr(value, "shapes") and hasattr(value, "name") else None
