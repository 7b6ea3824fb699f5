"""Movements: operations that place elements anew and compute nothing. Each is linear, and each is some other's adjoint.

``index`` and ``assemble`` are adjoint to one another: all reads of one array send their cotangents into one assemble node.
An index is a *spec*: for each axis of the operand an int, which drops the axis, or ``(start, count, step)``, the step possibly negative.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import ShapeError
from ..graph.op import LINEAR, STRUCTURAL, Op
from ..graph.types import ArrayType, array_type
from .apply import apply
from .families import broadcast_shape

# Specs ------------------------------------------------------------------------------------------------------------------

def slices_of(spec: tuple) -> tuple:
    """The spec as NumPy writes it."""
    return tuple([entry if isinstance(entry, int) else _slice(*entry) for entry in spec])


def _slice(start: int, count: int, step: int) -> slice:
    stop = start + count * step
    return slice(start, stop if stop >= 0 else None, step) if count else slice(0, 0)


def spec_shape(spec: tuple) -> tuple[int, ...]:
    """The shape that a read at this spec has."""
    return tuple([entry[1] for entry in spec if type(entry) is not int])


def is_legal_spec(spec: tuple, shape: tuple[int, ...]) -> bool:
    """Does every element that the spec names lie inside the shape?"""
    return len(spec) == len(shape) and all([0 <= entry < n if type(entry) is int else _inside(*entry, n) for entry, n in zip(spec, shape)])


def _inside(start: int, count: int, step: int, length: int) -> bool:
    return count == 0 or (step != 0 and count > 0 and 0 <= start < length and 0 <= start + (count - 1) * step < length)


# Type rules -------------------------------------------------------------------------------------------------------------

def _reshaped(types, attrs) -> ArrayType:
    operand, shape = types[0], attrs[0]
    if math.prod(shape) != operand.size:
        raise ShapeError(f"cannot reshape array of size {operand.size} into shape {shape}")
    return operand.with_shape(shape)


def _transposed(types, attrs) -> ArrayType:
    operand, order = types[0], attrs[0]
    assert sorted(order) == list(range(operand.ndim)), (operand, order)
    return operand.with_shape(tuple([operand.shape[axis] for axis in order]))


def _broadcast(types, attrs) -> ArrayType:
    operand, shape = types[0], attrs[0]
    if len(shape) < operand.ndim or broadcast_shape(operand.shape, shape) != shape:
        raise ShapeError(f"an array of shape {operand.shape} does not broadcast to {shape}")
    return operand.with_shape(shape)


def _indexed(types, attrs) -> ArrayType:
    operand, spec = types[0], attrs[0]
    assert is_legal_spec(spec, operand.shape), (operand, spec)
    return array_type(operand.dtype, spec_shape(spec))


def _concatenated(types, attrs) -> ArrayType:
    first, axis = types[0], attrs[0]
    assert 0 <= axis < first.ndim and all(t.dtype == first.dtype for t in types), (types, attrs)
    around = first.shape[:axis], first.shape[axis + 1:]
    for t in types:
        if t.ndim != first.ndim or (t.shape[:axis], t.shape[axis + 1:]) != around:
            raise ShapeError(f"arrays of shapes {first.shape} and {t.shape} do not fit together along axis {axis}")
    return first.with_shape((*around[0], sum(t.shape[axis] for t in types), *around[1]))


def _assembled(types, attrs) -> ArrayType:
    shape, specs = attrs
    assert types and len(specs) == len(types) and all(t.dtype == types[0].dtype for t in types), (types, attrs)
    assert all(is_legal_spec(spec, shape) and spec_shape(spec) == t.shape for t, spec in zip(types, specs)), (types, attrs)
    return array_type(types[0].dtype, shape)


# Rules ------------------------------------------------------------------------------------------------------------------

def sum_to_shape(value, shape: tuple[int, ...]):
    """Undo broadcasting: the sum over all axes that were added or stretched."""
    lead = value.ndim - len(shape)
    axes = tuple([axis for axis in range(value.ndim) if axis < lead or (shape[axis - lead] == 1 and value.shape[axis] != 1)])
    return np.reshape(np.sum(value, axis=axes), shape) if axes else value


def _reshape_vjp(cotangent, inputs, out, attrs, times):
    return (np.reshape(cotangent, inputs[0].shape),)


def _transpose_vjp(cotangent, inputs, out, attrs, times):
    return (np.transpose(cotangent, tuple(np.argsort(attrs[0]).tolist())),)


def _broadcast_vjp(cotangent, inputs, out, attrs, times):
    return (sum_to_shape(cotangent, inputs[0].shape),)


def _index_vjp(cotangent, inputs, out, attrs, times):
    return (apply(ASSEMBLE, (cotangent,), (inputs[0].shape, attrs)),)


def _concatenate_vjp(cotangent, inputs, out, attrs, times):
    axis, start, pieces = attrs[0], 0, []
    for operand in inputs:
        spec = tuple([(start if k == axis else 0, n, 1) for k, n in enumerate(operand.shape)])
        pieces.append(apply(INDEX, (cotangent,), (spec,)))
        start += operand.shape[axis]
    return tuple(pieces)


def _assemble_vjp(cotangent, inputs, out, attrs, times):
    return tuple([apply(INDEX, (cotangent,), (spec,)) for spec in attrs[1]])


def _evaluate_concatenate(*pieces_and_axis):
    *pieces, axis = pieces_and_axis
    return np.concatenate(pieces, axis)


def _evaluate_assemble(*pieces_and_attrs):
    *pieces, shape, specs = pieces_and_attrs
    result = np.zeros(shape, pieces[0].dtype)
    written = np.zeros(shape, np.bool_)
    for piece, spec in zip(pieces, specs):
        place = slices_of(spec)
        # The first piece at a place is put there and not added to zero, which would take the sign from -0.0.
        result[place] = np.where(written[place], result[place] + piece, piece)
        written[place] = True
    return result


# Records ----------------------------------------------------------------------------------------------------------------

RESHAPE = Op(name="reshape", kind="movement", infer=_reshaped, evaluate=np.reshape, numpy=(np.reshape,), vjp=_reshape_vjp, jvp=LINEAR,
             lower=STRUCTURAL, source=STRUCTURAL, grad_fn="ViewBackward0", domain=None)

TRANSPOSE = Op(name="transpose", kind="movement", infer=_transposed, evaluate=np.transpose, numpy=(np.transpose,), vjp=_transpose_vjp,
               jvp=LINEAR, lower=STRUCTURAL, source=STRUCTURAL, grad_fn="PermuteBackward0", domain=None)

BROADCAST_TO = Op(name="broadcast_to", kind="movement", infer=_broadcast, evaluate=np.broadcast_to, numpy=(np.broadcast_to,),
                  vjp=_broadcast_vjp, jvp=LINEAR, lower=STRUCTURAL, source=STRUCTURAL, grad_fn="ExpandBackward0", domain=None)

INDEX = Op(name="index", kind="movement", infer=_indexed, evaluate=lambda x, spec: x[slices_of(spec)], vjp=_index_vjp, jvp=LINEAR,
           lower=STRUCTURAL, source=STRUCTURAL, grad_fn="SliceBackward0", domain=None)

CONCATENATE = Op(name="concatenate", kind="movement", infer=_concatenated, evaluate=_evaluate_concatenate, numpy=(np.concatenate,),
                 vjp=_concatenate_vjp, jvp=LINEAR, lower=STRUCTURAL, source=STRUCTURAL, grad_fn="CatBackward0", domain=None)

ASSEMBLE = Op(name="assemble", kind="movement", infer=_assembled, evaluate=_evaluate_assemble, vjp=_assemble_vjp, jvp=LINEAR,
              lower=STRUCTURAL, source=STRUCTURAL, grad_fn="AsStridedBackward0", domain=None)
