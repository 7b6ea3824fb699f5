"""Orders along an axis: sorting, and the statistics that need it. A gradient goes to where each element came from."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from ...errors import UnsupportedError
from ...ops import TABLE
from ..functions import implements, nearest
from ..value import Traced, as_traced, make
from .common import NOT_GIVEN, axes_of, axis_of, cast, find_trace, moved_last, operand, refuse_out, reshaped, strong, transposed
from .masked import FUNCTIONS_OF_PICKED
from .picking import take_along_axis
from .reductions import not_nan, sum_

ARGSORT, INT64 = TABLE["argsort"], np.dtype(np.int64)
_LINEAR = "linear"
_METHODS = {"lower": np.floor, "higher": np.ceil, "nearest": np.rint}


def _along(x: Traced, axis, name: str) -> tuple[Traced, int]:
    """The array with the axis that is sorted along, which is not negative; None means all elements in a row."""
    if axis is None:
        return reshaped(x, (x.size,)), 0
    if not x.ndim:
        raise np.exceptions.AxisError(f"axis {axis} is out of bounds for array of dimension 0: np.{name} of a number")
    return strong(x), axis_of(axis, x.ndim)


def order_of(x: Traced, axis: int) -> Traced:
    """The places of the elements in ascending order; equal ones stay in theirs."""
    if not x.size:
        return as_traced(np.zeros(x.shape, INT64), x.owner)
    last = moved_last(cast(x, INT64) if x.dtype.kind == "b" else x, axis)
    order = make(ARGSORT, (last,))
    return transposed(order, (*range(axis), x.ndim - 1, *range(axis, x.ndim - 1)))


def _check_stable(kind, order, name: str) -> None:
    if order is not None:
        raise UnsupportedError(f"np.{name}(..., order=) is for arrays with fields, which are not supported.")
    if kind not in (None, "quicksort", "mergesort", "heapsort", "stable"):
        raise ValueError(f"sort kind must be one of 'quick', 'heap', or 'stable' (got {kind!r})")


@implements(np.argsort)
def argsort(a, axis=-1, kind=None, order=None, *, stable=None):
    """The places of the elements in ascending order. Whatever is asked for, equal elements stay in theirs."""
    _check_stable(kind, order, "argsort")
    return order_of(*_along(operand(a), axis, "argsort"))


@implements(np.sort)
def sort(a, axis=-1, kind=None, order=None, *, stable=None):
    """The elements in ascending order; NaN comes last."""
    _check_stable(kind, order, "sort")
    x, axis = _along(operand(a), axis, "sort")
    return take_along_axis(x, order_of(x, axis), axis)


@implements(np.partition)
def partition(a, kth, axis=-1, kind="introselect", order=None):
    """Sorted: every element is at its place then, the ``kth`` too."""
    return sort(a, axis)


@implements(np.argpartition)
def argpartition(a, kth, axis=-1, kind="introselect", order=None):
    """The order, in which the ``kth`` are at their places too."""
    return argsort(a, axis)


@implements(np.lexsort)
def lexsort(keys, axis=-1):
    """The order by several keys, the last one first."""
    trace = find_trace((keys,))
    rows = [as_traced(key, trace) for key in keys]
    order = None
    for x in rows:
        x, along = _along(x, axis, "lexsort")
        if order is None:
            order = order_of(x, along)
        else:
            order = take_along_axis(order, order_of(take_along_axis(x, order, along), along), along)
    return order


# Quantiles ----------------------------------------------------------------------------------------------------------------

def _rows(a, axis, where) -> tuple[Traced, tuple[int, ...]]:
    """The array with the axes that are summarised as one, behind the others; and which they are."""
    x = operand(a, where)
    x = cast(x, x.dtype if x.node.type.is_float else np.dtype(np.float64))
    axes = axes_of(axis, x.ndim)
    kept = tuple([n for k, n in enumerate(x.shape) if k not in axes])
    return reshaped(moved_last(x, *axes), (*kept, math.prod([x.shape[k] for k in axes]))), axes


def _kept(result: Traced, a, axes: tuple[int, ...], keepdims, before: int) -> Traced:
    """With the summarised axes as axes of length 1, where they are asked for; ``before``: axes of the result in front of the array's."""
    if keepdims is NOT_GIVEN or not keepdims:
        return result
    return np.expand_dims(result, tuple([before + k for k in axes]))


def _ranks(n, q: np.ndarray, method: str):
    """Where quantiles lie among sorted elements, as numbers; ``n`` may be traced."""
    rank = q * (n - 1)
    return rank if method == _LINEAR else _METHODS[method](rank)


def _quantiles(rows: Traced, q: np.ndarray, method: str, ignores_nan: bool) -> Traced:
    """The quantiles of each row, with their axis in front."""
    if method not in (_LINEAR, "midpoint", *_METHODS):
        raise UnsupportedError(f"method={method!r} of quantiles is not supported on traced values. Use 'linear', 'lower', 'higher', 'nearest' or 'midpoint'.")
    if not rows.shape[-1]:
        raise ValueError("a quantile of an empty array is not supported on traced values")
    sorted_rows = sort(rows)
    numbers = sum_(cast(not_nan(rows), rows.dtype), -1)
    found = []
    for each in q.ravel():
        if method == "midpoint":
            ends = [_ranks(numbers if ignores_nan else rows.shape[-1], each, name) for name in ("lower", "higher")]
            found.append((_at(sorted_rows, ends[0]) + _at(sorted_rows, ends[1])) / 2)
        else:
            found.append(_between(sorted_rows, _ranks(numbers if ignores_nan else rows.shape[-1], each, method)))
    result = np.stack(found)
    nothing = numbers == 0 if ignores_nan else numbers != rows.shape[-1]
    return reshaped(np.where(nothing, rows.dtype.type(np.nan), result), (*q.shape, *rows.shape[:-1]))


def _at(rows: Traced, rank) -> Traced:
    """The elements of sorted rows at whole ranks: one for all rows, or one for each."""
    if type(rank) is not Traced:
        return rows[..., int(rank)]
    place = np.maximum(cast(rank, INT64), 0)
    return take_along_axis(rows, reshaped(place, (*place.shape, 1)), -1)[..., 0]


def _between(rows: Traced, rank) -> Traced:
    low, high = np.floor(rank), np.ceil(rank)
    if type(rank) is not Traced and low == high:
        return _at(rows, low)
    below = _at(rows, low)
    part = cast(rank - low, rows.dtype) if type(rank) is Traced else rows.dtype.type(rank - low)
    return below + (_at(rows, high) - below) * part


def _quantile(a, q, axis, out, method, keepdims, name: str, scale: float, ignores_nan: bool, weights=None):
    refuse_out(out, name)
    if type(q) is Traced:
        raise UnsupportedError(f"np.{name} with a traced q is not supported: which elements it lies between is not known while the graph is built. "
                               f"Pass q as a number.")
    if weights is not None:
        raise UnsupportedError(f"np.{name}(..., weights=) is not supported on traced values.")
    parts = np.asarray(q, np.float64) / scale
    if parts.size and not (np.all(parts >= 0) and np.all(parts <= 1)):
        raise ValueError("Percentiles must be in the range [0, 100]" if scale == 100 else "Quantiles must be in the range [0, 1]")
    rows, axes = _rows(a, axis, None)
    return _kept(_quantiles(rows, parts, method, ignores_nan), a, axes, keepdims, parts.ndim)


def _register(name: str, scale: float, ignores_nan: bool) -> None:
    @implements(getattr(np, name))
    @functools.wraps(getattr(np, name))
    def quantile(a, q, axis=None, out=None, overwrite_input=False, method=_LINEAR, keepdims=False, *, weights=None, interpolation=None):
        return _quantile(a, q, axis, out, interpolation or method, keepdims, name, scale, ignores_nan, weights)


for _name, _scale in (("quantile", 1.0), ("percentile", 100.0)):
    _register(_name, _scale, False)
    _register(f"nan{_name}", _scale, True)


@implements(np.median)
def median(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """The element in the middle, or the mean of the two."""
    return _quantile(a, 0.5, axis, out, _LINEAR, keepdims, "median", 1.0, False)


@implements(np.nanmedian)
def nanmedian(a, axis=None, out=None, overwrite_input=False, keepdims=NOT_GIVEN):
    """The median of what is no NaN."""
    return _quantile(a, 0.5, axis, out, _LINEAR, keepdims, "nanmedian", 1.0, True)


def _of_picked(name: str) -> Callable:
    """The quantile of the elements that a traced mask picks: of all, the others being NaN."""
    def quantile(a, *args, axis=None, **kwargs):
        if a.ndim != 1 or axis not in (None, 0, -1):
            raise a.refuse(f"np.{name} with axis=")
        where = a.everywhere()
        found = getattr(np, f"nan{name}")(np.where(where, a.values, np.nan), *args, **kwargs)
        return np.where(np.any(where & np.isnan(a.values)), np.nan, found)
    return quantile


FUNCTIONS_OF_PICKED |= {getattr(np, name): _of_picked(name) for name in ("median", "percentile", "quantile")}


nearest({"unique": "How many different elements there are is not known while the graph is built: of an array that is the same in each call it is, where the "
                   "function has that from outside (a global, a closure variable) and not as an argument. np.sort keeps them all.",
         "histogram": "Counts have no derivative; use a smooth kernel density."})
