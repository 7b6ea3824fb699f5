"""A program run with 50 digits: its functions with mpmath in place of ``math``, and NumPy's arrays holding mpmath's numbers."""

import builtins
import math
import types

import mpmath
import numpy as np

DIGITS = 50
_OTHER_NAMES = {"log": "log", "atan2": "atan2", "lgamma": "loggamma", "pow": "power", "fabs": "fabs"}


class _Math:
    """``math`` by mpmath."""

    def __getattr__(self, name):
        if name in ("pi", "e"):
            return +getattr(mpmath, name)
        if name in ("inf", "nan", "isnan", "isinf", "factorial", "floor", "ceil", "comb"):
            return getattr(mpmath, name) if name not in ("factorial", "comb") else getattr(math, name)
        if name == "dist":
            return lambda p, q: mpmath.sqrt(sum((a - b) ** 2 for a, b in zip(p, q)))
        return getattr(mpmath, _OTHER_NAMES.get(name, name))


def exact(value):
    """The value with mpmath's numbers; a float is the number that it stands for."""
    if isinstance(value, np.ndarray):
        return np.array([exact(v) for v in value.tolist()] or [], object).reshape(value.shape) if value.dtype.kind == "f" else value
    if isinstance(value, (list, tuple)):
        return type(value)(map(exact, value))
    return mpmath.mpf(value) if isinstance(value, float) else value


class _Numpy:
    """NumPy whose new arrays hold mpmath's numbers."""

    def __getattr__(self, name):
        found = getattr(np, name)
        if name in ("zeros", "ones", "empty", "full", "eye", "linspace", "arange", "array", "diag", "identity"):
            return lambda *args, **kwargs: _objects(found(*args, **{k: v for k, v in kwargs.items() if k != "dtype"}))
        if isinstance(found, np.ufunc) and hasattr(mpmath, name) and name not in ("add", "subtract", "multiply", "divide"):
            function = np.frompyfunc(getattr(mpmath, name), found.nin, 1)
            return lambda *args: function(*args)
        return found


def _objects(array):
    return array if array.dtype == object else exact(array) if array.dtype.kind == "f" else array.astype(object)


def in_many_digits(module) -> types.SimpleNamespace:
    """The functions of a module as they are when numbers have 50 digits."""
    names = {"__builtins__": builtins}
    stands_for = {math: _Math(), np: _Numpy(), float: lambda x: x}
    of_math = {id(f): getattr(_Math(), n) for n, f in vars(math).items() if (not n.startswith("_") and hasattr(mpmath, _OTHER_NAMES.get(n, n))) or n == "dist"}
    for name, value in vars(module).items():
        if isinstance(value, types.FunctionType):
            names[name] = types.FunctionType(value.__code__, names, name, exact(value.__defaults__), value.__closure__)
        elif isinstance(value, types.ModuleType):
            names[name] = stands_for.get(value, value)
        elif id(value) in of_math and (callable(value) or name in ("pi", "e")):
            names[name] = of_math[id(value)]
        elif not name.startswith("__"):
            names[name] = exact(value)
    names["float"] = stands_for[float]
    return types.SimpleNamespace(**names)


def gradient(function, arguments, argnum=0):
    """The gradient by central differences of 1e-15 with 50 digits: good to 1e-28."""
    arguments = [exact(a) for a in arguments]
    point = np.atleast_1d(np.array(arguments[argnum], object))
    step = mpmath.mpf("1e-15")
    result = np.empty(point.shape, object)
    for at in np.ndindex(point.shape):
        ends = []
        for sign in (1, -1):
            moved = point.copy()
            moved[at] += sign * step
            given = moved if isinstance(arguments[argnum], np.ndarray) else moved[0]
            ends.append(function(*arguments[:argnum], given, *arguments[argnum + 1:]))
        result[at] = (ends[0] - ends[1]) / (2 * step)
    return result.astype(float).reshape(np.shape(arguments[argnum]))
