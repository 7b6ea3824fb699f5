"""Elements picked by functions: ``take`` and its kin."""

from __future__ import annotations

import operator

import numpy as np

from ...errors import TracedIndexError, UnsupportedError
from ...ops import TABLE
from ..functions import implements, nearest
from ..value import Traced, as_traced, make
from .common import axis_of, cast, find_trace, operand, promoted, refuse_out, reshaped, static_value, strong
from .indexing import gathered, getitem

INT64 = np.dtype(np.int64)


def _integer_indices(indices, x: Traced, name: str):
    """Indices as a NumPy array where they are known, else traced."""
    static = static_value(indices)
    if static is not None:
        if static.size == 0:
            static = static.astype(INT64)
        if static.dtype.kind not in "iub":
            raise TypeError(f"Cannot cast array data from {static.dtype!r} to {INT64!r} according to the rule 'safe'")
        return static.astype(INT64)
    index = operand(indices, x)
    if index.node.type.is_float and index.weak is not int:  # math.floor gives whole ones
        raise TracedIndexError(index.owner.explain_index(index.node, f"np.{name}"))
    return cast(index, INT64)


@implements(np.take)
def take(a, indices, axis=None, out=None, mode="raise"):
    """The elements at indices along an axis, or of the raveled array."""
    refuse_out(out, "take")
    x = operand(a, indices)
    if axis is None:
        x, axis = reshaped(x, (x.size,)), 0
    axis = axis_of(axis, x.ndim)
    index = _integer_indices(indices, x, "take")
    length = x.shape[axis]
    if mode == "wrap":
        index = index % length
    elif mode == "clip":
        index = np.minimum(np.maximum(index, 0), length - 1)
    elif mode != "raise":
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    if isinstance(index, Traced) and index.ndim == 0:
        return gathered(strong(x), [(axis, index)], axis)
    return getitem(strong(x), (*[slice(None)] * axis, index))


@implements(np.take_along_axis)
def take_along_axis(arr, indices, axis=-1):
    """Along one axis the elements that an array of indices picks for each line."""
    x = operand(arr, indices)
    index = _integer_indices(indices, x, "take_along_axis")
    if axis is None:
        x, axis = reshaped(x, (x.size,)), 0
    axis = axis_of(axis, x.ndim)
    if index.ndim != x.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    lines = [np.arange(n).reshape(tuple([n if j == k else 1 for j in range(x.ndim)])) for k, n in enumerate(x.shape)]
    return getitem(strong(x), tuple([index if k == axis else line for k, line in enumerate(lines)]))


@implements(np.compress)
def compress(condition, a, axis=None, out=None):
    """The slices where a constant condition holds."""
    refuse_out(out, "compress")
    x = operand(a, condition)
    mask = static_value(condition)
    if mask is None:
        raise UnsupportedError("np.compress with a traced condition: how many elements it keeps is not known while the graph is built. Use np.where.")
    return take(x, np.flatnonzero(mask), axis)


@implements(np.extract)
def extract(condition, arr):
    """The elements where a constant condition holds."""
    x = operand(arr, condition)
    return compress(np.ravel(condition), reshaped(x, (x.size,)), 0)


@implements(np.delete)
def delete(arr, obj, axis=None):
    """Without the elements at constant places."""
    x = operand(arr, obj)
    if axis is None:
        x, axis = reshaped(x, (x.size,)), 0
    axis = axis_of(axis, x.ndim)
    return take(x, np.delete(np.arange(x.shape[axis]), obj), axis)


@implements(np.unravel_index)
def unravel_index(indices, shape, order="C"):
    """Flat indices as one array of indices per axis."""
    rest = operand(indices)
    lengths = [operator.index(n) for n in shape] if np.ndim(shape) else [operator.index(shape)]
    if order == "F":
        lengths = lengths[::-1]
    result = []
    for length in lengths[::-1]:
        result.append(rest % length)
        rest = rest // length
    return tuple(result if order == "F" else result[::-1])


@implements(np.tril_indices_from)
def tril_indices_from(arr, k=0):
    """Where a matrix lies on or below a diagonal."""
    return np.tril_indices(arr.shape[-2], k, arr.shape[-1])


@implements(np.triu_indices_from)
def triu_indices_from(arr, k=0):
    """Where a matrix lies on or above a diagonal."""
    return np.triu_indices(arr.shape[-2], k, arr.shape[-1])


@implements(np.diag_indices_from)
def diag_indices_from(arr):
    """Where the diagonal of an array of equal sides lies."""
    return np.diag_indices(arr.shape[0], arr.ndim)


@implements(np.choose)
def choose(a, choices, out=None, mode="raise"):
    """Elements of several arrays, picked by an array of integers."""
    refuse_out(out, "choose")
    trace = find_trace((a, choices))
    values = promoted(*[as_traced(choice, trace) for choice in choices])
    index = as_traced(a, trace)
    if mode != "raise":
        raise UnsupportedError(f"np.choose(..., mode={mode!r}) is not supported. Use np.clip or % on the indices.")
    result = values[-1]
    for k in range(len(values) - 2, -1, -1):
        result = np.where(index == k, values[k], result)
    return result


@implements(np.insert)
def insert(arr, obj, values, axis=None):
    """With values put in before constant places."""
    x = operand(arr, values)
    if axis is None:
        x, axis = reshaped(x, (x.size,)), 0
    axis = axis_of(axis, x.ndim)
    if static_value(obj) is None:
        raise UnsupportedError("np.insert at traced places is not supported: which elements move is not known while the graph is built.")
    n = x.shape[axis]
    places = np.arange(*obj.indices(n)) if type(obj) is slice else np.where(np.asarray(obj) < 0, np.asarray(obj) + n, obj)
    new = np.insert(np.arange(n), obj, -1)  # where each element comes from; -1: from the values
    given = cast(operand(values, x), x.dtype)
    number = np.count_nonzero(new == -1)
    given = np.moveaxis(given, 0, axis) if np.ndim(obj) == 0 and given.ndim == x.ndim and type(obj) is not slice else given
    shape = tuple([number if k == axis else m for k, m in enumerate(x.shape)])
    both = np.concatenate([strong(x), np.broadcast_to(given, shape)], axis=axis)
    order = new.copy()
    order[new == -1] = n + (np.argsort(places, kind="stable") if places.size == number else np.arange(number))
    return take(both, order, axis)


@implements(np.bincount)
def bincount(x, /, weights=None, minlength=0):
    """The weights of each number, added up; the numbers are constants, or ``minlength`` is more than any of them."""
    numbers = static_value(x)
    if numbers is None or weights is None:
        raise UnsupportedError("np.bincount takes constant numbers and traced weights: how many bins there are is not known while the graph is built. "
                               "Use np.add.at on np.zeros(n).")
    added = cast(strong(operand(weights)), np.dtype(np.float64))
    length = max(int(numbers.max()) + 1 if numbers.size else 0, operator.index(minlength))
    return make(TABLE["scatter_add"], (added, as_traced(numbers.astype(INT64), added.owner)), ((length,),))


nearest({"argwhere": "How many elements it finds is not known while the graph is built. Index with the mask, or use np.where.",
         "put": "Nothing is written in place. Build the result with np.where or np.concatenate.",
         "put_along_axis": "Nothing is written in place. Build the result with np.where.",
         "place": "Nothing is written in place. Use np.where.", "copyto": "Nothing is written in place. Use np.where.",
         "putmask": "Nothing is written in place. Use np.where.", "fill_diagonal": "Nothing is written in place. Use np.where(np.eye(n) == 1, value, x)."})
