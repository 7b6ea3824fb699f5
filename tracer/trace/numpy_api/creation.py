"""Arrays like others: constants of their shape and dtype."""

from __future__ import annotations

import operator

import numpy as np

from ..functions import implements
from ..value import Traced
from .common import broadcast, cast, count, filled, operand, operands, shape_tuple, strong


def _like(number):
    def like(a, dtype=None, order="K", subok=True, shape=None, *, device=None):
        x = operand(a)
        return filled(x.owner, number, x.dtype if dtype is None else np.dtype(dtype), x.shape if shape is None else shape_tuple(shape))
    return like


zeros_like = implements(np.zeros_like)(_like(0))
ones_like = implements(np.ones_like)(_like(1))
implements(np.empty_like)(_like(0))


@implements(np.full_like)
def full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, *, device=None):
    """One value everywhere, in the dtype of the array."""
    x, value = operands(a, fill_value)
    wanted = x.dtype if dtype is None else np.dtype(dtype)
    return broadcast(cast(value, wanted), x.shape if shape is None else shape_tuple(shape))


@implements(np.linspace)
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, *, device=None):
    """Evenly spaced numbers from start to stop."""
    num = operator.index(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    low, high = [_floating(x) for x in operands(start, stop)]
    parts = num - 1 if endpoint else num
    step = (high - low) / count(low.owner, max(parts, 0), low.dtype)
    shape = (num, *[1] * max(low.ndim, high.ndim))
    result = low + np.arange(num, dtype=step.dtype).reshape(shape) * (step if parts > 0 else high - low)
    if endpoint and num > 1:
        result = np.concatenate([result[:-1], broadcast(strong(high), result.shape[1:])[None]], 0)
    result = np.moveaxis(result, 0, axis) if axis else result
    result = result if dtype is None else result.astype(dtype)
    return (result, step) if retstep else result


@implements(np.logspace)
def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0):
    """Powers of the base whose exponents are evenly spaced."""
    result = np.power(operand(base, start, stop), linspace(start, stop, num, endpoint, axis=axis))
    return result if dtype is None else result.astype(dtype)


def _floating(x: Traced) -> Traced:
    return strong(x) if x.node.type.is_float else cast(x, np.dtype(np.float64))
