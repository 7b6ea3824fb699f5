"""Diagonals, as strided reads and writes of the flat matrix, and triangles."""

from __future__ import annotations

import numpy as np

from ...errors import ShapeError
from ..functions import implements
from ..value import Traced, as_traced
from .common import axis_of, cast, dtype_of_reduction, moved_last, operand, refuse_out, reshaped
from .indexing import entry_of_slice, placed, read
from .reductions import sum_


@implements(np.diagonal)
def diagonal(a, offset=0, axis1=0, axis2=1):
    """A diagonal of each matrix in two axes, in the last axis."""
    x = operand(a)
    if x.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    first, second = axis_of(axis1, x.ndim), axis_of(axis2, x.ndim)
    if first == second:
        raise ValueError("axis1 and axis2 cannot be the same")
    x = moved_last(x, first, second)
    *lead, rows, columns = x.shape
    count = max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))
    start = offset if offset >= 0 else -offset * columns
    flat = reshaped(x, (*lead, rows * columns))
    cut = slice(start, start + (count - 1) * (columns + 1) + 1, columns + 1) if count else slice(0, 0)
    return read(flat, (*[(0, n, 1) for n in lead], entry_of_slice(cut, rows * columns)))


@implements(np.linalg.diagonal)
def linalg_diagonal(x, /, *, offset=0):
    """A diagonal of the matrices in the last two axes."""
    return diagonal(x, offset, -2, -1)


@implements(np.diag)
def diag(v, k=0):
    """The diagonal of a matrix, or the matrix with this diagonal."""
    x = operand(v)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ShapeError("Input must be 1- or 2-d.")
    n = x.size + abs(k)
    start = k if k >= 0 else -k * n
    entry = (start, x.size, n + 1 if x.size > 1 else 1) if x.size else (0, 0, 1)
    flat = placed(x, (n * n,), (entry,))
    return reshaped(flat, (n, n))


@implements(np.diagflat)
def diagflat(v, k=0):
    """The matrix whose diagonal has all elements."""
    x = operand(v)
    return diag(reshaped(x, (x.size,)), k)


@implements(np.trace)
def trace(a, offset=0, axis1=0, axis2=1, dtype=None, out=None):
    """The sum of a diagonal."""
    refuse_out(out, "trace")
    line = diagonal(a, offset, axis1, axis2)
    return sum_(line, -1, dtype if dtype is not None else dtype_of_reduction(np.sum, line.dtype))


@implements(np.linalg.trace)
def linalg_trace(x, /, *, offset=0, dtype=None):
    """The trace of the matrices in the last two axes."""
    return trace(x, offset, -2, -1, dtype)


def _triangle(x: Traced, mask: np.ndarray) -> Traced:
    return np.where(as_traced(mask, x.owner), x, cast(operand(0, x), x.dtype))


def _below(shape: tuple[int, ...], k: int) -> np.ndarray:
    """Where a matrix lies on or below a diagonal; a vector counts as each row of a square."""
    if not shape:
        raise ShapeError("a triangle needs an array of at least one dimension")
    return np.tri(*(shape * 2 if len(shape) == 1 else shape)[-2:], k, dtype=bool)


@implements(np.tril)
def tril(m, k=0):
    """Zero above a diagonal."""
    x = operand(m)
    return _triangle(x, _below(x.shape, k))


@implements(np.triu)
def triu(m, k=0):
    """Zero below a diagonal."""
    x = operand(m)
    return _triangle(x, ~_below(x.shape, k - 1))
