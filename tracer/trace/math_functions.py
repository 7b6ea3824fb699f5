"""The module ``math`` on traced values. Each function does what ``math`` does when nothing traced comes in."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from ..errors import UnsupportedError
from ..ops import TABLE
from .context import user_line_of, user_location
from .value import Traced, elementwise


def any_traced(values) -> bool:
    """Is there a traced value among these, or in the tuples and lists among them?"""
    return any(type(v) is Traced or (type(v) in (tuple, list) and any_traced(v)) for v in values)


def _on_traced(original: Callable, implementation: Callable) -> Callable:
    @functools.wraps(original)
    def call(*args, **kwargs):
        return (implementation if any_traced(args) else original)(*args, **kwargs)
    return call


def _scalar(original: Callable, ufunc: Callable) -> Callable:
    """A function of numbers: arrays are refused as ``math`` refuses them."""
    def implementation(*args):
        for value in args:
            if type(value) is Traced and value.size != 1:
                raise TypeError(f"only 0-dimensional arrays can be converted to Python scalars: math.{original.__name__} of an array of shape "
                                f"{value.shape}. Use np.{ufunc.__name__}.")
        return ufunc(*args)
    return _on_traced(original, implementation)


def _special(name: str) -> Callable:
    """A function of ``scipy.special`` by the name of its operation; SciPy is not imported for it."""
    def special(x):
        return elementwise(TABLE[name], (x,))
    special.__name__ = name
    return special


def _log(x, base=None):
    return np.log(x) if base is None else np.log(x) / np.log(base)


def _hypot(*coordinates):
    if len(coordinates) == 2:
        return np.hypot(*coordinates)
    return np.sqrt(_fsum([c * c for c in coordinates]))


def _dist(p, q):
    return _hypot(*[a - b for a, b in zip(p, q, strict=True)])


def _fsum(values):
    total = 0.0
    for value in values:
        total = total + value
    return total


def _prod(values, *, start=1):
    for value in values:
        start = start * value
    return start


def _sumprod(p, q):
    return _fsum([a * b for a, b in zip(p, q, strict=True)])


def _isclose(a, b, *, rel_tol=1e-09, abs_tol=0.0):
    return np.abs(a - b) <= np.maximum(rel_tol * np.maximum(np.abs(a), np.abs(b)), abs_tol)


def _whole(ufunc: Callable) -> Callable:
    """A rounding to an int: a number that indexes, held as a float because Python's ints have no bounds."""
    def rounded(x):
        result = ufunc(x)
        return Traced(result.node, result.owner, int)
    rounded.__name__ = ufunc.__name__
    return rounded


def _modf(x):
    whole = np.trunc(x)
    return x - whole, whole


def _ldexp(x, i):
    return x * np.power(2.0, i)


def _remainder(x, y):
    return x - y * np.rint(x / y)


def _gamma(x):
    sign = np.where(np.floor(x) % 2 == 0, 1.0, np.where(x > 0, 1.0, -1.0))
    return sign * np.exp(_special("gammaln")(x))


_UFUNCS = {"acos": np.arccos, "acosh": np.arccosh, "asin": np.arcsin, "asinh": np.arcsinh, "atan": np.arctan, "atan2": np.arctan2,
           "atanh": np.arctanh, "cbrt": np.cbrt, "copysign": np.copysign, "cos": np.cos, "cosh": np.cosh,
           "degrees": np.degrees, "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "fabs": np.fabs, "fmod": np.fmod,
           "isfinite": np.isfinite, "isinf": np.isinf, "isnan": np.isnan, "log10": np.log10, "log1p": np.log1p, "log2": np.log2,
           "nextafter": np.nextafter, "pow": np.power, "radians": np.radians, "sin": np.sin, "sinh": np.sinh, "sqrt": np.sqrt,
           "tan": np.tan, "tanh": np.tanh}
_WHOLE = {"ceil": np.ceil, "floor": np.floor, "trunc": np.trunc}
_SPECIAL = {"erf": "erf", "erfc": "erfc", "lgamma": "gammaln"}
_OTHER = {"log": _log, "hypot": _hypot, "dist": _dist, "fsum": _fsum, "prod": _prod, "sumprod": _sumprod, "isclose": _isclose, "modf": _modf,
          "ldexp": _ldexp, "remainder": _remainder, "gamma": _gamma}


def _integers_only(original: Callable) -> Callable:
    """comb, gcd and their kind: integers whose value the trace may ask for, nothing else."""
    def implementation(*args):
        line = user_line_of(user_location(2))
        for value in args:
            if type(value) is Traced and (value.shape or value.dtype.kind not in "iu"):
                raise UnsupportedError(f"math.{original.__name__} of a traced {value.node.type} ({line}) is not supported: it is no smooth function. "
                                       f"Pass Python ints, or use scipy.special.gammaln for a smooth one.")
        return original(*[int(v) if type(v) is Traced else v for v in args])
    return _on_traced(original, implementation)


def _refused(original: Callable) -> Callable:
    def implementation(*args):
        line = user_line_of(user_location(2))
        raise UnsupportedError(f"math.{original.__name__} of a traced value ({line}) is not supported: it takes the bits of a float apart.")
    return _on_traced(original, implementation)


def _collect() -> dict[Callable, Callable]:
    table = {}
    for name, original in vars(math).items():
        if not callable(original) or name.startswith("_"):
            continue
        if name in _UFUNCS:
            table[original] = _scalar(original, _UFUNCS[name])
        elif name in _WHOLE:
            table[original] = _scalar(original, _whole(_WHOLE[name]))
        elif name in _SPECIAL:
            table[original] = _scalar(original, _special(_SPECIAL[name]))
        elif name in _OTHER:
            table[original] = _on_traced(original, _OTHER[name])
        else:
            table[original] = (_integers_only if name in ("comb", "factorial", "gcd", "isqrt", "lcm", "perm") else _refused)(original)
    return table


MATH = _collect()
