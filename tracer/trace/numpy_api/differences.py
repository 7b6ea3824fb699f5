"""Differences, integrals, cross products, polynomials, convolutions and interpolation."""

from __future__ import annotations

import operator

import numpy as np

from ...errors import ShapeError, UnsupportedError
from ..functions import implements, nearest
from ..value import Traced, as_traced
from .common import (
    NOT_GIVEN,
    axis_of,
    broadcast,
    cast,
    find_trace,
    operand,
    operands,
    promoted,
    reshaped,
    static_value,
    strong,
)
from .contractions import matrix_product
from .indexing import gathered, piece
from .joining import concatenate, stack
from .rearranging import flip, pad
from .reductions import sum_

INT64 = np.dtype(np.int64)


@implements(np.diff)
def diff(a, n=1, axis=-1, prepend=NOT_GIVEN, append=NOT_GIVEN):
    """Each element minus the one before it, n times."""
    x = operand(a, prepend, append)
    n = operator.index(n)
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n!r}")
    if not x.ndim:
        raise ValueError("diff requires input that is at least one dimensional")
    if n == 0:
        return strong(x)
    axis = axis_of(axis, x.ndim)
    ends = [None if end is NOT_GIVEN else _end(end, x, axis) for end in (prepend, append)]
    parts = [part for part in (ends[0], x, ends[1]) if part is not None]
    x = concatenate(parts, axis) if len(parts) > 1 else strong(x)
    for _ in range(n):
        later, earlier = piece(x, axis, slice(1, None)), piece(x, axis, slice(None, -1))
        x = later != earlier if x.node.type.is_bool else later - earlier
    return x


def _end(value, x: Traced, axis: int) -> Traced:
    end = operand(value, x)
    return broadcast(end, tuple([1 if k == axis else n for k, n in enumerate(x.shape)])) if not end.ndim else end


@implements(np.ediff1d)
def ediff1d(ary, to_end=None, to_begin=None):
    """Differences of the raveled array, with values put before and behind."""
    x = operand(ary, to_end, to_begin)
    parts = [diff(reshaped(x, (x.size,)))]
    if to_begin is not None:
        parts.insert(0, np.ravel(operand(to_begin, x)))
    if to_end is not None:
        parts.append(np.ravel(operand(to_end, x)))
    return concatenate(parts, 0, dtype=x.dtype)


@implements(np.trapezoid)
def trapezoid(y, x=None, dx=1.0, axis=-1):
    """The integral by the trapezoid rule."""
    values = operand(y, x, dx)
    axis = axis_of(axis, values.ndim)
    if x is None:
        step = dx
    else:
        places = operand(x, values)
        step = diff(places, axis=axis if places.ndim == values.ndim else -1)
        if places.ndim == 1:
            step = reshaped(step, tuple([step.size if k == axis else 1 for k in range(values.ndim)]))
    return sum_(step * (piece(values, axis, slice(1, None)) + piece(values, axis, slice(None, -1))) / 2.0, axis)


@implements(np.cross)
def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """The vector product of vectors with two or three components."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = promoted(*operands(a, b))
    x, y = np.moveaxis(x, axis_of(axisa, x.ndim), -1), np.moveaxis(y, axis_of(axisb, y.ndim), -1)
    if x.shape[-1] not in (2, 3) or y.shape[-1] not in (2, 3):
        raise ShapeError(f"incompatible dimensions for cross product\n(dimension must be 2 or 3, but are {x.shape[-1]} and {y.shape[-1]})")
    (x0, x1, *x2), (y0, y1, *y2) = [[v[..., k] for k in range(v.shape[-1])] for v in (x, y)]
    last = x0 * y1 - x1 * y0
    if not x2 and not y2:
        return last
    if x2 and y2:
        parts = [x1 * y2[0] - x2[0] * y1, x2[0] * y0 - x0 * y2[0], last]
    elif x2:
        parts = [-(x2[0] * y1), x2[0] * y0, last]
    else:
        parts = [x1 * y2[0], -(x0 * y2[0]), last]
    shape = np.broadcast_shapes(*[part.shape for part in parts])
    return np.moveaxis(stack([broadcast(part, shape) for part in parts], -1), -1, axisc)


@implements(np.linalg.cross)
def linalg_cross(x1, x2, /, *, axis=-1):
    """The vector product in three dimensions."""
    x, y = operands(x1, x2)
    if x.shape[axis] != 3 or y.shape[axis] != 3:
        raise ValueError(f"Both input arrays must be (arrays of) 3-dimensional vectors, but they are {x.shape[axis]} and {y.shape[axis]} dimensional instead.")
    return cross(x, y, axis=axis)


@implements(np.polyval)
def polyval(p, x):
    """A polynomial, highest power first, by Horner's rule."""
    coefficients, at = operands(p, x)
    result = np.zeros_like(at)
    for k in range(coefficients.shape[0]):
        result = result * at + coefficients[k]
    return result


@implements(np.vander)
def vander(x, N=None, increasing=False):
    """The matrix of powers."""
    values = operand(x)
    if values.ndim != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    values = cast(values, np.promote_types(values.dtype, int))
    columns = [np.ones_like(values)]
    for _ in range((values.size if N is None else operator.index(N)) - 1):
        columns.append(columns[-1] * values)
    columns = columns[: values.size if N is None else N]
    if not columns:
        return reshaped(piece(values, 0, slice(0, 0)), (values.size, 0))
    return stack(columns if increasing else columns[::-1], 1)


# Convolution ------------------------------------------------------------------------------------------------------------

def _windows(x: Traced, width: int) -> Traced:
    """(len(x) - width + 1, width): the windows of a vector."""
    rows = x.size - width + 1
    return gathered(x, [(0, np.arange(rows)[:, None] + np.arange(width))], 0)


@implements(np.convolve)
def convolve(a, v, mode="full"):
    """The convolution of two vectors."""
    x, y = promoted(*[np.atleast_1d(each) for each in operands(a, v)])
    if x.ndim > 1 or y.ndim > 1:
        raise ValueError("object too deep for desired array")
    if not x.size or not y.size:
        raise ValueError(f"{'a' if not x.size else 'v'} cannot be empty")
    if y.size > x.size:
        x, y = y, x
    return _slid(x, flip(y), mode)


@implements(np.correlate)
def correlate(a, v, mode="valid"):
    """The cross-correlation of two vectors."""
    x, y = promoted(*[np.atleast_1d(each) for each in operands(a, v)])
    if not x.size or not y.size:
        raise ValueError("first array argument cannot be empty" if not x.size else "second array argument cannot be empty")
    if y.size > x.size:
        return flip(_slid(y, x, mode))
    return _slid(x, y, mode)


def _slid(long: Traced, short: Traced, mode: str) -> Traced:
    """The products of the shorter vector with all windows of the longer one."""
    width = short.size
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")
    before, after = {"full": (width - 1, width - 1), "same": (width // 2, (width - 1) - width // 2), "valid": (0, 0)}[mode]
    windows = _windows(pad(long, (before, after)), width)
    return reshaped(matrix_product(windows, reshaped(short, (width, 1))), (windows.shape[0],))


# Tables -----------------------------------------------------------------------------------------------------------------

@implements(np.searchsorted)
def searchsorted(a, v, side="left", sorter=None):
    """Where values would go in a sorted vector: how many of its elements are smaller. Integers, without a gradient."""
    if sorter is not None:
        raise UnsupportedError("np.searchsorted(..., sorter=) is not supported on traced values. Sort the vector first.")
    if side not in ("left", "right"):
        raise ValueError(f"search side must be 'left' or 'right' (got {side!r})")
    table, values = operands(a, v)
    wide = reshaped(values, (*values.shape, 1))
    before = table < wide if side == "left" else table <= wide
    return sum_(cast(before, INT64), -1)


@implements(np.interp)
def interp(x, xp, fp, left=None, right=None, period=None):
    """Piecewise linear interpolation in a table."""
    if period is not None:
        raise UnsupportedError("np.interp(..., period=) is not supported on traced values. Use x % period and a table with one more point.")
    trace = find_trace((x, xp, fp, left, right))
    at, places, values = [cast(as_traced(each, trace), np.dtype(np.float64)) for each in (x, xp, fp)]
    if places.shape != values.shape or places.ndim != 1:
        raise ValueError("fp and xp are not of the same length.")
    n = places.size
    if n == 0:
        raise ValueError("array of sample points is empty")
    low = np.minimum(np.maximum(searchsorted(places, at, "right") - 1, 0), max(n - 2, 0))
    high = np.minimum(low + 1, n - 1)
    x0, x1, f0, f1 = [gathered(table, [(0, index)], 0) for table in (places, values) for index in (low, high)]
    inside = f0 + (f1 - f0) / np.where(x1 == x0, 1.0, x1 - x0) * (at - x0) if n > 1 else broadcast(values[0], at.shape)
    below, above = [values[end] if given is None else given for end, given in ((0, left), (n - 1, right))]
    result = np.where(at < places[0], below, np.where(at > places[n - 1], above, np.where(at == places[n - 1], values[n - 1], inside)))
    return np.where(np.isnan(at), at, result)


@implements(np.digitize)
def digitize(x, bins, right=False):
    """Which of the bins each value lies in. The edges are constants."""
    edges = static_value(bins)
    if edges is None:
        raise UnsupportedError("np.digitize with traced edges is not supported: whether they rise or fall is not known while the graph is built. "
                               "Use np.searchsorted.")
    steps = np.diff(edges)
    if not (np.all(steps >= 0) or np.all(steps <= 0)):
        raise ValueError("bins must be monotonically increasing or decreasing")
    side = "left" if right else "right"
    if np.all(steps >= 0):
        return searchsorted(edges, operand(x), side)
    return edges.size - searchsorted(edges[::-1], operand(x), "right" if right else "left")


@implements(np.gradient)
def gradient(f, *varargs, axis=None, edge_order=1):
    """Central differences inside, one-sided ones at the ends."""
    x = operand(f, *varargs)
    x = strong(x) if x.node.type.is_float else cast(x, np.dtype(np.float64))
    axes = tuple(range(x.ndim)) if axis is None else tuple([axis_of(each, x.ndim) for each in (axis if type(axis) in (tuple, list) else (axis,))])
    if len(varargs) not in (0, 1, len(axes)):
        raise TypeError("invalid number of arguments")
    if edge_order not in (1, 2):
        raise ValueError("'edge_order' greater than 2 not supported")
    spacings = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    found = [_slopes(x, along, spacing, edge_order) for along, spacing in zip(axes, spacings)]
    return found[0] if len(found) == 1 else tuple(found)


def _slopes(x: Traced, axis: int, spacing, edge_order: int) -> Traced:
    n = x.shape[axis]
    if n < edge_order + 1:
        raise ValueError("Shape of array too small to calculate a numerical gradient, at least (edge_order + 1) elements are required.")
    steps = operand(spacing, x)
    if steps.ndim > 1 or (steps.ndim and steps.size != n):
        raise ValueError("when 1d, distances must match the length of the corresponding dimension")
    shape = tuple([-1 if k == axis else 1 for k in range(x.ndim)])
    h = np.reshape(np.diff(steps), shape) if steps.ndim else np.broadcast_to(steps, tuple([n - 1 if k == axis else 1 for k in range(x.ndim)]))

    def at(value, *cut):
        return piece(value, axis, slice(*cut))
    before, after = at(h, None, -1), at(h, 1, None)
    inside = None
    if n > 2:
        weighted = (at(x, 2, None) - at(x, 1, -1)) * before ** 2 + (at(x, 1, -1) - at(x, None, -2)) * after ** 2
        inside = weighted / (before * after * (before + after))
    first, last = (at(x, 1, 2) - at(x, None, 1)) / at(h, None, 1), (at(x, -1, None) - at(x, -2, -1)) / at(h, -1, None)
    if edge_order == 2:  # the slope of the parabola through three points
        first = first + (first - (at(x, 2, 3) - at(x, 1, 2)) / at(h, 1, 2)) * at(h, None, 1) / (at(h, None, 1) + at(h, 1, 2))
        last = last + (last - (at(x, -2, -1) - at(x, -3, -2)) / at(h, -2, -1)) * at(h, -1, None) / (at(h, -1, None) + at(h, -2, -1))
    return concatenate([part for part in (first, inside, last) if part is not None], axis)


nearest({"roots": "Roots have no simple derivative here.",
         "apply_over_axes": "Use axis= with a tuple of axes.", "vectorize": "Call the function on the whole array."})

