"""Arrays put together and cut apart."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ...errors import ShapeError
from ...ops import TABLE
from ..functions import implements
from ..value import Traced, make
from .common import axis_of, cast, find_trace, operand, operands, refuse_out, reshaped
from .indexing import piece
from .shaping import atleast_1d, atleast_2d, atleast_3d, index_of, ravel

CONCATENATE = TABLE["concatenate"]


def arrays_of(sequence) -> list[Traced]:
    """The arrays to join: a sequence of them, or the rows of one."""
    if type(sequence) is Traced:
        return [sequence[k] for k in range(len(sequence))]
    return operands(*sequence)


def _check_shapes(values: list[Traced], axis: int) -> None:
    first = values[0]
    for position, x in enumerate(values[1:], 1):
        if x.ndim != first.ndim:
            raise ShapeError(f"all the input arrays must have same number of dimensions, but the array at index 0 has {first.ndim} dimension(s) "
                             f"and the array at index {position} has {x.ndim} dimension(s)")
        for k, (n, m) in enumerate(zip(first.shape, x.shape)):
            if k != axis and n != m:
                raise ShapeError(f"all the input array dimensions except for the concatenation axis must match exactly, but along dimension {k}, "
                                 f"the array at index 0 has size {n} and the array at index {position} has size {m}")


@implements(np.concatenate, np.concat)
def concatenate(arrays, /, axis=0, out=None, *, dtype=None, casting="same_kind"):
    """Arrays one after another along an axis; all of them raveled where it is None."""
    refuse_out(out, "concatenate")
    values = arrays_of(arrays)
    if axis is None:
        values, axis = [ravel(x) for x in values], 0
    if any(x.ndim == 0 for x in values):
        raise ShapeError("zero-dimensional arrays cannot be concatenated")
    axis = axis_of(axis, values[0].ndim)
    _check_shapes(values, axis)
    joined = np.dtype(dtype) if dtype is not None else np.result_type(*[x.dtype for x in values])
    values = [cast(x, joined) for x in values]
    return values[0] if len(values) == 1 else make(CONCATENATE, tuple(values), (axis,))


@implements(np.stack)
def stack(arrays, axis=0, out=None, *, dtype=None, casting="same_kind"):
    """Arrays of one shape side by side along a new axis."""
    refuse_out(out, "stack")
    values = arrays_of(arrays)
    if len({x.shape for x in values}) > 1:
        raise ShapeError("all input arrays must have the same shape")
    axis = axis_of(axis, values[0].ndim + 1)
    shape = values[0].shape[:axis] + (1,) + values[0].shape[axis:]
    return concatenate([reshaped(x, shape) for x in values], axis, dtype=dtype)


def _listed(values) -> list:
    return list(values) if isinstance(values, tuple) else [values]


@implements(np.vstack)
def vstack(tup, *, dtype=None, casting="same_kind"):
    """Rows below one another."""
    return concatenate(_listed(atleast_2d(*arrays_of(tup))), 0, dtype=dtype)


@implements(np.hstack)
def hstack(tup, *, dtype=None, casting="same_kind"):
    """Columns beside one another; vectors end to end."""
    values = _listed(atleast_1d(*arrays_of(tup)))
    return concatenate(values, 0 if values[0].ndim == 1 else 1, dtype=dtype)


@implements(np.dstack)
def dstack(tup):
    """Along the third axis."""
    return concatenate(_listed(atleast_3d(*arrays_of(tup))), 2)


@implements(np.column_stack)
def column_stack(tup):
    """Vectors as columns."""
    return concatenate([reshaped(x, (x.size, 1)) if x.ndim < 2 else x for x in arrays_of(tup)], 1)


@implements(np.append)
def append(arr, values, axis=None):
    """Values behind an array."""
    first, second = operands(arr, values)
    if axis is None:
        return concatenate([ravel(first), ravel(second)], 0)
    return concatenate([first, second], axis)


@implements(np.block)
def block(arrays):
    """An array from nested lists of blocks."""
    depth, inner = 0, arrays
    while type(inner) is list:
        depth, inner = depth + 1, inner[0]
    trace = find_trace([arrays])
    rank = max([x.ndim for x in operands(*_leaves(arrays), _zero(trace))] + [depth])
    return _block(arrays, depth, rank, trace)


def _zero(trace) -> Traced:
    return Traced(trace.builder.constant(0, "int64"), trace)


def _leaves(arrays) -> list:
    found, pending = [], [arrays]
    while pending:
        value = pending.pop()
        if type(value) is list:
            pending.extend(value)
        else:
            found.append(value)
    return found


def _block(arrays, depth: int, rank: int, trace) -> Traced:
    """Nested as deep as the user wrote it."""
    if type(arrays) is not list:
        x = operand(arrays, _zero(trace))
        return reshaped(x, (1,) * (rank - x.ndim) + x.shape)
    return concatenate([_block(each, depth - 1, rank, trace) for each in arrays], -depth)


# Cutting ----------------------------------------------------------------------------------------------------------------

def _cut(x: Traced, borders: list[int], axis: int) -> list[Traced]:
    edges = [0, *borders, x.shape[axis]]
    return [piece(x, axis, slice(low, high)) for low, high in pairwise(edges)]


@implements(np.array_split)
def array_split(ary, indices_or_sections, axis=0):
    """Pieces along an axis: a number of nearly equal ones, or cut at indices."""
    x = operand(ary)
    axis = axis_of(axis, x.ndim)
    if np.ndim(indices_or_sections):
        return _cut(x, [index_of(k) for k in indices_or_sections], axis)
    sections = index_of(indices_or_sections)
    if sections <= 0:
        raise ValueError("number sections must be larger than 0.")
    each, extra = divmod(x.shape[axis], sections)
    lengths = [each + 1] * extra + [each] * (sections - extra)
    return _cut(x, np.cumsum(lengths).tolist()[:-1], axis)


@implements(np.split)
def split(ary, indices_or_sections, axis=0):
    """Pieces along an axis, of equal length where a number is given."""
    x = operand(ary)
    if not np.ndim(indices_or_sections) and x.shape[axis] % index_of(indices_or_sections):
        raise ValueError("array split does not result in an equal division")
    return array_split(x, indices_or_sections, axis)


@implements(np.hsplit)
def hsplit(ary, indices_or_sections):
    """Split along columns; a vector along its axis."""
    x = operand(ary)
    if x.ndim == 0:
        raise ValueError("hsplit only works on arrays of 1 or more dimensions")
    return split(x, indices_or_sections, 1 if x.ndim > 1 else 0)


@implements(np.vsplit)
def vsplit(ary, indices_or_sections):
    """Split along rows."""
    x = operand(ary)
    if x.ndim < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return split(x, indices_or_sections, 0)


@implements(np.dsplit)
def dsplit(ary, indices_or_sections):
    """Split along the third axis."""
    x = operand(ary)
    if x.ndim < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return split(x, indices_or_sections, 2)


@implements(np.unstack)
def unstack(x, /, *, axis=0):
    """The slices along an axis."""
    x = operand(x)
    if not x.ndim:
        raise ValueError("Input array must be at least 1-d.")
    x = np.moveaxis(x, axis, 0)
    return tuple([x[k] for k in range(x.shape[0])])

