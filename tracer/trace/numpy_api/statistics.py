"""Means, variances and norms. Their divisors follow from extents and are handed to the kernel when it runs."""

from __future__ import annotations

import math

import numpy as np

from ...errors import UnsupportedError
from ..functions import implements
from ..value import Traced
from .common import NOT_GIVEN, axes_of, broadcast, cast, count, operand, refuse_out, strong
from .reductions import mask_of, max_, min_, not_nan, sum_


def _working_dtype(x: Traced, dtype) -> np.dtype:
    """Integers and bools are averaged in float64."""
    if dtype is not None:
        return np.dtype(dtype)
    return x.dtype if x.node.type.is_float else np.dtype(np.float64)


def _number_of(x: Traced, axes, keepdims, where, less: float = 0):
    """How many elements are averaged, minus the degrees of freedom, at least 0."""
    if where is NOT_GIVEN or where is True:
        return count(x.owner, max(math.prod([x.shape[axis] for axis in axes]) - less, 0), x.dtype)
    counted = sum_(cast(mask_of(x, where), x.dtype), axes, keepdims=keepdims)
    return np.maximum(counted - x.dtype.type(less), x.dtype.type(0)) if less else counted


@implements(np.mean)
def mean(a, axis=None, dtype=None, out=None, keepdims=NOT_GIVEN, *, where=NOT_GIVEN):
    """The arithmetic mean; NaN where there is nothing to average."""
    refuse_out(out, "mean")
    x = operand(a, where)
    axes = axes_of(axis, x.ndim)
    x = cast(x, _working_dtype(x, dtype))
    return sum_(x, axes, keepdims=keepdims, where=where) / _number_of(x, axes, keepdims, where)


@implements(np.var)
def var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=NOT_GIVEN, *, where=NOT_GIVEN, mean=NOT_GIVEN, correction=NOT_GIVEN):
    """The mean of the squared distances from the mean."""
    refuse_out(out, "var")
    x = operand(a, where)
    axes = axes_of(axis, x.ndim)
    x = cast(x, _working_dtype(x, dtype))
    if correction is not NOT_GIVEN:
        if ddof != 0:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    centre = _mean(x, axes, keepdims=True, where=where) if mean is NOT_GIVEN else mean
    distance = x - centre
    return sum_(distance * distance, axes, keepdims=keepdims, where=where) / _number_of(x, axes, keepdims, where, ddof)


_mean = mean


def root(x: Traced) -> Traced:
    """The square root with slope 0 at 0, as torch has it for ``std`` and ``norm``; sqrt itself has an infinite one."""
    return np.where(x == 0, x.dtype.type(0), np.sqrt(x))


@implements(np.std)
def std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=NOT_GIVEN, **keywords):
    """The square root of the variance; its gradient at a constant is 0."""
    refuse_out(out, "std")
    return root(var(a, axis, dtype, None, ddof, keepdims, **keywords))


def _without_nan(function):
    def statistic(a, axis=None, dtype=None, out=None, *args, where=NOT_GIVEN, **keywords):
        x = operand(a, where)
        numbers = not_nan(x)
        if where is not NOT_GIVEN and where is not True:
            numbers = mask_of(x, where) & numbers
        return function(x, axis, dtype, out, *args, where=numbers, **keywords)
    return statistic


implements(np.nanmean)(_without_nan(mean))
implements(np.nanvar)(_without_nan(var))
implements(np.nanstd)(_without_nan(std))


@implements(np.average)
def average(a, axis=None, weights=None, returned=False, *, keepdims=NOT_GIVEN):
    """The weighted mean."""
    x = operand(a, weights)
    axes = axes_of(axis, x.ndim)
    if weights is None:
        result = mean(x, axes, keepdims=keepdims)
        total = count(x.owner, math.prod([x.shape[k] for k in axes]), result.dtype)
    else:
        w = operand(weights, x)
        if w.shape != x.shape:
            w = _weights_along(w, x, axis)
        dtype = np.result_type(x.dtype, w.dtype, *([] if x.node.type.is_float else [np.float64]))
        w = broadcast(cast(w, dtype), x.shape)
        total = sum_(w, axes, keepdims=keepdims)
        result = sum_(x * w, axes, keepdims=keepdims) / total
    return (result, broadcast(strong(total), result.shape)) if returned else result


def _weights_along(w: Traced, x: Traced, axis) -> Traced:
    """Weights that are given for the averaged axes only."""
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    given = (axis,) if np.ndim(axis) == 0 else tuple(axis)
    places = [k % x.ndim for k in given]
    if w.shape != tuple([x.shape[k] for k in places]):
        raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
    w = np.transpose(w, tuple(np.argsort(places).tolist()))
    return np.reshape(w, tuple([n if k in places else 1 for k, n in enumerate(x.shape)]))


# Norms ------------------------------------------------------------------------------------------------------------------

def vector_norm(x: Traced, axes: tuple[int, ...], order, keepdims) -> Traced:
    """A norm over all elements of the axes. Its gradient at zero is 0, as torch's."""
    if order is None or order == 2:
        return root(sum_(x * x, axes, keepdims=keepdims))
    size = np.abs(x)
    if order == np.inf:
        return max_(size, axes, keepdims=keepdims)
    if order == -np.inf:
        return min_(size, axes, keepdims=keepdims)
    if order == 0:
        return sum_(cast(x != 0, x.dtype), axes, keepdims=keepdims)
    if order == 1:
        return sum_(size, axes, keepdims=keepdims)
    if isinstance(order, str):
        raise ValueError(f"Invalid norm order '{order}' for vectors")
    zero = x.dtype.type(0)
    power = size ** order if order > 1 or order < 0 else np.where(size == 0, zero, size ** order)
    total = sum_(power, axes, keepdims=keepdims)
    result = total ** (1.0 / order)
    return result if order < 0 else np.where(total == 0, zero, result)


def matrix_norm(x: Traced, axes: tuple[int, int], order, keepdims) -> Traced:
    """A norm of matrices whose rows run along the first axis given and whose columns along the second."""
    row, column = axes
    if order is None or order == "fro":
        return vector_norm(x, tuple(sorted(axes)), 2, keepdims)
    if order in (1, -1, np.inf, -np.inf):
        inner, outer = (row, column) if abs(order) == 1 else (column, row)
        extreme = max_ if order > 0 else min_
        return _reduce_twice(np.abs(x), inner, outer, extreme, keepdims)
    if order in (2, -2, "nuc"):
        raise UnsupportedError(f"np.linalg.norm(..., ord={order!r}) of a matrix needs singular values, which are not supported. Use ord='fro', 1 or np.inf.")
    raise ValueError("Invalid norm order for matrices.")


def _reduce_twice(size: Traced, inner: int, outer: int, extreme, keepdims) -> Traced:
    totals = sum_(size, (inner,), keepdims=True)
    result = extreme(totals, (outer,), keepdims=True)
    if keepdims:
        return result
    return np.squeeze(result, (inner, outer))


@implements(np.linalg.norm)
def norm(x, ord=None, axis=None, keepdims=False):
    """Vector and matrix norms."""
    x = operand(x)
    x = cast(x, x.dtype if x.node.type.is_float else np.dtype(np.float64))
    if axis is None:
        if ord is None or (ord in ("f", "fro") and x.ndim == 2) or (ord == 2 and x.ndim == 1):
            return vector_norm(x, tuple(range(x.ndim)), 2, keepdims)
        axis = tuple(range(x.ndim))
    given = (axis,) if np.ndim(axis) == 0 else tuple(axis)
    places = tuple([np.lib.array_utils.normalize_axis_index(k, x.ndim) for k in given])
    if len(places) == 1:
        return vector_norm(x, places, ord, keepdims)
    if len(places) != 2:
        raise ValueError("Improper number of dimensions to norm.")
    if places[0] == places[1]:
        raise ValueError("Duplicate axes given.")
    return matrix_norm(x, places, "fro" if ord == "f" else ord, keepdims)


@implements(np.linalg.vector_norm)
def array_api_vector_norm(x, /, *, axis=None, keepdims=False, ord=2):
    """The vector norm over any axes."""
    x = operand(x)
    x = cast(x, x.dtype if x.node.type.is_float else np.dtype(np.float64))
    return vector_norm(x, axes_of(axis, x.ndim), ord, keepdims)


@implements(np.linalg.matrix_norm)
def array_api_matrix_norm(x, /, *, keepdims=False, ord="fro"):
    """The norm of the matrices in the last two axes."""
    return norm(x, ord, (-2, -1), keepdims)


@implements(np.cov)
def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *, dtype=None):
    """The covariances of rows."""
    if fweights is not None or aweights is not None:
        raise UnsupportedError("np.cov with weights is not supported on traced values. Multiply the centred rows by the square roots of the weights.")
    rows = _variables(m, y, rowvar)
    n = rows.shape[1]
    less = (0 if bias else 1) if ddof is None else ddof
    centred = rows - mean(rows, 1, keepdims=True)
    result = np.matmul(centred, centred.T) / count(rows.owner, max(n - less, 0), rows.dtype)
    return np.squeeze(result)


def _variables(m, y, rowvar) -> Traced:
    """One row for each variable."""
    x = np.atleast_2d(operand(m, y))
    x = x.T if not rowvar and x.shape[0] != 1 else x
    if y is not None:
        other = np.atleast_2d(operand(y, m))
        x = np.concatenate([x, other.T if not rowvar and other.shape[0] != 1 else other])
    return cast(x, x.dtype if x.node.type.is_float else np.dtype(np.float64))


@implements(np.corrcoef)
def corrcoef(x, y=None, rowvar=True, *, dtype=None):
    """The correlations of rows."""
    c = cov(x, y, rowvar)
    if not c.ndim:
        return c / c
    spread = np.sqrt(np.diagonal(c))
    return np.clip(c / spread[:, None] / spread[None, :], -1.0, 1.0)
