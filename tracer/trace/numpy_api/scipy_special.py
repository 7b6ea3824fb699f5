"""The functions of ``scipy.special`` that are not ufuncs, so that NumPy's protocols do not reach them: the rebinder puts these in their place.

``REBOUND`` maps names in ``scipy.special`` to the functions here. The module itself is not imported (0.15 s) unless the user has done so.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable

import numpy as np

from ...errors import UnsupportedError
from ...ops import TABLE
from ..functions import implements_method
from ..value import Traced, constant, elementwise, make
from .common import axes_of, broadcast, cast, operand, operands, promoted, refuse_out, strong
from .reductions import max_, sum_

STOP_GRADIENT, PSI, GAMMALN, POLYGAMMA, ZETA = [TABLE[name] for name in ("stop_gradient", "psi", "gammaln", "polygamma", "zeta")]


def _floating(x: Traced) -> Traced:
    return strong(x) if x.node.type.is_float else cast(x, np.dtype(np.float64))


def _largest(x: Traced, axes: tuple[int, ...]) -> Traced:
    """The largest element as a constant, 0 where it is not finite: what is taken out of an exponent and put back has no gradient of its own."""
    top = max_(make(STOP_GRADIENT, (x,)), axes, keepdims=True, initial=x.dtype.type(-math.inf))
    return np.where(np.isfinite(top), top, x.dtype.type(0))


def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False):
    """log(sum(b * exp(a))), without overflow.

    The largest term is taken out as 1, and the rest enters through log1p, so that also what is far below it counts.
    """
    x = _floating(operand(a, b))
    if b is not None or return_sign:
        return _signed_logsumexp(x, axis, b, keepdims, return_sign)
    axes = axes_of(axis, x.ndim)
    top = _largest(x, axes)
    hits = cast(x == top, x.dtype)
    number = sum_(hits, axes, keepdims=True)
    ones = np.maximum(number, constant(x.owner, 1, x.dtype))
    # Where nothing is largest (all -inf, or +inf) one term 1 is taken out that was not there.
    rest = sum_(np.exp(x - top) - hits, axes, keepdims=True) + (number - ones)
    return _dropped(np.log1p(rest / ones) + np.log(ones) + top, axes, keepdims)


@implements_method(np.logaddexp, "reduce")
def _logaddexp_reduce(array, axis=0, dtype=None, out=None, keepdims=False):
    refuse_out(out, "logaddexp.reduce")
    return logsumexp(array if dtype is None else cast(operand(array), np.dtype(dtype)), axis=axis, keepdims=keepdims)


def _dropped(value: Traced, axes, keepdims) -> Traced:
    return value if keepdims else np.squeeze(value, axes)


def _signed_logsumexp(x: Traced, axis, b, keepdims, return_sign):
    if b is not None:
        x, weight = promoted(x, _floating(operand(b, x)))
        shape = np.broadcast_shapes(x.shape, weight.shape)
        x, weight = broadcast(x, shape), broadcast(weight, shape)
        x = np.where(weight == 0, x.dtype.type(-math.inf), x)
    axes = axes_of(axis, x.ndim)
    top = _largest(x, axes)
    terms = np.exp(x - top)
    total = sum_(terms if b is None else terms * weight, axes, keepdims=True)
    result = _dropped(np.log(np.abs(total) if return_sign else total) + top, axes, keepdims)
    return (result, _dropped(np.sign(total), axes, keepdims)) if return_sign else result


def softmax(x, axis=None):
    """exp(x) / sum(exp(x))."""
    x = _floating(operand(x))
    axes = axes_of(axis, x.ndim)
    terms = np.exp(x - _largest(x, axes))
    return terms / sum_(terms, axes, keepdims=True)


def log_softmax(x, axis=None):
    """x - logsumexp(x)."""
    x = _floating(operand(x))
    axes = axes_of(axis, x.ndim)
    shifted = x - _largest(x, axes)
    return shifted - np.log(sum_(np.exp(shifted), axes, keepdims=True))


def polygamma(n, x):
    """The n-th derivative of digamma; n is a static integer."""
    order = operator.index(n.item() if isinstance(n, np.generic | np.ndarray) else n)
    if order < 0:
        raise ValueError("polygamma is for n >= 0")
    x = _floating(operand(x))
    if order == 0:
        return elementwise(PSI, (x,))
    return make(POLYGAMMA, (constant(x.owner, order, x.dtype), x))


def zeta(x, q=1.0, out=None):
    """Hurwitz's zeta function; Riemann's for q = 1."""
    return make(ZETA, tuple(promoted(*[_floating(value) for value in operands(x, q)])))


def multigammaln(a, d):
    """The logarithm of the multivariate gamma function of dimension d."""
    a, d = _floating(operand(a)), operator.index(d)
    result = d * (d - 1) * 0.25 * math.log(math.pi)
    for j in range(1, d + 1):
        result = elementwise(GAMMALN, (a - (j - 1.0) / 2.0,)) + result
    return result


def factorial(n, exact=False, extend="zero"):
    """gamma(n + 1)."""
    if exact:
        raise UnsupportedError("scipy.special.factorial(exact=True) is not supported on traced values. Use scipy.special.gammaln(n + 1).")
    n = _floating(operand(n))
    return np.where(n < 0, n.dtype.type(0), np.exp(elementwise(GAMMALN, (np.where(n < 0, n.dtype.type(0), n) + 1,))))


REBOUND = {function.__name__: function for function in (logsumexp, softmax, log_softmax, polygamma, zeta, multigammaln, factorial)}


def rebound(function) -> Callable | None:
    """What stands on traced values for a function of ``scipy.special``, or of another module of SciPy that has a table; None for anything else."""
    name = getattr(function, "__name__", None)
    for module, table in TABLES.items():
        if name in table and getattr(sys.modules.get(module), name, None) is function:
            return table[name]
    return None


TABLES: dict[str, dict[str, Callable]] = {"scipy.special": REBOUND}
