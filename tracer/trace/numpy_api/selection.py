"""Values chosen by conditions, values kept within bounds, and values compared."""

from __future__ import annotations

import math

import numpy as np

from ...errors import UnsupportedError
from ...ops import TABLE
from ..functions import implements, nearest
from ..value import Traced, as_traced, make
from .common import NOT_GIVEN, cast, find_trace, operand, operands, promoted, promoted_dtype, refuse_out, strong
from .masked import places
from .reductions import all_

WHERE, CLIP = TABLE["where"], TABLE["clip"]
BOOL = np.dtype(bool)


@implements(np.where)
def where(condition, x=NOT_GIVEN, y=NOT_GIVEN, /):
    """``x`` where the condition holds, else ``y``."""
    if x is NOT_GIVEN and y is NOT_GIVEN:
        return nonzero(condition)
    if x is NOT_GIVEN or y is NOT_GIVEN:
        raise ValueError("either both or neither of x and y should be given")
    mask, first, second = operands(condition, x, y)
    return make(WHERE, (cast(mask, BOOL), *promoted(first, second)))


@implements(np.nonzero)
def nonzero(a):
    """Where something is not zero: places that index, and of which nobody knows how many there are."""
    x = operand(a)
    if not x.ndim:
        raise ValueError("Calling nonzero on 0d arrays is not allowed. Use np.atleast_1d(scalar).nonzero() instead.")
    return places(x)


@implements(np.flatnonzero)
def flatnonzero(a):
    """Where the raveled array is not zero."""
    return nonzero(np.ravel(a))[0]


@implements(np.select)
def select(condlist, choicelist, default=0):
    """The first choice whose condition holds."""
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if not len(condlist):
        raise ValueError("select with an empty condition list is not possible")
    trace = find_trace((list(condlist), list(choicelist), default))
    values = promoted(*[as_traced(value, trace) for value in (*choicelist, default)])
    result = values[-1]
    for condition, value in zip(reversed(condlist), reversed(values[:-1])):
        mask = as_traced(condition, trace)
        if mask.dtype != BOOL:
            raise TypeError(f"invalid entry {len(condlist) - 1} in condlist: should be boolean ndarray")
        result = where(mask, value, result)
    return result


# Bounds -----------------------------------------------------------------------------------------------------------------

def _unbounded(x: Traced, sign: int):
    """What bounds nothing of this dtype."""
    if x.node.type.is_float:
        return x.dtype.type(sign * math.inf)
    limits = np.iinfo(x.dtype)
    return x.dtype.type(limits.max if sign > 0 else limits.min)


@implements(np.clip)
def clip(a, a_min=NOT_GIVEN, a_max=NOT_GIVEN, out=None, *, min=NOT_GIVEN, max=NOT_GIVEN, dtype=None):
    """Values within bounds. The gradient passes at the bounds themselves, as torch.clamp."""
    refuse_out(out, "clip")
    low = min if a_min is NOT_GIVEN else a_min
    high = max if a_max is NOT_GIVEN else a_max
    low, high = [None if bound is NOT_GIVEN else bound for bound in (low, high)]
    trace = find_trace((a, low, high))
    values = [as_traced(value, trace) for value in (a, low, high) if value is not None]
    if len(values) == 1:
        return strong(values[0])
    wanted = np.dtype(dtype) if dtype is not None else promoted_dtype(values)
    if wanted == BOOL:
        raise TypeError("ufunc 'clip' did not contain a loop with signature matching types of bool")
    x, *bounds = [cast(value, wanted) for value in values]
    if low is None:
        bounds.insert(0, as_traced(_unbounded(x, -1), trace))
    if high is None:
        bounds.append(as_traced(_unbounded(x, 1), trace))
    return make(CLIP, (x, *bounds))


@implements(np.nan_to_num)
def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    """Numbers in place of NaN and the infinities."""
    x = strong(operand(x))
    if not x.node.type.is_float:
        return x
    limits = np.finfo(x.dtype)
    result = where(np.isnan(x), x.dtype.type(nan), x)
    result = where(x == math.inf, x.dtype.type(limits.max if posinf is None else posinf), result)
    return where(x == -math.inf, x.dtype.type(limits.min if neginf is None else neginf), result)


# Rounding ---------------------------------------------------------------------------------------------------------------

@implements(np.round, np.around)
def round_(a, decimals=0, out=None):
    """To a number of decimals, halves to the even one; the gradient is 0."""
    refuse_out(out, "round")
    x = operand(a)
    decimals = decimals.__index__()
    if not x.node.type.is_float:
        if decimals < 0:
            raise UnsupportedError("np.round of integers to tens is not supported on traced values. Use 10 * np.rint(x / 10).")
        return strong(x)
    if decimals == 0:
        return strong(np.rint(x))
    scale = x.dtype.type(10.0 ** abs(decimals))
    return np.rint(x * scale) / scale if decimals > 0 else np.rint(x / scale) * scale


@implements(np.fix)
def fix(x, out=None):
    """Towards zero."""
    refuse_out(out, "fix")
    return np.trunc(operand(x))


# Comparison -------------------------------------------------------------------------------------------------------------

@implements(np.isclose)
def isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Equal within tolerances."""
    x, y = operands(a, b)
    near = (np.abs(x - y) <= atol + rtol * np.abs(y)) & np.isfinite(y)
    result = near | (x == y)
    return result | (np.isnan(x) & np.isnan(y)) if equal_nan else result


@implements(np.allclose)
def allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Are all elements equal within tolerances?"""
    return all_(isclose(a, b, rtol, atol, equal_nan))


@implements(np.isposinf)
def isposinf(x, out=None):
    """Where it is +inf."""
    refuse_out(out, "isposinf")
    return operand(x) == math.inf


@implements(np.isneginf)
def isneginf(x, out=None):
    """Where it is -inf."""
    refuse_out(out, "isneginf")
    return operand(x) == -math.inf


@implements(np.sinc)
def sinc(x):
    """sin(pi x) / (pi x), 1 at 0."""
    x = operand(x)
    angle = np.pi * x
    return where(x == 0, np.cos(angle), np.sin(angle) / where(x == 0, 1.0, angle))


@implements(np.divmod)
def divmod_(x, y):
    """Quotient and remainder."""
    return np.floor_divide(x, y), np.remainder(x, y)


@implements(np.modf)
def modf(x):
    """Fractional and whole part, both with the sign of x."""
    x = operand(x)
    whole = np.trunc(x)
    return np.copysign(np.where(np.isinf(x), 0.0, x - whole), x), whole


@implements(np.array_equal)
def array_equal(a1, a2, equal_nan=False):
    """Have two arrays the same shape and elements?"""
    x, y = operands(a1, a2)
    if x.shape != y.shape:
        return False
    same = x == y
    return all_(same | (np.isnan(x) & np.isnan(y)) if equal_nan else same)


@implements(np.array_equiv)
def array_equiv(a1, a2):
    """Are two arrays equal where they are broadcast?"""
    x, y = operands(a1, a2)
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return False
    return all_(x == y)


@implements(np.isin)
def isin(element, test_elements, assume_unique=False, invert=False, *, kind=None):
    """Where an element is one of several."""
    x, values = operands(element, test_elements)
    found = np.any(np.expand_dims(x, -1) == np.ravel(values), axis=-1)
    return ~found if invert else found


@implements(np.piecewise)
def piecewise(x, condlist, funclist, *args, **kw):
    """The function whose condition holds last. Each is computed for all elements."""
    trace = find_trace((x, condlist))
    at = as_traced(x, trace)
    is_one = np.isscalar(condlist) or (np.ndim(condlist[0]) == 0 and at.ndim != 0)
    conditions = [cast(as_traced(each, trace), BOOL) for each in ([condlist] if is_one else condlist)]
    if len(funclist) == len(conditions) + 1:
        *funclist, otherwise = funclist
    elif len(funclist) == len(conditions):
        otherwise = 0
    else:
        raise ValueError(f"with {len(conditions)} condition(s), either {len(conditions)} or {len(conditions) + 1} functions are expected")
    result = np.broadcast_to(cast(as_traced(otherwise(at, *args, **kw) if callable(otherwise) else otherwise, trace), at.dtype), at.shape)
    for condition, each in zip(conditions, funclist):
        result = where(condition, cast(as_traced(each(at, *args, **kw) if callable(each) else each, trace), at.dtype), result)
    return result


nearest({"unwrap": "Use np.arctan2(np.sin(x), np.cos(x)).", "i0": "Use scipy.special.i0."})
