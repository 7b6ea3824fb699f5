"""What both sweeps share: partials of element-wise operations and the products that a guarded branch needs."""

from __future__ import annotations

import numpy as np

from ..errors import DerivativeError
from ..graph.node import Node, user_line
from ..graph.op import NOT_DIFFERENTIABLE, ZERO
from ..graph.types import ArrayType
from ..ops import TABLE
from ..trace.functions import FUNCTIONS
from ..trace.value import Traced, constant, make

MULTIPLY, STRONG_MULTIPLY = TABLE["multiply"], TABLE["strong_multiply"]


def refuse_derivative(node: Node) -> DerivativeError:
    """The error for an operation without derivative that lies on the way."""
    line = user_line(node)
    return DerivativeError(f"`{node.op.name}`{f' ({line})' if line else ''} has no derivative, and it lies between the argument and the result. "
                           f"Wrap it in tracer.stop_gradient(...) if it is to count as a constant.")


def factor(node: Node, position: int, inputs: tuple[Traced, ...], out: Traced):
    """The partial of an element-wise node with respect to one input: a Traced, a number, or ZERO."""
    partials = node.op.partials
    if partials is NOT_DIFFERENTIABLE:
        raise refuse_derivative(node)
    if partials is ZERO:
        return ZERO
    partial = partials[position]
    if partial is NOT_DIFFERENTIABLE:
        raise refuse_derivative(node)
    return partial(*inputs, out) if callable(partial) else partial


def times(value: Traced, by, strong: bool) -> Traced:
    """value * by, where a number 1 or -1 costs nothing; ``strong``: exactly zero where the value is."""
    if not isinstance(by, Traced):
        if by == 1:
            return value
        if by == -1:
            return -value
        strong = False
    if not strong:
        return value * by
    # A partial such as where(x > y, 1.0, 0.0) is float64 whatever x is.
    return make(STRONG_MULTIPLY, (value, by if by.dtype == value.dtype else by.astype(value.dtype)))


def zeros(trace, type: ArrayType) -> Traced:
    """Zeros of a type."""
    zero = constant(trace, 0, type.dtype)
    return make(TABLE["broadcast_to"], (zero,), (type.shape,)) if type.shape else zero


def sum_to(value: Traced, shape: tuple[int, ...]) -> Traced:
    """Undo broadcasting: sum over the axes that were stretched or added."""
    if value.shape == shape:
        return value
    lead = value.ndim - len(shape)
    axes = tuple(i for i in range(value.ndim) if i < lead or (shape[i - lead] == 1 and value.shape[i] != 1))
    if axes:
        value = make(TABLE["sum"], (value,), (axes,))
    return value if value.shape == shape else FUNCTIONS[np.reshape](value, shape)
