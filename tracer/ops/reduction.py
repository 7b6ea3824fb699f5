"""Reductions and scans. They drop their axes (``keepdims`` is a reshape of the layer above) and keep the operand's dtype."""

from __future__ import annotations

import math

import numpy as np

from ..errors import ShapeError
from ..graph.op import LINEAR, NOT_SYMBOLIC, STRUCTURAL, ZERO, Op
from ..graph.types import INT64, ArrayType, array_type

TIES = "ties share the gradient evenly, as torch.amax and torch.amin"


# Shared by the rules ----------------------------------------------------------------------------------------------------

def restore(value, axes: tuple[int, ...], shape: tuple[int, ...]):
    """A reduced value with its axes put back as axes of length 1, ready to broadcast against the operand."""
    return np.reshape(value, tuple([1 if axis in axes else n for axis, n in enumerate(shape)]))


def linear_recurrence(a, b, axis: int):
    """r[k] = b[k] + a[k] * r[k-1] along an axis, in log2(n) steps of doubling (Hillis and Steele).

    Without a division, so zeros are exact, and made of products and sums, so it can be differentiated as often as one likes.
    """
    lead = (slice(None),) * (axis % a.ndim)
    length, step = a.shape[axis], 1
    while step < length:
        early, late, back = (*lead, slice(None, step)), (*lead, slice(step, None)), (*lead, slice(None, length - step))
        b = np.concatenate([b[early], b[late] + a[late] * b[back]], axis)
        a = np.concatenate([a[early], a[late] * a[back]], axis)
        step *= 2
    return b


def products_before(x, axis: int):
    """For each element the product of those before it along an axis."""
    lead = (slice(None),) * (axis % x.ndim)
    ones = np.ones_like(x[(*lead, slice(None, 1))])
    return np.concatenate([ones, np.cumprod(x[(*lead, slice(None, -1))], axis)], axis)


def products_of_others(x, axes: tuple[int, ...]):
    """For each element the product of all others of its group: those before times those after, never a division."""
    if math.prod([x.shape[axis] for axis in axes]) <= 1:
        return np.ones_like(x)
    kept = tuple([axis for axis in range(x.ndim) if axis not in axes])
    order = kept + axes
    moved = np.transpose(x, order)
    flat = np.reshape(moved, (*[x.shape[axis] for axis in kept], math.prod([x.shape[axis] for axis in axes])))
    others = products_before(flat, -1) * np.flip(products_before(np.flip(flat, -1), -1), -1)
    return np.transpose(np.reshape(others, moved.shape), tuple(np.argsort(order).tolist()))


# Type rules -------------------------------------------------------------------------------------------------------------

def _reduced(types: tuple[ArrayType, ...], attrs) -> ArrayType:
    operand, axes = types[0], attrs[0]
    assert axes == tuple(sorted(set(axes))) and all(0 <= axis < operand.ndim for axis in axes), (operand, axes)
    return operand.with_shape(tuple([n for axis, n in enumerate(operand.shape) if axis not in axes]))


def _reduced_bool(types, attrs) -> ArrayType:
    assert types[0].is_bool, types
    return _reduced(types, attrs)


def _reduced_non_empty(name: str):
    def infer(types, attrs) -> ArrayType:
        if any(types[0].shape[axis] == 0 for axis in attrs[0]):
            raise ShapeError(f"zero-size array to reduction operation {name} which has no identity")
        return _reduced(types, attrs)
    return infer


def _position(name: str):
    def infer(types, attrs) -> ArrayType:
        shape, axis = types[0].shape, attrs[0]
        assert 0 <= axis < len(shape), (types, attrs)
        if shape[axis] == 0:
            raise ShapeError(f"attempt to get {name} of an empty sequence")
        return array_type(INT64.dtype, shape[:axis] + shape[axis + 1:])
    return infer


def _order(types, attrs) -> ArrayType:
    assert types[0].ndim and types[0].size, (types, attrs)
    return array_type(INT64.dtype, types[0].shape)


def _scanned(types, attrs) -> ArrayType:
    assert 0 <= attrs[0] < types[0].ndim, (types, attrs)
    return types[0]


# Rules ------------------------------------------------------------------------------------------------------------------

def _sum_vjp(cotangent, inputs, out, attrs, times):
    shape = inputs[0].shape
    return (np.broadcast_to(restore(cotangent, attrs[0], shape), shape),)


def _prod_vjp(cotangent, inputs, out, attrs, times):
    x = inputs[0]
    return (times(restore(cotangent, attrs[0], x.shape), products_of_others(x, attrs[0])),)


def _prod_jvp(tangents, inputs, out, attrs):
    return np.sum(tangents[0] * products_of_others(inputs[0], attrs[0]), axis=attrs[0])


def _shares(x, out, axes):
    """1 / (number of ties) at each extreme element, else 0."""
    hits = (x == restore(out, axes, x.shape)).astype(x.dtype)
    return hits / restore(np.sum(hits, axis=axes), axes, x.shape)


def _extreme_vjp(cotangent, inputs, out, attrs, times):
    x = inputs[0]
    return (times(restore(cotangent, attrs[0], x.shape), _shares(x, out, attrs[0])),)


def _extreme_jvp(tangents, inputs, out, attrs):
    return np.sum(tangents[0] * _shares(inputs[0], out, attrs[0]), axis=attrs[0])


def _cumsum_vjp(cotangent, inputs, out, attrs, times):
    axis = attrs[0]
    return (np.flip(np.cumsum(np.flip(cotangent, axis), axis), axis),)


def _cumprod_vjp(cotangent, inputs, out, attrs, times):
    # d out[i] / d x[k] = (product before k) * (product of k+1..i): a recurrence from the end, times what stands before.
    x, axis = inputs[0], attrs[0]
    if x.shape[axis] == 0:
        return (cotangent,)
    lead = (slice(None),) * axis
    following = np.concatenate([x[(*lead, slice(1, None))], np.ones_like(x[(*lead, slice(None, 1))])], axis)
    gathered = np.flip(linear_recurrence(np.flip(following, axis), np.flip(cotangent, axis), axis), axis)
    return (times(gathered, products_before(x, axis)),)


def _cumprod_jvp(tangents, inputs, out, attrs):
    # out[i] = x[i] * out[i-1], so its tangent is x[i] * tangent[i-1] + dx[i] * out[i-1].
    x, axis = inputs[0], attrs[0]
    if x.shape[axis] == 0:
        return tangents[0]
    return linear_recurrence(x, tangents[0] * products_before(x, axis), axis)


def _symbolic_max(*elements):
    import sympy

    return sympy.Max(*elements)


def _symbolic_min(*elements):
    import sympy

    return sympy.Min(*elements)


# Records ----------------------------------------------------------------------------------------------------------------

SUM = Op(name="sum", kind="reduction", infer=_reduced, evaluate=lambda x, axes: np.sum(x, axis=axes, dtype=x.dtype), numpy=(np.sum,),
         vjp=_sum_vjp, jvp=LINEAR, sympy=lambda *elements: sum(elements), lower=STRUCTURAL, source=STRUCTURAL,
         grad_fn="SumBackward1", domain=None)

PROD = Op(name="prod", kind="reduction", infer=_reduced, evaluate=lambda x, axes: np.prod(x, axis=axes, dtype=x.dtype), numpy=(np.prod,),
          vjp=_prod_vjp, jvp=_prod_jvp, sympy=lambda *elements: math.prod(elements), lower=STRUCTURAL, source=STRUCTURAL,
          grad_fn="ProdBackward1", domain=None,
          kink="smooth: zeros are exact, [0, 2, 3] gives [6, 0, 0], where torch gives the same")

MAX = Op(name="max", kind="reduction", infer=_reduced_non_empty("maximum"), evaluate=lambda x, axes: np.max(x, axis=axes), numpy=(np.max,),
         vjp=_extreme_vjp, jvp=_extreme_jvp, sympy=_symbolic_max, lower=STRUCTURAL, source=STRUCTURAL,
         grad_fn="AmaxBackward0", domain=None, kink=TIES)

MIN = Op(name="min", kind="reduction", infer=_reduced_non_empty("minimum"), evaluate=lambda x, axes: np.min(x, axis=axes), numpy=(np.min,),
         vjp=_extreme_vjp, jvp=_extreme_jvp, sympy=_symbolic_min, lower=STRUCTURAL, source=STRUCTURAL,
         grad_fn="AminBackward0", domain=None, kink=TIES)

ANY = Op(name="any", kind="reduction", infer=_reduced_bool, evaluate=lambda x, axes: np.any(x, axis=axes), numpy=(np.any,),
         vjp=ZERO, jvp=ZERO, lower=STRUCTURAL, source=STRUCTURAL, grad_fn="AnyBackward0", domain=None)

ALL = Op(name="all", kind="reduction", infer=_reduced_bool, evaluate=lambda x, axes: np.all(x, axis=axes), numpy=(np.all,),
         vjp=ZERO, jvp=ZERO, lower=STRUCTURAL, source=STRUCTURAL, grad_fn="AllBackward0", domain=None)

ARGMAX = Op(name="argmax", kind="reduction", infer=_position("argmax"), evaluate=lambda x, axis: np.argmax(x, axis=axis), numpy=(np.argmax,),
            vjp=ZERO, jvp=ZERO, lower=STRUCTURAL, source=STRUCTURAL, grad_fn="ArgmaxBackward0", domain=None,
            kink="the first of equal elements, as NumPy")

ARGMIN = Op(name="argmin", kind="reduction", infer=_position("argmin"), evaluate=lambda x, axis: np.argmin(x, axis=axis), numpy=(np.argmin,),
            vjp=ZERO, jvp=ZERO, lower=STRUCTURAL, source=STRUCTURAL, grad_fn="ArgminBackward0", domain=None,
            kink="the first of equal elements, as NumPy")

ARGSORT = Op(name="argsort", kind="scan", infer=_order, evaluate=lambda x: np.argsort(x, axis=-1, kind="stable"), numpy=(np.argsort,),
             vjp=ZERO, jvp=ZERO, sympy=NOT_SYMBOLIC, lower=STRUCTURAL, source=STRUCTURAL, grad_fn="SortBackward0", domain=None,
             kink="equal elements stay in their order, and NaN comes last, as in NumPy's stable sort")

CUMSUM = Op(name="cumsum", kind="scan", infer=_scanned, evaluate=lambda x, axis: np.cumsum(x, axis=axis, dtype=x.dtype), numpy=(np.cumsum,),
            vjp=_cumsum_vjp, jvp=LINEAR, sympy=NOT_SYMBOLIC, lower=STRUCTURAL, source=STRUCTURAL,
            grad_fn="CumsumBackward0", domain=None)

CUMPROD = Op(name="cumprod", kind="scan", infer=_scanned, evaluate=lambda x, axis: np.cumprod(x, axis=axis, dtype=x.dtype), numpy=(np.cumprod,),
             vjp=_cumprod_vjp, jvp=_cumprod_jvp, sympy=NOT_SYMBOLIC, lower=STRUCTURAL, source=STRUCTURAL,
             grad_fn="CumprodBackward0", domain=None, kink="smooth: zeros are exact, without a division")
