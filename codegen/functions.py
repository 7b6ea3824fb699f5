"""What generated source needs besides math and NumPy.

All of it runs as plain Python and inside ``@njit``. Functions of ``scipy.special`` are found by the name that an operation's record
uses, through the address that ``cython_special`` exports.
"""

from __future__ import annotations

import ctypes
import math
from functools import cache

import numpy as np
from numba.extending import get_cython_function_address, register_jitable

from tracer.graph.op import Special
from tracer.ops import TABLE

erf, erfc = math.erf, math.erfc


@cache
def _exports() -> dict[str, tuple[str, int]]:
    """Name in generated source -> (exported name, number of arguments)."""
    found = {}
    for op in TABLE.values():
        if isinstance(op.lower, Special):
            name, _, arguments = op.source.partition("(")
            found[name] = op.lower.export, arguments.count("{")
    return found


@cache
def __getattr__(name: str):
    if name not in _exports():
        raise AttributeError(f"module {__name__} has no attribute {name!r}")
    export, arity = _exports()[name]
    address = get_cython_function_address("scipy.special.cython_special", export)
    return ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_double] * arity)(address)


@register_jitable
def checked_index(index, length):
    """The index, if it is inside."""
    if not 0 <= index < length:
        raise IndexError("an integer index computed from the data is out of bounds")
    return index


@register_jitable
def truncated_quotient(a, b):
    """Integer division towards zero, as C's."""
    quotient = a // b
    return quotient + 1 if quotient < 0 and quotient * b != a else quotient


@register_jitable
def truncated_remainder(a, b):
    """What :func:`truncated_quotient` leaves; it has the sign of ``a``."""
    return a - truncated_quotient(a, b) * b


@register_jitable
def argsort(keys):
    """The order of a row, as NumPy's stable sort: pairs of sorted runs are merged, longer ones each time. NaN comes last."""
    n = keys.shape[1]
    order, merged = np.arange(n), np.empty(n, np.int64)
    width = 1
    while width < n:
        i = j = 0
        for k in range(n):
            if k % (2 * width) == 0:
                i, j = k, min(k + width, n)
            middle, end = min(k - k % (2 * width) + width, n), min(k - k % (2 * width) + 2 * width, n)
            if i < middle and (j >= end or not comes_before(keys[0, order[j]], keys[0, order[i]])):
                merged[k] = order[i]
                i += 1
            else:
                merged[k] = order[j]
                j += 1
        order[:] = merged
        width *= 2
    return order.reshape(1, n)


@register_jitable
def comes_before(a, b):
    """Is a number less than another, NaN being the largest?"""
    return a < b or (a == a and b != b)


# Dense algebra: NumPy's, but NaN instead of an exception ------------------------------------------------------------------

@register_jitable
def matrix_at(flat, offset, rows, columns, row, column):
    """A copy of the matrix with element (i, j) at ``flat[offset + i*row + j*column]``."""
    result = np.empty((rows, columns), flat.dtype)
    for i in range(rows):
        for j in range(columns):
            result[i, j] = flat[offset + i * row + j * column]
    return result


@register_jitable
def inverse(a):
    """The inverse of a matrix; all NaN for a singular one."""
    try:
        return np.linalg.inv(a)
    except Exception:  # Numba knows no LinAlgError here
        return np.full_like(a, np.nan)


@register_jitable
def solve(a, b):
    """The solution x of ``a @ x = b``; all NaN for singular a."""
    try:
        return np.linalg.solve(a, b)
    except Exception:
        return np.full_like(b, np.nan)


@register_jitable
def cholesky(a):
    """The lower factor; all NaN where the matrix is not positive definite."""
    try:
        return np.linalg.cholesky(a)
    except Exception:
        return np.full_like(a, np.nan)


@register_jitable
def determinant(a):
    """The determinant; NaN where it cannot be computed."""
    try:
        return np.linalg.det(a)
    except Exception:
        return a[0, 0] * np.nan


@register_jitable
def log_abs_determinant(a):
    """The logarithm of the determinant's absolute value."""
    try:
        return np.linalg.slogdet(a)[1]
    except Exception:
        return a[0, 0] * np.nan


@register_jitable
def sign_of_determinant(a):
    """1, -1, or 0 for a singular matrix."""
    try:
        return np.linalg.slogdet(a)[0]
    except Exception:
        return a[0, 0] * np.nan
