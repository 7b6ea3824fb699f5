"""Least squares, exponentials and condition numbers of matrices, and systems of tensors of more axes."""

from __future__ import annotations

import math

import numpy as np
from scipy import linalg as scipy

from ..record import fitted
from ..tensor import Tensor, made_of
from .cumulative import cumprod
from .decompositions import pinv, pinv_gradient, svdvals
from .define import RESULT, kind, operation
from .joining import cat
from .matrix_norms import matrix_norm
from .numeric import nan_to_num
from .products import matmul
from .shaping import expand, reshape, squeeze, unsqueeze
from .slicing import narrow
from .solving import adjoint, by_columns, check_matrix, inv, return_type, solve

LSTSQ = return_type("linalg_lstsq", "solution", "residuals", "rank", "singular_values")


def _lstsq_backward(node, g, a, b):
    inverse = pinv(a)
    by_a = fitted(pinv_gradient(matmul(g, adjoint(b)), a, inverse), node.fits[0]) if node.edges[0] is not None else None
    return by_a, fitted(matmul(adjoint(inverse), g), node.fits[1]) if node.edges[1] is not None else None


LSTSQ_BACKWARD = kind("LinalgLstsqBackward0", _lstsq_backward, ("self", "b"))


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None, out=None):
    """The solutions of ``min |A X - B|``, and the residuals where there are more rows than columns, all independent."""
    for each, name in ((A, "input"), (B, "other")):
        if each.ndim < (2 if each is A else 1):
            raise RuntimeError(f"torch.linalg.lstsq: {name} must have at least {2 if each is A else 1} dimensions.")
    if A.dtype is not B.dtype:
        raise RuntimeError(f"torch.linalg.lstsq: Expected input and other to have the same dtype, but got input's dtype {A.dtype.legacy} and other's dtype "
                           f"{B.dtype.legacy}")
    if A._data.dtype.kind != "f":
        raise RuntimeError("This function doesn't handle types other than float and double")
    vector = A.ndim - 1 == B.ndim and A._data.shape[:-1] == B._data.shape
    right = unsqueeze(B, -1) if vector else B
    a, b = A._data, right._data
    rows, columns = a.shape[-2:]
    if b.shape[-2] != rows:
        raise RuntimeError(f"torch.linalg.lstsq: input.size(-2) should match other.size(-{1 if vector else 2})")
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    left, wide = np.broadcast_to(a, lead + a.shape[-2:]), np.broadcast_to(b, lead + b.shape[-2:])
    found = [np.linalg.lstsq(m, v, rcond) for m, v in zip(left.reshape(-1, rows, columns), wide.reshape(-1, *b.shape[-2:]))]
    data = np.stack([each[0] for each in found]).reshape(*lead, columns, b.shape[-1]) if found else np.zeros((*lead, columns, b.shape[-1]), a.dtype)
    solution = operation(LSTSQ_BACKWARD, (A, right), by_columns(data), (A, right), fits=((a.shape, a.dtype), (b.shape, b.dtype)))
    rank = np.array([each[2] for each in found], np.int64).reshape(lead)
    driver = driver or "gelsy"
    whole = driver != "gelsy" and rows > columns and bool((rank == columns).all())
    values = np.array([each[3] for each in found], a.dtype).reshape(*lead, min(rows, columns)) if driver in ("gelsd", "gelss") else np.zeros(0, a.dtype)
    residuals = ((left @ data - wide) ** 2).sum(-2) if whole else np.zeros(0, a.dtype)
    return LSTSQ(solution.squeeze(-1) if vector else solution, made_of(residuals.squeeze(-1) if vector and whole else residuals), made_of(rank[()]),
                 made_of(values))


def _exp_backward(node, g, a):
    """The derivative in a direction is a block of the exponential of a larger matrix."""
    turned = adjoint(a)
    size, zeros = a._data.shape[-1], made_of(np.zeros_like(a._data))
    both = matrix_exp(cat([cat([turned, g], -1), cat([zeros, turned], -1)], -2))
    return narrow(narrow(both, -2, 0, size), -1, size, size)


MATRIX_EXP = kind("LinalgMatrixExpBackward0", _exp_backward, ("self",))


def matrix_exp(A: Tensor) -> Tensor:
    """The exponentials of square matrices."""
    check_matrix("linalg.matrix_exp", A)
    return operation(MATRIX_EXP, (A,), np.asarray(scipy.expm(A._data), A._data.dtype) if A._data.size else A._data, (A,))


def cond(A: Tensor, p=None, *, out=None) -> Tensor:
    """The condition number of matrices, by a norm; of singular values unless ``p`` is given."""
    if A.ndim < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    if p is None or p in (2, -2):
        values = svdvals(A)
        largest, smallest = narrow(values, -1, 0, 1), narrow(values, -1, -1, 1)
        return squeeze(smallest / largest if p == -2 else largest / smallest, -1)
    if not A._data.size:
        return made_of(np.zeros(A._data.shape[:-2], A._data.dtype)[()])
    return nan_to_num(matrix_norm(A, p) * matrix_norm(inv(A), p), math.inf, math.inf, -math.inf)


def tensorinv(A: Tensor, ind: int = 2, *, out=None) -> Tensor:
    """The inverse of what the first ``ind`` axes and the others make a square matrix of."""
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    shape = A._data.shape
    rows, columns = math.prod(shape[:ind]), math.prod(shape[ind:])
    if rows != columns:
        raise RuntimeError("Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
                           f"{columns} != {rows}")
    return reshape(inv(reshape(A, rows, columns)), *shape[ind:], *shape[:ind])


def tensorsolve(A: Tensor, B: Tensor, dims=None, *, out=None) -> Tensor:
    """X for which ``tensordot(A, X, X.ndim)`` is B. ``dims``: of A, moved to its end first."""
    moved = A if dims is None else A.movedim(list(dims), list(range(A.ndim - len(dims), A.ndim)))
    shape = moved._data.shape[B.ndim:]
    count = math.prod(shape)
    if count != math.prod(moved._data.shape[:B.ndim]):
        raise RuntimeError("Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got "
                           f"{count} != {math.prod(moved._data.shape[:B.ndim])}")
    return reshape(solve(reshape(moved, count, count), reshape(B, -1)), *shape)


def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """The powers of each element, from the 0th on."""
    x = x if x.ndim else unsqueeze(x, 0)
    count = x._data.shape[-1] if N is None else N
    if N is not None and N <= 1:
        raise RuntimeError("N must be greater than 1.")
    wide = unsqueeze(x, -1)
    powers = cumprod(expand(wide, *x._data.shape, count - 1), -1)
    one = made_of(np.ones((*x._data.shape, 1), powers._data.dtype))
    return cat([one, powers], -1)


INV_EX, SOLVE_EX = return_type("linalg_inv_ex", "inverse", "info"), return_type("linalg_solve_ex", "result", "info")


def _info(A: Tensor) -> Tensor:
    return made_of(np.zeros(A._data.shape[:-2], np.int32)[()])


def inv_ex(A: Tensor, *, check_errors: bool = False, out=None):
    """Inverses, and zeros that tell of success."""
    return INV_EX(inv(A), _info(A))


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False, out=None):
    """Solutions, and zeros that tell of success."""
    return SOLVE_EX(solve(A, B, left=left), _info(A))


def _inverse_backward(node, g, factor, out):
    common = matmul(matmul(out, g + adjoint(g)), out)
    return -matmul(factor, common) if node.upper else -matmul(common, factor)


CHOLESKY_INVERSE = kind("CholeskyInverseBackward0", _inverse_backward, ("self", "result"), keeps="upper")


def cholesky_inverse(L: Tensor, upper: bool = False, *, out=None) -> Tensor:
    """The inverses of the matrices that have these Cholesky factors."""
    check_matrix("cholesky_inverse", L)
    factor = np.triu(L._data) if upper else np.tril(L._data)
    whole = np.swapaxes(factor, -1, -2) @ factor if upper else factor @ np.swapaxes(factor, -1, -2)
    return operation(CHOLESKY_INVERSE, (L,), by_columns(np.linalg.inv(whole)), (L, RESULT), upper=upper)


FUNCTIONS = {"matrix_exp": matrix_exp, "cholesky_inverse": cholesky_inverse}
Tensor.matrix_exp, Tensor.cholesky_inverse = matrix_exp, cholesky_inverse
