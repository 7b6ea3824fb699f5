"""What the families share: how records are gathered, and the type rules that many operations have in common."""

from __future__ import annotations

import functools

import numpy as np

from ..errors import ShapeError
from ..graph.op import Op
from ..graph.types import ArrayType, array_type


def records_of(module) -> list[Op]:
    """The records that a family module binds, in the order of the text."""
    return [value for value in vars(module).values() if isinstance(value, Op) and value.kind != "source"]


@functools.lru_cache(maxsize=65536)
def broadcast_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(f"shapes {' and '.join(map(str, shapes))} do not broadcast together") from None


def same_dtype(types: tuple[ArrayType, ...], attrs) -> ArrayType:
    """Broadcast; operands and result have one dtype."""
    first = types[0]
    if all(t is first for t in types):
        return first
    assert all(t.dtype == first.dtype for t in types), types
    return array_type(first.dtype, broadcast_shape(*[t.shape for t in types]))


def to_bool(types: tuple[ArrayType, ...], attrs) -> ArrayType:
    """Broadcast; operands have one dtype, the result is bool."""
    return array_type("bool", broadcast_shape(*[t.shape for t in types]))
