"""What the NumPy functions on traced values share: finding the trace, promotion as NumPy's, axes, and refusals."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ...errors import InPlaceError, UnsupportedError
from ...graph.node import CONSTANT, constant_value
from ...ops import TABLE
from ...ops.apply import apply
from ..context import Trace
from ..functions import implements
from ..value import Traced, as_traced, constant, make
from ..value import cast as cast_traced

NOT_GIVEN = np._NoValue
RESHAPE, BROADCAST_TO, TRANSPOSE = TABLE["reshape"], TABLE["broadcast_to"], TABLE["transpose"]


@implements(apply)
def apply_to_traced(op, operands, attrs=()):
    """A record applied to operands of which some are traced."""
    trace = find_trace(operands)
    return make(op, tuple([as_traced(operand, trace) for operand in operands]), attrs)


# Operands ---------------------------------------------------------------------------------------------------------------

def find_trace(values: Iterable) -> Trace:
    """The trace of the first traced value among these and the lists and tuples in them."""
    pending = list(values)[::-1]
    while pending:
        value = pending.pop()
        if type(value) is Traced:
            return value.owner
        if type(value) in (list, tuple):
            pending.extend(reversed(value))
    raise AssertionError("no traced operand")


def operands(*values) -> list[Traced]:
    """Traced values of all, in the trace of those that already are."""
    trace = find_trace(values)
    return [as_traced(value, trace) for value in values]


def operand(value, *others) -> Traced:
    """The traced value of one; ``others`` are further arguments that may be the traced ones."""
    return value if type(value) is Traced else as_traced(value, find_trace((value, *others)))


def strong(value: Traced) -> Traced:
    """What NumPy would make of it as an array: a weak scalar gets its default dtype for good."""
    return value if value.weak is None else Traced(value.node, value.owner)


def static_value(value):
    """The number or array that is known while the graph is built, or None."""
    if type(value) is Traced:
        return constant_value(value.node)
    if type(value) in (list, tuple) and contains_traced(value):
        return None
    return np.asarray(value)


def contains_traced(values) -> bool:
    """Is anything in here traced?"""
    pending = [values]
    while pending:
        value = pending.pop()
        if type(value) is Traced:
            return True
        if type(value) in (list, tuple):
            pending.extend(value)
    return False


# dtypes -----------------------------------------------------------------------------------------------------------------

def cast(value: Traced, dtype: np.dtype) -> Traced:
    """The value in another dtype; constants are made in it."""
    node = value.node
    if node.op is CONSTANT and node.type.dtype != dtype:
        return constant(value.owner, constant_value(node), dtype, node.attrs[2])
    return cast_traced(value, dtype)


def promoted_dtype(values: Iterable[Traced]) -> np.dtype:
    """The dtype in which NumPy would put these together; Python scalars are weak."""
    values = list(values)
    dtypes = {value.dtype for value in values if value.weak is None}
    if len(dtypes) == 1 and (dtype := dtypes.pop()).kind == "f":
        return dtype  # half the time of asking NumPy
    return np.result_type(*[value.dtype if value.weak is None else value.weak(1) for value in values])


def promoted(*values: Traced) -> list[Traced]:
    """The values in their common dtype."""
    dtype = promoted_dtype(values)
    return [cast(value, dtype) for value in values]


@functools.lru_cache(maxsize=1024)
def dtype_of_reduction(function: Callable, dtype: np.dtype) -> np.dtype:
    """The dtype that a NumPy reduction gives for this dtype: sums of small integers are made in int64."""
    return function(np.ones(1, dtype)).dtype


# Axes and shapes --------------------------------------------------------------------------------------------------------

def axes_of(axis, ndim: int) -> tuple[int, ...]:
    """The axes as sorted non-negative ints; None means all."""
    if axis is None:
        return tuple(range(ndim))
    axes = tuple(sorted(normalize_axis_tuple(axis, ndim, allow_duplicate=True)))
    if len(set(axes)) != len(axes):
        raise ValueError("duplicate value in 'axis'")
    return axes


def axis_of(axis, ndim: int, name: str | None = None) -> int:
    """One axis as a non-negative int; ``name`` is what messages call it."""
    return normalize_axis_index(operator.index(axis), ndim, name)


def shape_tuple(shape) -> tuple[int, ...]:
    """A shape argument, an int or a sequence of ints, as a tuple of ints."""
    try:
        return (operator.index(shape),)
    except TypeError:
        return tuple([operator.index(n) for n in shape])


def reshaped(value: Traced, shape: tuple[int, ...]) -> Traced:
    """The value in another shape that is known to fit; of a reshape, what it reshapes."""
    node = value.node
    while node.op is RESHAPE and node.type.shape != shape:
        node = node.inputs[0]
    value = strong(value) if node is value.node else Traced(node, value.owner)
    return value if value.shape == shape else make(RESHAPE, (value,), (shape,))


def broadcast(value: Traced, shape: tuple[int, ...]) -> Traced:
    """The value broadcast to a shape that is known to fit."""
    return strong(value) if value.shape == shape else make(BROADCAST_TO, (value,), (shape,))


def transposed(value: Traced, order: tuple[int, ...]) -> Traced:
    """The value with its axes in another order; of a transpose, what it transposes."""
    node = value.node
    while node.op is TRANSPOSE:
        order, node = tuple([node.attrs[0][axis] for axis in order]), node.inputs[0]
    value = strong(value) if node is value.node else Traced(node, value.owner)
    return value if order == tuple(range(value.ndim)) else make(TRANSPOSE, (value,), (order,))


def moved_last(value: Traced, *axes: int) -> Traced:
    """The value with these axes behind all others, in the order given."""
    return transposed(value, (*[axis for axis in range(value.ndim) if axis not in axes], *axes))


def filled(trace: Trace, value, dtype, shape: tuple[int, ...]) -> Traced:
    """An array that is one number everywhere."""
    return broadcast(constant(trace, value, dtype), shape)


def count(trace: Trace, number, dtype) -> Traced:
    """A number that follows from extents; it is handed to the kernel when it runs, so that another length compiles nothing."""
    return constant(trace, number, dtype, run_time=True)


# Refusals ---------------------------------------------------------------------------------------------------------------

def refuse_out(out, name: str) -> None:
    """``out=`` writes in place."""
    if out is not None and out is not NOT_GIVEN:
        raise InPlaceError(f"np.{name}(..., out=) writes into an existing array, which a graph does not have. Use the result instead.")


def refuse_order(order, name: str) -> None:
    """Orders that depend on how the operand lies in memory, which a graph does not know."""
    if order not in ("C", "F", None):
        raise UnsupportedError(f"np.{name}(..., order={order!r}) depends on how the array lies in memory, which is not known while the graph is built. "
                               f"Use order='C' or order='F'.")
