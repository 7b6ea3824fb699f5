"""Reads and writes at indices that are data: ``gather`` and its adjoint ``scatter_add``.

Indices are int64, broadcast together, and address the leading axes of the array; the NumPy layer moves the axes there and wraps
negative indices, so that what is still outside ``0 <= i < n`` is an error.
"""

from __future__ import annotations

import numpy as np

from ..graph.op import STRUCTURAL, Op
from ..graph.types import INT64, ArrayType, array_type
from .apply import apply
from .families import broadcast_shape


def _lookup_shape(indices: tuple[ArrayType, ...]) -> tuple[int, ...]:
    assert indices and all(t.dtype == INT64.dtype for t in indices), indices
    return broadcast_shape(*[t.shape for t in indices])


def _gathered(types, attrs) -> ArrayType:
    x, *indices = types
    assert len(indices) <= x.ndim, types
    return x.with_shape(_lookup_shape(tuple(indices)) + x.shape[len(indices):])


def _scattered(types, attrs) -> ArrayType:
    values, *indices = types
    shape = attrs[0]
    assert values.shape == _lookup_shape(tuple(indices)) + shape[len(indices):], (types, attrs)
    return array_type(values.dtype, shape)


def check_bounds(indices, shape: tuple[int, ...]) -> None:
    """Raise NumPy's IndexError for the first index outside its axis; negative ones count as outside."""
    for axis, (index, length) in enumerate(zip(indices, shape)):
        outside = (index < 0) | (index >= length)
        if np.any(outside):
            raise IndexError(f"index {np.asarray(index)[outside].flat[0]} is out of bounds for axis {axis} with size {length}")


def _evaluate_gather(x, *indices):
    check_bounds(indices, x.shape)
    return x[tuple(indices)]


def _evaluate_scatter_add(values, *indices_and_shape):
    *indices, shape = indices_and_shape
    check_bounds(indices, shape)
    result = np.zeros(shape, values.dtype)
    np.add.at(result, tuple(indices), values)
    return result


def _gather_vjp(cotangent, inputs, out, attrs, times):
    x, *indices = inputs
    return (apply(SCATTER_ADD, (cotangent, *indices), (x.shape,)), *[None] * len(indices))


def _gather_jvp(tangents, inputs, out, attrs):
    return apply(GATHER, (tangents[0], *inputs[1:]))


def _scatter_add_vjp(cotangent, inputs, out, attrs, times):
    return (apply(GATHER, (cotangent, *inputs[1:])), *[None] * (len(inputs) - 1))


def _scatter_add_jvp(tangents, inputs, out, attrs):
    return apply(SCATTER_ADD, (tangents[0], *inputs[1:]), attrs)


GATHER = Op(name="gather", kind="indexed", infer=_gathered, evaluate=_evaluate_gather, numpy=(np.take,), vjp=_gather_vjp, jvp=_gather_jvp,
            lower=STRUCTURAL, source=STRUCTURAL, grad_fn="IndexBackward0", domain=None)

SCATTER_ADD = Op(name="scatter_add", kind="indexed", infer=_scattered, evaluate=_evaluate_scatter_add, numpy=(np.add.at,),
                 vjp=_scatter_add_vjp, jvp=_scatter_add_jvp, lower=STRUCTURAL, source=STRUCTURAL, grad_fn="IndexPutBackward0", domain=None)
