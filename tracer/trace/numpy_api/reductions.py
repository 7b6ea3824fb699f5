"""Sums, products, extremes and their kind, with every keyword that NumPy gives them."""

from __future__ import annotations

import math

import numpy as np

from ...errors import ShapeError
from ...ops import TABLE
from ..functions import implements, implements_method
from ..value import Traced, make
from .common import (
    NOT_GIVEN,
    axes_of,
    axis_of,
    broadcast,
    cast,
    dtype_of_reduction,
    filled,
    operand,
    refuse_out,
    reshaped,
    strong,
)

BOOL = np.dtype(bool)
INT64 = np.dtype(np.int64)


def kept_shape(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with ``keepdims``."""
    return tuple([1 if axis in axes else n for axis, n in enumerate(shape)])


def reduce_axes(op, x: Traced, axes: tuple[int, ...], keepdims=False) -> Traced:
    """One reduction; axes of length 1 need only go away."""
    if all(x.shape[axis] == 1 for axis in axes):
        result = reshaped(x, tuple([n for axis, n in enumerate(x.shape) if axis not in axes]))
    else:
        result = make(op, (x,), (axes,))
    return keep(result, x.shape, axes, keepdims)


def keep(result: Traced, shape: tuple[int, ...], axes: tuple[int, ...], keepdims) -> Traced:
    """Put the reduced axes back if ``keepdims`` asks for it."""
    wanted = keepdims is not NOT_GIVEN and keepdims is not None and bool(keepdims)
    return reshaped(result, kept_shape(shape, axes)) if wanted else strong(result)


def masked(x: Traced, where, instead) -> Traced:
    """The operand with another value where the ``where=`` of a reduction is false."""
    if where is NOT_GIVEN or where is None or where is True:
        return x
    return np.where(mask_of(x, where), x, np.asarray(instead, x.dtype)[()] if not isinstance(instead, Traced) else instead)


def mask_of(x: Traced, where) -> Traced:
    """``where=`` as bools of the operand's shape."""
    mask = operand(where, x)
    if mask.dtype != BOOL:
        raise TypeError(f"Cannot cast array data from {mask.dtype!r} to {BOOL!r} according to the rule 'safe'")
    if mask.ndim > x.ndim or any(n not in (1, m) for n, m in zip(mask.shape[::-1], x.shape[::-1])):
        raise ShapeError(f"where= of shape {mask.shape} does not broadcast to the array's shape {x.shape}")
    return broadcast(mask, x.shape)


def _accumulating(op, function, combine, identity):
    """``sum`` and ``prod``: they have an identity and a dtype of their own."""
    def reduce(a, axis=None, dtype=None, out=None, keepdims=NOT_GIVEN, initial=NOT_GIVEN, where=NOT_GIVEN):
        refuse_out(out, function.__name__)
        x = operand(a, where, initial)
        axes = axes_of(axis, x.ndim)
        x = cast(x, np.dtype(dtype) if dtype is not None else dtype_of_reduction(function, x.dtype))
        result = reduce_axes(op, masked(x, where, identity), axes, keepdims)
        if initial is NOT_GIVEN or initial is None:
            return result
        return combine(result, cast(operand(initial, x), x.dtype))
    return reduce


sum_ = implements(np.sum)(_accumulating(TABLE["sum"], np.sum, np.add, 0))
prod = implements(np.prod)(_accumulating(TABLE["prod"], np.prod, np.multiply, 1))


def _extreme(op, function, combine):
    """``max`` and ``min``: without elements there is only what ``initial`` says."""
    def reduce(a, axis=None, out=None, keepdims=NOT_GIVEN, initial=NOT_GIVEN, where=NOT_GIVEN):
        refuse_out(out, function.__name__)
        x = strong(operand(a, where, initial))
        axes = axes_of(axis, x.ndim)
        if initial is NOT_GIVEN or initial is None:
            if where is not NOT_GIVEN and where is not True:
                raise ValueError(f"reduction operation '{combine.__name__}' does not have an identity, so to use a where mask one has to specify 'initial'")
            return reduce_axes(op, x, axes, keepdims)
        start = cast(operand(initial, x), x.dtype)
        if any(x.shape[axis] == 0 for axis in axes):
            return keep(broadcast(start, tuple([n for axis, n in enumerate(x.shape) if axis not in axes])), x.shape, axes, keepdims)
        return combine(reduce_axes(op, masked(x, where, start), axes, keepdims), start)
    return reduce


max_ = implements(np.max, np.amax)(_extreme(TABLE["max"], np.max, np.maximum))
min_ = implements(np.min, np.amin)(_extreme(TABLE["min"], np.min, np.minimum))


@implements(np.ptp)
def ptp(a, axis=None, out=None, keepdims=NOT_GIVEN):
    """Largest minus smallest."""
    refuse_out(out, "ptp")
    return max_(a, axis, keepdims=keepdims) - min_(a, axis, keepdims=keepdims)


def _logical(op, function, identity: bool):
    def reduce(a, axis=None, out=None, keepdims=NOT_GIVEN, *, where=NOT_GIVEN):
        refuse_out(out, function.__name__)
        x = cast(operand(a, where), BOOL)
        return reduce_axes(op, masked(x, where, identity), axes_of(axis, x.ndim), keepdims)
    return reduce


any_ = implements(np.any)(_logical(TABLE["any"], np.any, False))
all_ = implements(np.all)(_logical(TABLE["all"], np.all, True))


@implements(np.count_nonzero)
def count_nonzero(a, axis=None, *, keepdims=False):
    """How many elements are not zero, as int64."""
    x = operand(a)
    return reduce_axes(TABLE["sum"], cast(cast(x, BOOL), INT64), axes_of(axis, x.ndim), keepdims)


def _position(op, function):
    def find(a, axis=None, out=None, *, keepdims=NOT_GIVEN):
        refuse_out(out, function.__name__)
        x = strong(operand(a))
        if axis is None:
            result = make(op, (reshaped(x, (x.size,)),), (0,))
            return keep(result, x.shape, tuple(range(x.ndim)), keepdims)
        axis = axis_of(axis, x.ndim)
        return keep(make(op, (x,), (axis,)), x.shape, (axis,), keepdims)
    return find


argmax = implements(np.argmax)(_position(TABLE["argmax"], np.argmax))
argmin = implements(np.argmin)(_position(TABLE["argmin"], np.argmin))


# Scans ------------------------------------------------------------------------------------------------------------------

def _scan(op, function):
    def scan(a, axis=None, dtype=None, out=None):
        refuse_out(out, function.__name__)
        x = operand(a)
        x = cast(x, np.dtype(dtype) if dtype is not None else dtype_of_reduction(function, x.dtype))
        if axis is None:
            return make(op, (reshaped(x, (x.size,)),), (0,))
        return make(op, (x,), (axis_of(axis, x.ndim),))
    return scan


cumsum = implements(np.cumsum)(_scan(TABLE["cumsum"], np.cumsum))
cumprod = implements(np.cumprod)(_scan(TABLE["cumprod"], np.cumprod))


def _cumulative(scan, identity: int):
    def cumulative(x, /, *, axis=None, dtype=None, out=None, include_initial=False):
        refuse_out(out, "cumulative_sum" if identity == 0 else "cumulative_prod")
        x = operand(x)
        if axis is None and x.ndim > 1:
            raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
        axis = 0 if axis is None else axis_of(axis, x.ndim)
        result = scan(reshaped(x, x.shape or (1,)), axis, dtype)
        if include_initial:
            shape = tuple([1 if k == axis else n for k, n in enumerate(result.shape)])
            result = np.concatenate([filled(x.owner, identity, result.dtype, shape), result], axis)
        return result
    return cumulative


implements(np.cumulative_sum)(_cumulative(cumsum, 0))
implements(np.cumulative_prod)(_cumulative(cumprod, 1))


# Without NaN ------------------------------------------------------------------------------------------------------------

def not_nan(x: Traced):
    """Where there is a number."""
    return ~np.isnan(x) if x.node.type.is_float else True


def _ignoring_nan(function, reduction, instead):
    def reduce(a, axis=None, dtype=None, out=None, keepdims=NOT_GIVEN, initial=NOT_GIVEN, where=NOT_GIVEN):
        refuse_out(out, function.__name__)
        x = operand(a, where)
        return reduction(masked(x, not_nan(x), instead), axis, dtype, None, keepdims, initial, where)
    return reduce


implements(np.nansum)(_ignoring_nan(np.nansum, sum_, 0))
implements(np.nanprod)(_ignoring_nan(np.nanprod, prod, 1))


def _extreme_ignoring_nan(function, reduction, sign: int):
    def reduce(a, axis=None, out=None, keepdims=NOT_GIVEN, initial=NOT_GIVEN, where=NOT_GIVEN):
        refuse_out(out, function.__name__)
        x = operand(a, where)
        if not x.node.type.is_float:
            return reduction(x, axis, None, keepdims, initial, where)
        numbers = not_nan(x)
        result = reduction(masked(x, numbers, sign * math.inf), axis, None, keepdims, initial, where)
        return np.where(any_(numbers, axis, None, keepdims), result, x.dtype.type(np.nan))
    return reduce


def _scan_ignoring_nan(function, scan, instead):
    def scanned(a, axis=None, dtype=None, out=None):
        refuse_out(out, function.__name__)
        x = operand(a)
        return scan(masked(x, not_nan(x), instead), axis, dtype)
    return scanned


implements(np.nancumsum)(_scan_ignoring_nan(np.nancumsum, cumsum, 0))
implements(np.nancumprod)(_scan_ignoring_nan(np.nancumprod, cumprod, 1))
implements(np.nanmax)(_extreme_ignoring_nan(np.nanmax, max_, -1))
implements(np.nanmin)(_extreme_ignoring_nan(np.nanmin, min_, 1))


# Methods of ufuncs ------------------------------------------------------------------------------------------------------

def _as_method(reduction):
    def reduce(array, axis=0, dtype=None, out=None, keepdims=False, **keywords):
        if dtype is not None:
            keywords["dtype"] = dtype
        return reduction(array, axis=axis, out=out, keepdims=keepdims, **keywords)
    return reduce


for _ufunc, _reduction in ((np.add, sum_), (np.multiply, prod), (np.maximum, max_), (np.minimum, min_), (np.logical_or, any_),
                           (np.logical_and, all_)):
    implements_method(_ufunc, "reduce")(_as_method(_reduction))
for _ufunc, _scanning in ((np.add, cumsum), (np.multiply, cumprod)):
    implements_method(_ufunc, "accumulate")(lambda array, axis=0, dtype=None, out=None, scan=_scanning: scan(array, axis, dtype, out))


def _running(ufunc):
    """``ufunc.accumulate`` of what is associative: each element with those before it, 1, 2, 4 … places away."""
    def accumulate(array, axis=0, dtype=None, out=None):
        refuse_out(out, f"{ufunc.__name__}.accumulate")
        x = operand(array)
        axis = axis_of(axis, x.ndim)
        x = np.moveaxis(x if dtype is None else cast(x, np.dtype(dtype)), axis, -1)
        away = 1
        while away < x.shape[-1]:
            x = np.concatenate([x[..., :away], ufunc(x[..., :-away], x[..., away:])], axis=-1)
            away *= 2
        return np.moveaxis(x, -1, axis)
    return accumulate


for _ufunc in (np.maximum, np.minimum, np.fmax, np.fmin, np.logaddexp, np.logaddexp2):
    implements_method(_ufunc, "accumulate")(_running(_ufunc))
