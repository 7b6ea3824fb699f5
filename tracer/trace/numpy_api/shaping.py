"""Other shapes and orders of axes of the same elements."""

from __future__ import annotations

import math
import operator

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ...errors import ShapeError
from ..functions import implements
from ..value import Traced
from .common import (
    axis_of,
    broadcast,
    filled,
    operand,
    operands,
    refuse_order,
    reshaped,
    shape_tuple,
    strong,
    transposed,
)

NO_SHAPE = object()


def reversed_axes(x: Traced) -> Traced:
    """The transpose over all axes."""
    return transposed(x, tuple(range(x.ndim))[::-1])


def completed(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    """The shape with its -1 filled in; NumPy's errors when it does not fit."""
    unknown = shape.count(-1)
    if unknown > 1:
        raise ShapeError("can only specify one unknown dimension")
    known = math.prod([n for n in shape if n != -1])
    if any(n < -1 for n in shape) or (known != size if not unknown else known == 0 or size % known):
        written = ",".join(["newaxis" if n == -1 else str(n) for n in shape])
        raise ShapeError(f"cannot reshape array of size {size} into shape ({written}{',' if len(shape) == 1 else ''})")
    return tuple([size // known if n == -1 else n for n in shape])


@implements(np.reshape)
def reshape(a, /, shape=NO_SHAPE, order="C", *, newshape=NO_SHAPE, copy=None):
    """The elements in another shape, read and placed in C or Fortran order."""
    x = operand(a)
    refuse_order(order, "reshape")
    wanted = completed(shape_tuple(newshape if shape is NO_SHAPE else shape), x.size)
    if order == "F":
        return reversed_axes(reshaped(reversed_axes(x), wanted[::-1]))
    return reshaped(x, wanted)


@implements(np.ravel)
def ravel(a, order="C"):
    """All elements in one axis."""
    return reshape(a, -1 if operand(a).size else 0, order)


@implements(np.transpose, np.permute_dims)
def transpose(a, axes=None):
    """The axes in another order; reversed where none is given."""
    x = operand(a)
    if axes is None or (isinstance(axes, tuple) and axes == (None,)):
        return reversed_axes(x)
    axes = tuple(axes) if np.ndim(axes) else (axes,)
    if len(axes) == 1 and isinstance(axes[0], (tuple, list)):
        axes = tuple(axes[0])
    if len(axes) != x.ndim:
        raise ValueError("axes don't match array")
    order = tuple([axis_of(axis, x.ndim) for axis in axes])
    if len(set(order)) != len(order):
        raise ValueError("repeated axis in transpose")
    return transposed(x, order)


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x, /):
    """The last two axes swapped."""
    x = operand(x)
    if x.ndim < 2:
        raise ValueError(f"Input array must be at least 2-dimensional, but it is {x.ndim}")
    return swapaxes(x, -1, -2)


@implements(np.swapaxes)
def swapaxes(a, axis1, axis2):
    """Two axes exchanged."""
    x = operand(a)
    first, second = axis_of(axis1, x.ndim, "axis1"), axis_of(axis2, x.ndim, "axis2")
    order = list(range(x.ndim))
    order[first], order[second] = second, first
    return transposed(x, tuple(order))


@implements(np.moveaxis)
def moveaxis(a, source, destination):
    """Axes moved to other places, the rest in order."""
    x = operand(a)
    sources = normalize_axis_tuple(source, x.ndim, "source")
    targets = normalize_axis_tuple(destination, x.ndim, "destination")
    if len(sources) != len(targets):
        raise ValueError("`source` and `destination` arguments must have the same number of elements")
    order = [axis for axis in range(x.ndim) if axis not in sources]
    for target, axis in sorted(zip(targets, sources)):
        order.insert(target, axis)
    return transposed(x, tuple(order))


@implements(np.rollaxis)
def rollaxis(a, axis, start=0):
    """One axis moved in front of another."""
    x = operand(a)
    axis = axis_of(axis, x.ndim)
    start = start + x.ndim if start < 0 else start
    if not 0 <= start <= x.ndim:
        raise np.exceptions.AxisError(f"'start' arg requires {-x.ndim} <= start < {x.ndim + 1}, but {start} was passed in")
    order = [k for k in range(x.ndim) if k != axis]
    order.insert(start - 1 if axis < start else start, axis)
    return transposed(x, tuple(order))


@implements(np.expand_dims)
def expand_dims(a, axis):
    """New axes of length 1."""
    x = operand(a)
    given = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    places = normalize_axis_tuple(given, x.ndim + len(given))
    lengths = iter(x.shape)
    return reshaped(x, tuple([1 if k in places else next(lengths) for k in range(x.ndim + len(given))]))


@implements(np.squeeze)
def squeeze(a, axis=None):
    """Without axes of length 1."""
    x = operand(a)
    if axis is None:
        return reshaped(x, tuple([n for n in x.shape if n != 1]))
    places = normalize_axis_tuple(axis, x.ndim)
    if any(x.shape[k] != 1 for k in places):
        raise ShapeError("cannot select an axis to squeeze out which has size not equal to one")
    return reshaped(x, tuple([n for k, n in enumerate(x.shape) if k not in places]))


def _at_least(ndim: int, padded):
    def at_least(*arrays):
        results = tuple([reshaped(x, padded(x.shape)) if x.ndim < ndim else strong(x) for x in operands(*arrays)])
        return results[0] if len(results) == 1 else results
    return at_least


atleast_1d = implements(np.atleast_1d)(_at_least(1, lambda shape: (1,)))
atleast_2d = implements(np.atleast_2d)(_at_least(2, lambda shape: (1,) * (2 - len(shape)) + shape))
atleast_3d = implements(np.atleast_3d)(_at_least(3, lambda shape: {0: (1, 1, 1), 1: (1, *shape, 1), 2: (*shape, 1)}[len(shape)]))


@implements(np.broadcast_to)
def broadcast_to(array, shape, subok=False):
    """The array stretched to a shape."""
    x = operand(array)
    wanted = shape_tuple(shape)
    if len(wanted) < x.ndim:
        raise ShapeError("input operand has more dimensions than allowed by the axis remapping")
    if any(n not in (1, m) for n, m in zip(x.shape[::-1], wanted[::-1])):
        raise ShapeError("operands could not be broadcast together with remapped shapes [original->remapped]: "
                         f"{_written(x.shape)}  and requested shape {_written(wanted)}")
    return broadcast(x, wanted)


def _written(shape) -> str:
    """A shape as NumPy's messages write it."""
    return f"({','.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


@implements(np.broadcast_arrays)
def broadcast_arrays(*args, subok=False):
    """All arrays stretched to their common shape."""
    values = operands(*args)
    shape = np.broadcast_shapes(*[x.shape for x in values])
    return tuple([broadcast(x, shape) for x in values])


@implements(np.meshgrid)
def meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    """Coordinate arrays of a grid."""
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    values = [ravel(x) for x in operands(*xi)]
    rank = len(values)
    order = [1, 0, *range(2, rank)] if indexing == "xy" and rank > 1 else list(range(rank))
    lines = [reshaped(x, tuple([x.size if k == place else 1 for k in range(rank)])) for x, place in zip(values, order)]
    return tuple(lines) if sparse else broadcast_arrays(*lines)


# What is asked about arrays ---------------------------------------------------------------------------------------------

@implements(np.shape)
def shape(a):
    """The shape: a tuple of Python ints."""
    return operand(a).shape


@implements(np.ndim)
def ndim(a):
    """The number of axes."""
    return operand(a).ndim


@implements(np.size)
def size(a, axis=None):
    """The number of elements, or the length along axes."""
    x = operand(a)
    return x.size if axis is None else math.prod([x.shape[k] for k in normalize_axis_tuple(axis, x.ndim)])


@implements(np.copy)
def copy(a, order="K", subok=False):
    """The value itself: results never share memory."""
    return strong(operand(a))


@implements(np.astype)
def astype(x, dtype, /, *, copy=True, device=None):
    """The value in another dtype."""
    return operand(x).astype(dtype)


@implements(np.iscomplexobj)
def iscomplexobj(x):
    """Never."""
    return False


@implements(np.isrealobj)
def isrealobj(x):
    """Always."""
    return True


@implements(np.result_type)
def result_type(*values):
    """The dtype that NumPy would take for these."""
    return np.result_type(*[(v.dtype if v.weak is None else v.weak(1)) if type(v) is Traced else v for v in values])


@implements(np.resize)
def resize(a, new_shape):
    """The elements in a row, again and again, as many as the shape has."""
    x = operand(a)
    shape = tuple(map(index_of, new_shape)) if np.ndim(new_shape) else (index_of(new_shape),)
    if not x.size or not math.prod(shape):
        return filled(x.owner, 0, x.dtype, shape)
    return reshaped(x, (x.size,))[np.resize(np.arange(x.size), shape)]


def index_of(value) -> int:
    """A Python int; a traced integer argument gives its value."""
    return operator.index(value)
