"""Functions of ``scipy.special`` that likelihoods need, reached through the addresses that ``cython_special`` exports.

A partial that needs such a function itself finds it through the module, which whoever called the function has imported.
"""

from __future__ import annotations

import math

import numpy as np

from ..graph.op import DERIVED, NOT_DIFFERENTIABLE, NOT_SYMBOLIC, STRUCTURAL, ZERO, Expand, Libm, Special
from .apply import apply
from .arithmetic import ANY, POSITIVE, _sp
from .families import elementwise, resolve

WIDE, PROBABILITY = (0.25, 6.0), (0.1, 0.9)
SQRT_PI, SQRT_2PI = math.sqrt(math.pi), math.sqrt(2.0 * math.pi)


def _special(name: str):
    return resolve(f"scipy.special:{name}")


def _scipy(name: str, partials, sympy, lower, domain, arity: int = 1, kink: str = ""):
    arguments = ", ".join(f"{{{k}}}" for k in range(arity))
    source = STRUCTURAL if isinstance(lower, Expand) else f"{name}({arguments})"
    return elementwise(name, f"scipy.special:{name}", partials, sympy, lower, source, f"Special{name.title().replace('_', '')}Backward0", domain, kink=kink)


# Gamma and its relatives ----------------------------------------------------------------------------------------------------

def _digamma(x, *_):
    return _special("psi")(x)


def _polygamma(n, x):
    return apply(POLYGAMMA, (np.full_like(x, float(n)), x))


GAMMALN = _scipy("gammaln", (_digamma,), lambda x: _sp().loggamma(x), Special("gammaln"), (WIDE,))
GAMMA = _scipy("gamma", (lambda x, out: out * _digamma(x),), lambda x: _sp().gamma(x), Special("__pyx_fuse_1gamma"), (WIDE,))
PSI = elementwise("psi", ("scipy.special:psi", "scipy.special:digamma"), (lambda x, out: _polygamma(1, x),), lambda x: _sp().digamma(x),
                  Special("__pyx_fuse_1psi"), "psi({0})", "DigammaBackward0", (WIDE,))

_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_SHIFT = 12


def _hurwitz(s, q):
    """Hurwitz zeta for s > 1, q > 0 by Euler and Maclaurin (Johansson, *Numerical Algorithms* 69, 2015); NaN for q <= 0."""
    total = np.power(q, -s)
    for k in range(1, _SHIFT):
        total = total + np.power(q + float(k), -s)
    far = q + float(_SHIFT)
    power = np.power(far, -s)
    tail = np.power(far, 1.0 - s) / (s - 1.0) + 0.5 * power  # far * power would underflow beyond 1e154
    term = power * s / far
    for j, number in enumerate(_BERNOULLI):
        tail = tail + term * (number / math.factorial(2 * j + 2))
        term = term * (s + (2.0 * j + 1.0)) * (s + (2.0 * j + 2.0)) / (far * far)
    # From the smallest to the largest: the tail is far below the sum.
    value = np.where(q == 0, np.inf, np.where(q > 0, tail + total, np.nan))
    return np.where(s == 1, np.inf, np.where(s < 1, np.nan, value))


def _polygamma_body(n, x):
    """(-1)^(n+1) n! zeta(n+1, x); the first one by reflection for negative x."""
    sign = 1.0 - 2.0 * np.fmod(n + 1.0, 2.0)
    s = n + 1.0
    direct = sign * _special("gamma")(s) * _hurwitz(s, x)
    sine = np.sin(math.pi * (x - np.floor(x)))
    mirrored = (math.pi * math.pi) / (sine * sine) - _hurwitz(s, 1.0 - x)
    first = np.where(x > 0, direct, np.where(n == 1, mirrored, direct))
    return np.where(n == 0, _special("psi")(x), first)


ZETA = _scipy("zeta", (ZERO, lambda s, q, out: -s * apply(ZETA, (s + 1.0, q))), NOT_SYMBOLIC, Expand(_hurwitz), ((1.5, 5.0), WIDE), 2)
POLYGAMMA = elementwise("polygamma", (), (ZERO, lambda n, x, out: apply(POLYGAMMA, (n + 1.0, x))), lambda n, x: _sp().polygamma(n, x), Expand(_polygamma_body),
                        STRUCTURAL, "PolygammaBackward0", None, evaluate=lambda n, x: _special("polygamma")(n.astype(int), x))


def _betaln_partial(x, y):
    return _digamma(x) - _digamma(x + y)


BETALN = _scipy("betaln", (lambda x, y, out: _betaln_partial(x, y), lambda x, y, out: _betaln_partial(y, x)),
                lambda x, y: _sp().loggamma(x) + _sp().loggamma(y) - _sp().loggamma(x + y), Special("betaln"), (WIDE, WIDE), 2)
BETA = _scipy("beta", (lambda x, y, out: out * _betaln_partial(x, y), lambda x, y, out: out * _betaln_partial(y, x)),
              lambda x, y: _sp().gamma(x) * _sp().gamma(y) / _sp().gamma(x + y), Special("beta"), (WIDE, WIDE), 2)


# Incomplete gamma and beta functions: slopes along the last argument are densities, those along the others have no closed form -----------

def _gamma_density(a, x):
    return np.exp(_special("xlogy")(a - 1.0, x) - x - _special("gammaln")(a))


def _beta_density(a, b, x):
    return np.exp(_special("xlogy")(a - 1.0, x) + _special("xlog1py")(b - 1.0, -x) - _special("betaln")(a, b))


def _student_density(df, t):
    half = 0.5 * df
    return np.exp(-(half + 0.5) * np.log1p(t * t / df) - _special("betaln")(half, np.full_like(t, 0.5))) / np.sqrt(df)


def _evaluate_betainc(a, b, x):
    """In float64: SciPy's own is coarse in float32."""
    return _special("betainc")(*[np.asarray(each, np.float64) for each in (a, b, x)]).astype(np.asarray(x).dtype)


GAMMAINC = _scipy("gammainc", (NOT_DIFFERENTIABLE, lambda a, x, out: _gamma_density(a, x)), NOT_SYMBOLIC, Special("gammainc"), (WIDE, WIDE), 2)
GAMMAINCC = _scipy("gammaincc", (NOT_DIFFERENTIABLE, lambda a, x, out: -_gamma_density(a, x)), NOT_SYMBOLIC, Special("gammaincc"), (WIDE, WIDE), 2)
BETAINC = elementwise("betainc", "scipy.special:betainc", (NOT_DIFFERENTIABLE, NOT_DIFFERENTIABLE, lambda a, b, x, out: _beta_density(a, b, x)), NOT_SYMBOLIC,
                      Special("__pyx_fuse_0betainc"), "betainc({0}, {1}, {2})", "SpecialBetaincBackward0", (WIDE, WIDE, PROBABILITY),
                      evaluate=_evaluate_betainc)
STDTR = _scipy("stdtr", (NOT_DIFFERENTIABLE, lambda df, t, out: _student_density(df, t)), NOT_SYMBOLIC, Special("__pyx_fuse_0stdtr"), (WIDE, ANY), 2)
EXP1 = _scipy("exp1", (lambda x, out: -np.exp(-x) / x,), NOT_SYMBOLIC, Special("__pyx_fuse_1exp1"), (WIDE,))
EXPI = _scipy("expi", (lambda x, out: np.exp(x) / x,), NOT_SYMBOLIC, Special("__pyx_fuse_1expi"), (WIDE,))


# The error function and the normal distribution -----------------------------------------------------------------------------

ERF = _scipy("erf", DERIVED, lambda x: _sp().erf(x), Libm("erf"), (ANY,))
ERFC = _scipy("erfc", DERIVED, lambda x: _sp().erfc(x), Libm("erfc"), (ANY,))
ERFINV = _scipy("erfinv", (lambda x, out: 0.5 * SQRT_PI * np.exp(out * out),), NOT_SYMBOLIC, Special("__pyx_fuse_0erfinv"), ((-0.9, 0.9),))
ERFCINV = _scipy("erfcinv", (lambda x, out: -0.5 * SQRT_PI * np.exp(out * out),), NOT_SYMBOLIC, Special("erfcinv"), ((0.1, 1.9),))
ERFCX = _scipy("erfcx", (lambda x, out: 2.0 * x * out - 2.0 / SQRT_PI,), NOT_SYMBOLIC, Special("__pyx_fuse_1erfcx"), (ANY,))
NDTR = _scipy("ndtr", (lambda x, out: np.exp(-0.5 * (x * x)) * (1.0 / SQRT_2PI),), lambda x: (1 + _sp().erf(x / _sp().sqrt(2))) / 2,
              Special("__pyx_fuse_1ndtr"), (ANY,))


def _mills(x, out):
    """The density over the distribution function; by erfcx below, where both vanish."""
    scaled = _special("erfcx")(np.minimum(x, 0.0) * -math.sqrt(0.5))
    return np.where(x < 0, math.sqrt(2.0 / math.pi) / scaled, np.exp(-0.5 * (x * x) - out) * (1.0 / SQRT_2PI))


LOG_NDTR = _scipy("log_ndtr", (_mills,), lambda x: _sp().log((1 + _sp().erf(x / _sp().sqrt(2))) / 2), Special("__pyx_fuse_1log_ndtr"), (ANY,))
NDTRI = _scipy("ndtri", (lambda x, out: SQRT_2PI * np.exp(0.5 * (out * out)),), NOT_SYMBOLIC, Special("ndtri"), (PROBABILITY,))


# Logistic functions ---------------------------------------------------------------------------------------------------------

def _expit(x):
    """One exponential of a number that is not positive: nothing overflows, both tails are exact."""
    tail = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, tail) / (1.0 + tail)


# Declared: SymPy's exp(-x)/(1 + exp(-x))**2 is NaN at -800; out*(1 - out) loses the upper tail.
EXPIT = _scipy("expit", (lambda x, out: out * _special("expit")(-x),), lambda x: 1 / (1 + _sp().exp(-x)), Expand(_expit), (ANY,))
LOG_EXPIT = _scipy("log_expit", (lambda x, out: _special("expit")(-x),), lambda x: -_sp().log(1 + _sp().exp(-x)),
                   Expand(lambda x: np.where(x > 0, -np.log1p(np.exp(-np.abs(x))), x - np.log1p(np.exp(-np.abs(x))))), (ANY,))
LOGIT = _scipy("logit", (lambda x, out: np.where((x >= 0) & (x <= 1), 1.0 / (x * (1.0 - x)), np.nan),),
               lambda x: _sp().log(x / (1 - x)), Special("__pyx_fuse_0logit"), (PROBABILITY,))


# Entropies: products that are 0 at 0 ------------------------------------------------------------------------------------------

def _xlogy(x, y):
    return np.where((x == 0) & (y == y), 0.0, x * np.log(y))


def _xlog1py(x, y):
    return np.where((x == 0) & (y == y), 0.0, x * np.log1p(y))


XLOGY = _scipy("xlogy", (lambda x, y, out: np.where((x == 0) & (y <= 0), 0.0, np.log(y)), lambda x, y, out: x / y), lambda x, y: x * _sp().log(y),
               Expand(_xlogy), (ANY, POSITIVE), 2, kink="0 by x at x = 0, y <= 0 (PyTorch)")
XLOG1PY = _scipy("xlog1py", (lambda x, y, out: np.where((x == 0) & (y <= -1), 0.0, np.log1p(y)), lambda x, y, out: x / (1.0 + y)),
                 lambda x, y: x * _sp().log(1 + y), Expand(_xlog1py), (ANY, POSITIVE), 2, kink="0 by x at x = 0, y <= -1 (PyTorch)")
ENTR = _scipy("entr", (lambda x, out: -np.log(x) - 1.0,), lambda x: -x * _sp().log(x),
              Expand(lambda x: np.where(x > 0, -x * np.log(np.where(x > 0, x, 1.0)), np.where(x == 0, 0.0, np.where(x != x, x, -np.inf)))), (POSITIVE,))
def _log_ratio(x, y):
    """By the quotient, which is exact where x is near y, unless it overflows or vanishes."""
    ratio = x / y
    return np.where((ratio > 0) & (ratio < np.inf), np.log(ratio), np.log(x) - np.log(y))


REL_ENTR = _scipy("rel_entr", (lambda x, y, out: _log_ratio(x, y) + 1.0, lambda x, y, out: -x / y), lambda x, y: x * _sp().log(x / y), Special("rel_entr"),
                  (POSITIVE, POSITIVE), 2)
KL_DIV = _scipy("kl_div", (lambda x, y, out: _log_ratio(x, y), lambda x, y, out: 1.0 - x / y), lambda x, y: x * _sp().log(x / y) - x + y, Special("kl_div"),
                (POSITIVE, POSITIVE), 2)


# Bessel functions -------------------------------------------------------------------------------------------------------------

def _half_at_zero(x, slope):
    """The functions of order one are x/2 near 0, where out / x has no value. ``slope``: a function of x, which is given something harmless there."""
    at_zero = x == 0
    return np.where(at_zero, 0.5, slope(np.where(at_zero, 1.0, x)))


I0 = _scipy("i0", (lambda x, out: _special("i1")(x),), lambda x: _sp().besseli(0, x), Special("i0"), (POSITIVE,))
I1 = _scipy("i1", (lambda x, out: _half_at_zero(x, lambda x: _special("i0")(x) - out / x),), lambda x: _sp().besseli(1, x), Special("i1"), (POSITIVE,))
I0E = _scipy("i0e", (lambda x, out: _special("i1e")(x) - np.sign(x) * out,), NOT_SYMBOLIC, Special("i0e"), (POSITIVE,))
I1E = _scipy("i1e", (lambda x, out: _half_at_zero(x, lambda x: _special("i0e")(x) - out * np.sign(x) - out / x),), NOT_SYMBOLIC, Special("i1e"), (POSITIVE,))
J0 = _scipy("j0", (lambda x, out: -_special("j1")(x),), lambda x: _sp().besselj(0, x), Special("j0"), (POSITIVE,))
J1 = _scipy("j1", (lambda x, out: _half_at_zero(x, lambda x: _special("j0")(x) - out / x),), lambda x: _sp().besselj(1, x), Special("j1"), (POSITIVE,))
