"""Tables of ``scipy.interpolate`` that were made outside, looked up at traced places: piecewise polynomials (cubic splines, PCHIP, Akima) and
``interp1d``. What they are made of is constant."""

from __future__ import annotations

import numpy as np

from ..errors import UnsupportedError
from .context import user_line_of, user_location
from .functions import FUNCTIONS
from .libraries import carries


class Interpolator:
    """What stands for an interpolator: it is its own of places that are not traced."""

    def __init__(self, original, of_traced):
        self._original, self._of_traced = original, of_traced

    def __call__(self, x, *args, **kwargs):
        if not carries((x,)):
            return self._original(x, *args, **kwargs)
        return self._of_traced(self._original, x, *args, **kwargs)

    def __getattr__(self, name: str):
        found = getattr(self._original, name)
        if name in ("derivative", "antiderivative"):
            return lambda *args: Interpolator(found(*args), self._of_traced)
        return found


def polynomial_pieces(table, x, nu=0, extrapolate=None):
    """A piecewise polynomial, by Horner's rule on the coefficients of each place's piece."""
    extrapolate = table.extrapolate if extrapolate is None else extrapolate
    if nu:
        table = table.derivative(nu)
    knots, coefficients = np.asarray(table.x), np.asarray(table.c)
    if extrapolate == "periodic":
        x = knots[0] + (x - knots[0]) % (knots[-1] - knots[0])
    piece = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, knots.size - 2)
    step = x - _take(knots, piece)
    step = np.reshape(step, (*step.shape, *[1] * (coefficients.ndim - 2)))
    value = _take(coefficients[0], piece, axis=0)
    for each in coefficients[1:]:
        value = value * step + _take(each, piece, axis=0)
    if not extrapolate:
        inside = np.reshape(np.logical_and(x >= knots[0], x <= knots[-1]), step.shape)
        value = np.where(inside, value, np.nan)
    return value


def linear_pieces(table, x):
    """``interp1d`` of kind linear."""
    if table._kind != "linear" or np.ndim(table.y) != 1:
        raise UnsupportedError(f"scipy.interpolate.interp1d of kind {table._kind!r}, or of a table with several columns, is not supported on traced values "
                               f"({user_line_of(user_location(2))}). Use scipy.interpolate.CubicSpline, or np.interp.")
    knots, values = np.asarray(table.x, float), np.asarray(table.y, float)
    piece = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, knots.size - 2)
    slopes = np.diff(values) / np.diff(knots)
    value = _take(values, piece) + _take(slopes, piece) * (x - _take(knots, piece))
    if np.ndim(table.fill_value) == 0 and not isinstance(table.fill_value, str):
        value = np.where(np.logical_and(x >= knots[0], x <= knots[-1]), value, float(table.fill_value))
    return value


def _take(table: np.ndarray, places, axis=0):
    return FUNCTIONS[np.take](table, places, axis)  # NumPy asks the table alone what takes from it


_EVALUATE = {"PPoly": polynomial_pieces, "interp1d": linear_pieces}


def interpolator(value, kind: type):
    """What stands for an interpolator of SciPy; None for anything else."""
    if not kind.__module__.startswith("scipy.interpolate."):
        return None
    for base in kind.__mro__:
        if base.__name__ in _EVALUATE and hasattr(value, "x"):
            return Interpolator(value, _EVALUATE[base.__name__])
    return None


def made_inside(kind: type):
    """What stands for a class of interpolators: of constant tables it makes what stands for them."""
    def make(*args, **kwargs):
        if carries(args) or carries(kwargs.values()):
            raise UnsupportedError(f"scipy.interpolate.{kind.__name__} of a traced table ({user_line_of(user_location(2))}) is not supported: its coefficients "
                                   f"are solved for by compiled code. For a linear one use np.interp.")
        made = kind(*args, **kwargs)
        return interpolator(made, kind) or made
    return make
