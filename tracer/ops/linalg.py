"""Matrix products and the operations of ``np.linalg``, on the last two axes; leading axes are equal batches.

A singular or indefinite matrix gives NaN (its logarithm of the determinant -inf), never an exception: code that was compiled once
runs on whatever comes. Where a derivative is a matter of convention, torch's is taken.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import ShapeError
from ..graph.op import STRUCTURAL, ZERO, Op
from ..graph.types import ArrayType
from .apply import apply

CLOSED_FORM = 3  # determinants up to this order have their cofactors written out, which are right for singular matrices too


# Type rules -------------------------------------------------------------------------------------------------------------

def _product(types, attrs) -> ArrayType:
    a, b = types
    assert a.dtype == b.dtype and a.is_float and a.ndim >= 2 and b.ndim >= 2 and a.shape[:-2] == b.shape[:-2], types
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(f"shapes {a.shape} and {b.shape} do not fit in a matrix product: {a.shape[-1]} (axis -1) and {b.shape[-2]} (axis -2)")
    return a.with_shape((*a.shape[:-1], b.shape[-1]))


def _square(types, attrs) -> ArrayType:
    a = types[0]
    assert a.is_float and a.ndim >= 2, types
    if a.shape[-1] != a.shape[-2]:
        raise ShapeError(f"Last 2 dimensions of the array must be square, and are {a.shape[-2:]}")
    return a


def _one_per_matrix(types, attrs) -> ArrayType:
    return _square(types, attrs).with_shape(types[0].shape[:-2])


def _solution(types, attrs) -> ArrayType:
    a, b = types
    _square((a,), attrs)
    assert a.dtype == b.dtype and b.ndim == a.ndim and a.shape[:-2] == b.shape[:-2], types
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(f"a system of {a.shape[-1]} equations with a right-hand side of shape {b.shape}")
    return b


# Meaning ----------------------------------------------------------------------------------------------------------------

def _nan_where_impossible(function: Callable) -> Callable:
    """NumPy's function, with NaN for each matrix of the batch that it refuses as singular or not positive definite."""
    def evaluate(*arrays):
        try:
            return function(*arrays)
        except np.linalg.LinAlgError:
            batch = arrays[0].shape[:-2]
            result = np.full_like(arrays[-1], np.nan)
            for place in np.ndindex(batch):
                try:
                    result[place] = function(*[array[place] for array in arrays])
                except np.linalg.LinAlgError:
                    continue
            return result
    return evaluate


# Rules ------------------------------------------------------------------------------------------------------------------

def _turned(matrix):
    return np.swapaxes(matrix, -1, -2)


def _per_matrix(value):
    """One number per matrix, ready to broadcast against the matrices."""
    return np.reshape(value, (*value.shape, 1, 1))


def _sum_of_matrix(matrix):
    return np.sum(matrix, axis=(matrix.ndim - 2, matrix.ndim - 1))


def _matmul_vjp(cotangent, inputs, out, attrs, times):
    a, b = inputs
    return apply(MATMUL, (cotangent, _turned(b))), apply(MATMUL, (_turned(a), cotangent))


def _total(terms):
    """The sum of the terms that are there."""
    present = [term for term in terms if term is not None]
    return present[0] if len(present) == 1 else present[0] + present[1]


def _matmul_jvp(tangents, inputs, out, attrs):
    (a, b), (da, db) = inputs, tangents
    return _total((None if da is None else apply(MATMUL, (da, b)), None if db is None else apply(MATMUL, (a, db))))


def _inv_vjp(cotangent, inputs, out, attrs, times):
    turned = _turned(out)
    return (-apply(MATMUL, (apply(MATMUL, (turned, cotangent)), turned)),)


def _inv_jvp(tangents, inputs, out, attrs):
    return -apply(MATMUL, (apply(MATMUL, (out, tangents[0])), out))


def _solve_vjp(cotangent, inputs, out, attrs, times):
    to_b = apply(SOLVE, (_turned(inputs[0]), cotangent))
    return -apply(MATMUL, (to_b, _turned(out))), to_b


def _solve_jvp(tangents, inputs, out, attrs):
    da, db = tangents
    change = _total((None if da is None else -apply(MATMUL, (da, out)), db))
    return apply(SOLVE, (inputs[0], change))


def _lower_half(matrix):
    """The lower triangle with half the diagonal, as Cholesky's rule takes it (Murray 2016, arXiv:1602.07527)."""
    return np.tril(matrix) * (1 - 0.5 * np.eye(matrix.shape[-1], dtype=matrix.dtype))


def _cholesky_vjp(cotangent, inputs, out, attrs, times):
    # The gradient is symmetric, as torch's: both triangles of the operand are taken to move together.
    turned = _turned(out)
    middle = _lower_half(apply(MATMUL, (turned, cotangent)))
    left = apply(SOLVE, (turned, middle))
    whole = _turned(apply(SOLVE, (turned, _turned(left))))
    return ((whole + _turned(whole)) * 0.5,)


def _cholesky_jvp(tangents, inputs, out, attrs):
    symmetric = (tangents[0] + _turned(tangents[0])) * 0.5
    left = apply(SOLVE, (out, symmetric))
    middle = _turned(apply(SOLVE, (out, _turned(left))))
    return apply(MATMUL, (out, _lower_half(middle)))


def _cofactors(a, determinant):
    """The derivative of the determinant."""
    n = a.shape[-1]
    if n > CLOSED_FORM:
        return _turned(apply(INV, (a,))) * _per_matrix(determinant)
    if n <= 1:
        return np.ones_like(a)
    if n == 2:
        return np.flip(a, (-2, -1)) * np.array([[1, -1], [-1, 1]], a.dtype)

    def turned_by(rows, columns):
        return np.roll(a, (-rows, -columns), (-2, -1))
    return turned_by(1, 1) * turned_by(2, 2) - turned_by(1, 2) * turned_by(2, 1)


def _det_vjp(cotangent, inputs, out, attrs, times):
    return (times(_per_matrix(cotangent), _cofactors(inputs[0], out)),)


def _det_jvp(tangents, inputs, out, attrs):
    return _sum_of_matrix(tangents[0] * _cofactors(inputs[0], out))


def _logabsdet_vjp(cotangent, inputs, out, attrs, times):
    return (times(_per_matrix(cotangent), _turned(apply(INV, inputs))),)


def _logabsdet_jvp(tangents, inputs, out, attrs):
    return _sum_of_matrix(tangents[0] * _turned(apply(INV, inputs)))


# Records ----------------------------------------------------------------------------------------------------------------

MATMUL = Op(name="matmul", kind="contraction", infer=_product, evaluate=np.matmul, numpy=(np.matmul,), vjp=_matmul_vjp, jvp=_matmul_jvp,
            lower=STRUCTURAL, source=STRUCTURAL, grad_fn="MmBackward0", domain=None)

INV = Op(name="inv", kind="linalg", infer=_square, evaluate=_nan_where_impossible(np.linalg.inv), numpy=(np.linalg.inv,), vjp=_inv_vjp,
         jvp=_inv_jvp, lower=STRUCTURAL, source=STRUCTURAL, grad_fn="LinalgInvExBackward0", domain=None)

SOLVE = Op(name="solve", kind="linalg", infer=_solution, evaluate=_nan_where_impossible(np.linalg.solve), numpy=(np.linalg.solve,),
           vjp=_solve_vjp, jvp=_solve_jvp, lower=STRUCTURAL, source=STRUCTURAL, grad_fn="LinalgSolveExBackward0", domain=None)

CHOLESKY = Op(name="cholesky", kind="linalg", infer=_square, evaluate=_nan_where_impossible(np.linalg.cholesky), numpy=(np.linalg.cholesky,),
              vjp=_cholesky_vjp, jvp=_cholesky_jvp, lower=STRUCTURAL, source=STRUCTURAL, grad_fn="LinalgCholeskyExBackward0", domain=None,
              kink="reads the lower triangle; the gradient is shared evenly by both triangles, as torch")

DET = Op(name="det", kind="linalg", infer=_one_per_matrix, evaluate=np.linalg.det, numpy=(np.linalg.det,), vjp=_det_vjp, jvp=_det_jvp,
         lower=STRUCTURAL, source=STRUCTURAL, grad_fn="LinalgDetBackward0", domain=None,
         kink="the cofactors: exact up to order 3; above, det(A) inv(A)^T, which is NaN for an exactly singular matrix")

LOGABSDET = Op(name="logabsdet", kind="linalg", infer=_one_per_matrix, evaluate=lambda a: np.linalg.slogdet(a).logabsdet,
               numpy=(np.linalg.slogdet,), vjp=_logabsdet_vjp, jvp=_logabsdet_jvp, lower=STRUCTURAL, source=STRUCTURAL,
               grad_fn="LinalgSlogdetBackward0", domain=None, kink="-inf for a singular matrix, with gradient NaN")

DETSIGN = Op(name="detsign", kind="linalg", infer=_one_per_matrix, evaluate=lambda a: np.linalg.slogdet(a).sign, numpy=(np.linalg.slogdet,),
             vjp=ZERO, jvp=ZERO, lower=STRUCTURAL, source=STRUCTURAL, grad_fn="LinalgSlogdetBackward0", domain=None)
