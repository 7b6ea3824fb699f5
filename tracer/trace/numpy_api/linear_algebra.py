"""``np.linalg``: solves, determinants, factors and powers. Singular matrices give NaN, as compiled code cannot raise LinAlgError halfway."""

from __future__ import annotations

import operator

import numpy as np

from ...errors import ShapeError, UnsupportedError
from ...ops import TABLE
from ..functions import implements, nearest
from ..value import Traced, as_traced, make
from .common import NOT_GIVEN, broadcast, cast, find_trace, operand, operands, promoted, refuse_out, reshaped, static_value, strong
from .contractions import dot, matmul

SOLVE, INV, CHOLESKY, DET, LOGABSDET, DETSIGN = [TABLE[name] for name in ("solve", "inv", "cholesky", "det", "logabsdet", "detsign")]
_SlogdetResult = type(np.linalg.slogdet(np.eye(1)))
_DOUBLE = np.dtype(np.float64)


def _floating(x: Traced) -> Traced:
    """Integers and bools are worked on in float64."""
    return strong(x) if x.node.type.is_float else cast(x, _DOUBLE)


def _square(value) -> Traced:
    x = _floating(operand(value))
    if x.ndim < 2:
        raise np.linalg.LinAlgError(f"{x.ndim}-dimensional array given. Array must be at least two-dimensional")
    if x.shape[-1] != x.shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    return x


@implements(np.linalg.inv)
def inv(a):
    """The inverse; NaN where there is none."""
    return make(INV, (_square(a),))


@implements(np.linalg.det)
def det(a):
    """The determinant."""
    return make(DET, (_square(a),))


@implements(np.linalg.slogdet)
def slogdet(a):
    """Sign and logarithm of the absolute determinant, as NumPy's named tuple."""
    x = _square(a)
    return _SlogdetResult(make(DETSIGN, (x,)), make(LOGABSDET, (x,)))


@implements(np.linalg.cholesky)
def cholesky(a, /, *, upper=False):
    """The triangular factor; NaN where the matrix is not positive definite."""
    x = _square(a)
    if upper:
        return np.swapaxes(make(CHOLESKY, (np.swapaxes(x, -1, -2),)), -1, -2)
    return make(CHOLESKY, (x,))


@implements(np.linalg.solve)
def solve(a, b):
    """x of a @ x = b, for a vector or a matrix b; leading axes broadcast."""
    trace = find_trace((a, b))
    matrix, right = promoted(_square(as_traced(a, trace)), _floating(as_traced(b, trace)))
    vector = right.ndim == 1
    if not right.ndim:
        raise ShapeError("solve: Input operand 1 does not have enough dimensions (has 0, gufunc core with signature (m,m),(m,n)->(m,n) requires 1)")
    right = reshaped(right, (*right.shape, 1)) if vector else right
    n = matrix.shape[-1]
    if right.shape[-2] != n:
        signature = "(m,m),(m)->(m)" if vector else "(m,m),(m,n)->(m,n)"
        raise ShapeError(f"solve{'1' if vector else ''}: Input operand 1 has a mismatch in its core dimension 0, with gufunc signature {signature} "
                         f"(size {right.shape[-2]} is different from {n})")
    batch = np.broadcast_shapes(matrix.shape[:-2], right.shape[:-2])
    result = make(SOLVE, (broadcast(matrix, (*batch, n, n)), broadcast(right, (*batch, *right.shape[-2:]))))
    return reshaped(result, result.shape[:-1]) if vector else result


@implements(np.linalg.matrix_power)
def matrix_power(a, n):
    """Repeated products, by squaring; negative powers of the inverse."""
    x = operand(a)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        _square(x)
    n = operator.index(n)
    if n == 0:
        identity = as_traced(np.eye(x.shape[-1], dtype=x.dtype), x.owner)
        return broadcast(identity, x.shape)
    if n < 0:
        x, n = inv(x), -n
    result = None
    while True:
        if n & 1:
            result = x if result is None else matmul(result, x)
        n >>= 1
        if not n:
            return strong(result)
        x = matmul(x, x)


@implements(np.linalg.multi_dot)
def multi_dot(arrays, *, out=None):
    """A chain of products, in the order that costs least."""
    refuse_out(out, "multi_dot")
    values = operands(*arrays)
    if len(values) < 2:
        raise ValueError("Expecting at least two arrays.")
    first, last = values[0], values[-1]
    values[0] = reshaped(first, (1, first.size)) if first.ndim == 1 else first
    values[-1] = reshaped(last, (last.size, 1)) if last.ndim == 1 else last
    for x in values:
        if x.ndim != 2:
            raise np.linalg.LinAlgError(f"{x.ndim}-dimensional array given. Array must be two-dimensional")
    result = _in_best_order(values)
    return reshaped(result, first.shape[:-1] + last.shape[1:])


def _in_best_order(values: list[Traced]) -> Traced:
    """Matrix chain by dynamic programming (Cormen et al., chapter 15.2)."""
    sizes = [x.shape[0] for x in values] + [values[-1].shape[1]]
    costs = {(k, k): 0 for k in range(len(values))}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, len(values)):
        for low in range(len(values) - length):
            high = low + length
            choices = [(costs[low, k] + costs[k + 1, high] + sizes[low] * sizes[k + 1] * sizes[high + 1], k) for k in range(low, high)]
            costs[low, high], split[low, high] = min(choices)

    def product(low: int, high: int) -> Traced:
        if low == high:
            return values[low]
        k = split[low, high]
        return dot(product(low, k), product(k + 1, high))
    return product(0, len(values) - 1)


@implements(np.linalg.pinv)
def pinv(a, rcond=None, hermitian=False, *, rtol=NOT_GIVEN):
    """The pseudo-inverse of a matrix of full rank, by its normal equations."""
    x = _floating(operand(a))
    rows, columns = x.shape[-2:]
    turned = np.swapaxes(x, -1, -2)
    return solve(turned @ x, turned) if rows >= columns else np.swapaxes(solve(x @ turned, x), -1, -2)


@implements(np.linalg.lstsq)
def lstsq(a, b, rcond=None):
    """The least-squares solution for a constant matrix, with the sum of squares that is left, rank and singular values."""
    matrix = static_value(a)
    if matrix is None:
        raise UnsupportedError("np.linalg.lstsq with a traced matrix needs its singular values, which are not supported. "
                               "Use np.linalg.solve(a.T @ a, a.T @ b).")
    right = _floating(operand(b))
    _, _, rank, singular = np.linalg.lstsq(matrix, np.zeros(matrix.shape[0]), rcond=rcond)
    solution = np.matmul(np.linalg.pinv(matrix), right)
    left = np.matmul(matrix, solution) - right
    residuals = np.atleast_1d(np.sum(left * left, axis=0)) if rank == matrix.shape[1] < matrix.shape[0] else np.zeros(0)
    return solution, residuals, rank, singular


@implements(np.polyfit)
def polyfit(x, y, deg, rcond=None, full=False, w=None, cov=False):
    """The coefficients, highest power first, of the polynomial that fits best at constant points."""
    at, weights = static_value(x), np.ones(()) if w is None else static_value(w)
    if at is None or weights is None or full or cov:
        raise UnsupportedError("np.polyfit on traced values takes constant points and weights, and returns the coefficients only. "
                               "For other points use np.linalg.solve on the normal equations with np.vander.")
    powers = np.vander(at.astype(np.float64), int(deg) + 1) * np.broadcast_to(weights, at.shape)[:, None]
    right = _floating(operand(y))
    return np.matmul(np.linalg.pinv(powers), right * (weights if right.ndim == 1 else np.broadcast_to(weights, at.shape)[:, None]))


nearest({"svd": "Singular values are not supported; for a norm use np.linalg.norm(a), for a solve np.linalg.solve.",
         "svdvals": "Singular values are not supported; for a norm use np.linalg.norm(a).",
         **dict.fromkeys(("eig", "eigh", "eigvals", "eigvalsh"), "Eigenvalues are not supported; np.linalg.det, slogdet, inv, solve and cholesky are."),
         "qr": "For a least-squares fit use np.linalg.solve(a.T @ a, a.T @ b).",
         "matrix_rank": "A rank has no derivative.", "cond": "Use np.linalg.norm(a, 1) * np.linalg.norm(np.linalg.inv(a), 1).",
         "tensorsolve": "Reshape to a matrix and use np.linalg.solve.", "tensorinv": "Reshape to a matrix and use np.linalg.inv."})
