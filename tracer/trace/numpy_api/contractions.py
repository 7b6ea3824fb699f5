"""Products of vectors and matrices: transposes and reshapes around one matrix product.

The product itself takes floats only, since BLAS makes it; integers and bools are multiplied and summed.
"""

from __future__ import annotations

import math

import numpy as np

from ...errors import ShapeError
from ...ops import TABLE
from ..functions import implements, implements_method
from ..value import Traced, elementwise, make
from .common import axis_of, broadcast, operands, promoted, refuse_out, reshaped, strong, transposed
from .reductions import any_, sum_

MATMUL = TABLE["matmul"]
_SIGNATURE = "(n?,k),(k,m?)->(n?,m?)"


def matrix_product(a: Traced, b: Traced) -> Traced:
    """(..., m, k) @ (..., k, n) with equal dtypes and equal batches."""
    if a.node.type.is_float:
        return make(MATMUL, (a, b))
    left, right = reshaped(a, (*a.shape, 1)), reshaped(b, (*b.shape[:-2], 1, *b.shape[-2:]))
    if a.node.type.is_bool:
        return any_(left & right, axis=a.ndim - 1)
    return sum_(left * right, axis=a.ndim - 1, dtype=a.dtype)


def vector_product(a: Traced, b: Traced) -> Traced:
    """The sum over the last axis of the products."""
    if a.node.type.is_bool:
        return any_(a & b, axis=-1)
    return sum_(a * b, axis=-1, dtype=a.dtype)


@implements(np.matmul, np.linalg.matmul)
def matmul(x1, x2, /, out=None, **keywords):
    """``x1 @ x2``: vectors are rows on the left and columns on the right, leading axes broadcast."""
    refuse_out(out, "matmul")
    a, b = promoted(*operands(x1, x2))
    if not a.ndim or not b.ndim:
        which = 0 if not a.ndim else 1
        raise ShapeError(f"matmul: Input operand {which} does not have enough dimensions (has 0, gufunc core with signature {_SIGNATURE} requires 1)")
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != inner:
        raise ShapeError(f"matmul: Input operand 1 has a mismatch in its core dimension 0, with gufunc signature {_SIGNATURE} "
                         f"(size {inner} is different from {a.shape[-1]})")
    if a.ndim == 1 and b.ndim == 1:
        return vector_product(a, b)
    row, column = a.ndim == 1, b.ndim == 1
    a = reshaped(a, (1, *a.shape)) if row else a
    b = reshaped(b, (*b.shape, 1)) if column else b
    result = _batched(a, b)
    shape = result.shape
    if row or column:
        result = reshaped(result, (*shape[:-2], *([] if row else shape[-2:-1]), *([] if column else shape[-1:])))
    return result


def _batched(a: Traced, b: Traced) -> Traced:
    if a.ndim == b.ndim == 2:
        return matrix_product(a, b)
    if b.ndim == 2 and a.ndim > 2:
        # One right-hand matrix for the whole batch: the rows of all matrices are one tall matrix.
        *lead, rows, inner = a.shape
        flat = matrix_product(reshaped(a, (math.prod(lead) * rows, inner)), b)
        return reshaped(flat, (*lead, rows, b.shape[-1]))
    try:
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ShapeError(f"matmul: batches of shapes {a.shape[:-2]} and {b.shape[:-2]} do not broadcast together") from None
    return matrix_product(broadcast(a, batch + a.shape[-2:]), broadcast(b, batch + b.shape[-2:]))


@implements(np.dot)
def dot(a, b, out=None):
    """The product over the last axis of a and the last but one of b."""
    refuse_out(out, "dot")
    x, y = [strong(v) for v in operands(a, b)]
    if not x.ndim or not y.ndim:
        return x * y
    axis = max(y.ndim - 2, 0)
    if x.shape[-1] != y.shape[axis]:
        raise ShapeError(f"shapes {_shape(x)} and {_shape(y)} not aligned: {x.shape[-1]} (dim {x.ndim - 1}) != {y.shape[axis]} (dim {axis})")
    return tensordot(x, y, ((x.ndim - 1,), (axis,)))


def _shape(x: Traced) -> str:
    return f"({','.join(map(str, x.shape))}{',' if x.ndim == 1 else ''})"


@implements(np.vdot)
def vdot(a, b, /):
    """The product of all elements, raveled."""
    x, y = operands(a, b)
    return dot(reshaped(x, (x.size,)), reshaped(y, (y.size,)))


@implements(np.vecdot, np.linalg.vecdot)
def vecdot(x1, x2, /, out=None, *, axis=-1, **keywords):
    """The vector product along one axis; the others broadcast."""
    refuse_out(out, "vecdot")
    a, b = promoted(*operands(x1, x2))
    return vector_product(np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1))


@implements(np.matvec)
def matvec(x1, x2, /, **keywords):
    """Matrices times vectors."""
    a, b = promoted(*operands(x1, x2))
    return np.squeeze(matmul(a, reshaped(b, (*b.shape, 1))), -1)


@implements(np.vecmat)
def vecmat(x1, x2, /, **keywords):
    """Vectors times matrices."""
    a, b = promoted(*operands(x1, x2))
    return np.squeeze(matmul(reshaped(a, (*a.shape[:-1], 1, a.shape[-1])), b), -2)


@implements(np.inner)
def inner(a, b, /):
    """The product over the last axes of both."""
    x, y = [strong(v) for v in operands(a, b)]
    if not x.ndim or not y.ndim:
        return x * y
    if x.shape[-1] != y.shape[-1]:
        raise ShapeError(f"shapes {_shape(x)} and {_shape(y)} not aligned: {x.shape[-1]} (dim {x.ndim - 1}) != {y.shape[-1]} (dim {y.ndim - 1})")
    return tensordot(x, y, ((x.ndim - 1,), (y.ndim - 1,)))


@implements(np.outer)
def outer(a, b, out=None):
    """All products of elements of a with elements of b."""
    refuse_out(out, "outer")
    x, y = operands(a, b)
    return reshaped(x, (x.size, 1)) * reshaped(y, (1, y.size))


@implements(np.linalg.outer)
def linalg_outer(x1, x2, /):
    """The outer product of two vectors."""
    x, y = operands(x1, x2)
    if x.ndim != 1 or y.ndim != 1:
        raise ValueError(f"Input arrays must be one-dimensional, but they are x1.ndim={x.ndim} and x2.ndim={y.ndim}.")
    return outer(x, y)


@implements(np.tensordot, np.linalg.tensordot)
def tensordot(a, b, axes=2):
    """The sum of products over pairs of axes."""
    x, y = promoted(*operands(a, b))
    try:
        first, second = axes
    except TypeError:
        n = axes.__index__()
        first, second = list(range(x.ndim - n, x.ndim)), list(range(n))
    first = [axis_of(k, x.ndim) for k in (first if np.ndim(first) else [first])]
    second = [axis_of(k, y.ndim) for k in (second if np.ndim(second) else [second])]
    if len(first) != len(second) or any(x.shape[i] != y.shape[j] for i, j in zip(first, second)):
        raise ShapeError("shape-mismatch for sum")
    if len(first) == x.ndim == y.ndim == 1:
        return vector_product(x, y)
    kept_x, kept_y = [k for k in range(x.ndim) if k not in first], [k for k in range(y.ndim) if k not in second]
    rows, columns = [x.shape[k] for k in kept_x], [y.shape[k] for k in kept_y]
    inner_size = math.prod([x.shape[k] for k in first])
    left = reshaped(transposed(x, (*kept_x, *first)), (math.prod(rows), inner_size))
    right = reshaped(transposed(y, (*second, *kept_y)), (inner_size, math.prod(columns)))
    return reshaped(matrix_product(left, right), (*rows, *columns))


@implements(np.kron)
def kron(a, b):
    """The Kronecker product."""
    x, y = operands(a, b)
    rank = max(x.ndim, y.ndim)
    left, right = (1,) * (rank - x.ndim) + x.shape, (1,) * (rank - y.ndim) + y.shape
    wide = reshaped(x, tuple([m for n in left for m in (n, 1)])) * reshaped(y, tuple([m for n in right for m in (1, n)]))
    return reshaped(wide, tuple([n * m for n, m in zip(left, right)]))


# ufunc.outer ------------------------------------------------------------------------------------------------------------

def _outer_of(op):
    def all_pairs(a, b, **keywords):
        x, y = operands(a, b)
        if y.ndim:
            x = reshaped(x, (*x.shape, *[1] * y.ndim))
        return elementwise(op, (x, y))
    return all_pairs


for _op in TABLE.values():
    if _op.kind == "elementwise" and _op.numpy and isinstance(_op.numpy[0], np.ufunc) and _op.numpy[0].nin == 2:
        implements_method(_op.numpy[0], "outer")(_outer_of(_op))
