"""Linear systems, determinants and factorisations of (batches of) matrices."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from .define import RESULT, kind, operation, operations
from .norms import vector_norm
from .products import chain_product, matmul
from .rearranging import diag_embed, tril, triu
from .record import fitted
from .reductions import _products_of_others
from .selection import where
from .shaping import diagonal, transpose
from .tensor import Tensor, made_of, wrapped_dim


class LinAlgError(RuntimeError):
    """A matrix is singular, or not positive-definite."""


LinAlgError.__name__ = "_LinAlgError"  # as tracebacks show it


def _turned(x: Tensor) -> Tensor:
    return transpose(x, -2, -1)


def _check_float(name: str, *matrices: Tensor) -> None:
    for each in matrices:
        if each._data.dtype.kind != "f":
            raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {each.dtype.legacy}")


def _check_matrix(name: str, x: Tensor, argument: str = "A", square: bool = True) -> None:
    if x.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {argument} must have at least 2 dimensions.")
    if square and x._data.shape[-1] != x._data.shape[-2]:
        raise RuntimeError(f"{name}: {argument} must be batches of square matrices, but they are {x._data.shape[-2]} by {x._data.shape[-1]} matrices")
    _check_float(name, x)


def return_type(name: str, *fields: str):
    """A named tuple that prints as PyTorch's."""
    def text(self):
        return f"torch.return_types.{name}(\n" + ",\n".join(f"{field}={value!r}" for field, value in zip(fields, self)) + ")"
    return type(name, (namedtuple(name, fields),), {"__repr__": text, "__slots__": ()})


# Determinants ---------------------------------------------------------------------------------------------------------------------------

def _det_backward(node, g, a, out):
    scaled = (g * out).unsqueeze(-1).unsqueeze(-1)
    if np.all(out._data != 0):
        return solve(_turned(a), scaled * made_of(np.eye(a._data.shape[-1], dtype=a._data.dtype)))
    return g.unsqueeze(-1).unsqueeze(-1) * _cofactors(a)


def _cofactors(a: Tensor) -> Tensor:
    """The matrix of cofactors, by way of singular values, so that singular matrices have one."""
    u, s, vh = svd(a)
    others = _products_of_others(s, s.ndim - 1)
    sign = np.asarray(np.linalg.det(u._data @ vh._data), a._data.dtype)
    return (u * (others * made_of(np.rint(sign)[..., None])).unsqueeze(-2)) @ vh


DET = kind("LinalgDetBackward0", _det_backward, ("A", "result"))


def det(A: Tensor, *, out=None) -> Tensor:
    """Determinants."""
    _check_matrix("linalg.det", A)
    return operation(DET, (A,), np.asarray(np.linalg.det(A._data), A._data.dtype), (A, RESULT))


def _slogdet_backward(node, _, g, a, sign):
    if g is None:
        return None
    unit = made_of(np.eye(a._data.shape[-1], dtype=a._data.dtype))
    return solve(_turned(a), g.unsqueeze(-1).unsqueeze(-1) * unit)


SLOGDET = kind("LinalgSlogdetBackward0", _slogdet_backward, ("A", "sign"), outputs=2)


def _slogdet(pair):
    def slogdet(A: Tensor, *, out=None):
        """Sign and logarithm of the absolute value of determinants."""
        _check_matrix("linalg.slogdet", A)
        return pair(*operations(SLOGDET, (A,), tuple([np.asarray(x) for x in np.linalg.slogdet(A._data)]), (A, 0)))
    return slogdet


slogdet, linalg_slogdet = _slogdet(return_type("slogdet", "sign", "logabsdet")), _slogdet(return_type("linalg_slogdet", "sign", "logabsdet"))


def logdet(A: Tensor) -> Tensor:
    """The logarithm of determinants; NaN where they are negative."""
    sign, logarithm = linalg_slogdet(A)
    return where(sign == -1, float("nan"), logarithm)


# Inverses and systems -------------------------------------------------------------------------------------------------------------------

def _inv_backward(node, g, out):
    turned = _turned(out)
    return -(turned @ (g @ turned))


INV = kind("LinalgInvExBackward0", _inv_backward, ("inverse",))


def inv(A: Tensor, *, out=None) -> Tensor:
    """Inverses; LinAlgError for singular matrices."""
    _check_matrix("linalg.inv", A)
    try:
        data = np.linalg.inv(A._data)
    except np.linalg.LinAlgError:
        number = _zero_pivot(A._data)
        batch = "" if A.ndim == 2 else f" (Batch element {number[0]}):"
        raise LinAlgError(f"linalg.inv:{batch} The diagonal element {number[1]} is zero, the inversion could not be completed because the input matrix is "
                          "singular.") from None
    return operation(INV, (A,), data, (RESULT,))


def _zero_pivot(a) -> tuple[int, int]:
    """Which matrix of a batch is singular, and which pivot of its elimination is the first to be 0, counted from 1."""
    count = a.shape[-1]
    for number, matrix in enumerate(a.reshape(-1, count, count)):
        work = np.array(matrix)
        for k in range(count):
            best = k + int(np.argmax(np.abs(work[k:, k])))
            if work[best, k] == 0:
                return number, k + 1
            work[[k, best]] = work[[best, k]]
            work[k + 1:] -= np.outer(work[k + 1:, k] / work[k, k], work[k])
    return 0, count


def _is_vector(a, b) -> bool:
    return b.ndim == 1 or (a.ndim - 1 == b.ndim and b.shape == a.shape[:-1])


def _solve_backward(node, g, a, out):
    vector = node.vector
    by_b = solve(_turned(a), g, left=node.left) if node.edges[1] is not None or node.edges[0] is not None else None
    by_a = None
    if node.edges[0] is not None:
        if vector:
            by_a = -(by_b.unsqueeze(-1) * out.unsqueeze(-2))
        else:
            by_a = -(by_b @ _turned(out)) if node.left else -(_turned(out) @ by_b)
        by_a = fitted(by_a, node.fits[0])
    return by_a, fitted(by_b, node.fits[1]) if node.edges[1] is not None else None


SOLVE = kind("LinalgSolveExBackward0", _solve_backward, ("A", "result"))


def solve(A: Tensor, B: Tensor, *, left: bool = True, out=None) -> Tensor:
    """The solution X of ``A X = B``, or of ``X A = B``; B may be a vector."""
    _check_matrix("linalg.solve", A)
    a, b = A._data, B._data
    if A.dtype is not B.dtype:
        raise RuntimeError(f"linalg.solve: Expected A and B to have the same dtype, but found A of type {A.dtype.legacy} and B of type {B.dtype.legacy} "
                           f"instead")
    vector = _is_vector(a, b)
    if (b.shape[-1] if vector else b.shape[-2 if left else -1]) != a.shape[-1]:
        shown = f"{b.shape[-1]}x1" if vector else _by(b)
        raise RuntimeError(f"linalg.solve: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} ({_by(a)} and {shown})")
    if vector and not left:
        raise RuntimeError("linalg.solve: Vector broadcasting of the left hand side is not supported for left=False. In this case linalg.solve is "
                           "equivalent to B / "
                           "A.squeeze(-1)")
    try:
        if vector:
            data = np.linalg.solve(a, b[..., None])[..., 0]
        else:
            data = np.linalg.solve(a, b) if left else np.swapaxes(np.linalg.solve(np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2)), -1, -2)
    except np.linalg.LinAlgError:
        batch = "" if a.ndim == 2 else f" (Batch element {_zero_pivot(a)[0]}):"
        raise LinAlgError(f"torch.linalg.solve:{batch} The solver failed because the input matrix is singular.") from None
    return operation(SOLVE, (A, B), data, (A, RESULT), vector=vector, left=left, fits=((a.shape, a.dtype), (b.shape, b.dtype)))


def _by(a) -> str:
    return "x".join(map(str, a.shape[-2:]))


def _triangular_backward(node, g, a, out):
    by_b = solve_triangular(_turned(a), g, upper=not node.upper, left=node.left, unitriangular=node.unit)
    by_a = None
    if node.edges[0] is not None:
        by_a = -(by_b @ _turned(out)) if node.left else -(_turned(out) @ by_b)
        by_a = fitted(triu(by_a, int(node.unit)) if node.upper else tril(by_a, -int(node.unit)), node.fits[0])
    return by_a, fitted(by_b, node.fits[1]) if node.edges[1] is not None else None


TRIANGULAR = kind("LinalgSolveTriangularBackward0", _triangular_backward, ("self", "result"))


def solve_triangular(input: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False, out=None) -> Tensor:
    """:func:`solve` with a triangular matrix; the other triangle is not looked at."""
    _check_matrix("linalg.solve_triangular", input)
    a = np.triu(input._data) if upper else np.tril(input._data)
    if unitriangular:
        a = np.where(np.eye(a.shape[-1], dtype=bool), a.dtype.type(1), a)
    if not left:
        a = np.swapaxes(a, -1, -2)
    b = B._data if left else np.swapaxes(B._data, -1, -2)
    if b.shape[-2] != a.shape[-1]:
        raise RuntimeError(f"linalg.solve_triangular: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} ({_by(input._data)} "
                           f"and {_by(B._data)})")
    data = _substituted(a, b, upper == left)
    fits = tuple([(t._data.shape, t._data.dtype) for t in (input, B)])
    return operation(TRIANGULAR, (input, B), data if left else np.ascontiguousarray(np.swapaxes(data, -1, -2)), (input, RESULT), upper=upper, left=left,
                     unit=unitriangular,
                     fits=fits)


def _substituted(a, b, upper: bool):
    """Back substitution, row by row; zeros on the diagonal give infinities and NaN, as in PyTorch."""
    count = a.shape[-1]
    x = np.array(np.broadcast_to(b, (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:])))
    with np.errstate(divide="ignore", invalid="ignore"):
        for k in reversed(range(count)) if upper else range(count):
            known = slice(k + 1, None) if upper else slice(None, k)
            x[..., k, :] = (x[..., k, :] - (a[..., k, None, known] @ x[..., known, :])[..., 0, :]) / a[..., k, k, None]
    return x


# Factorisations ---------------------------------------------------------------------------------------------------------------------------

def _cholesky_backward(node, g, out):
    factor, g = (_turned(out), _turned(g)) if node.upper else (out, g)
    inner = tril(_turned(factor) @ g)
    inner = (inner + _turned(tril(inner, -1))) * 0.5
    half = solve_triangular(_turned(factor), inner, upper=True)
    return solve_triangular(factor, half, upper=False, left=False)


CHOLESKY = kind("LinalgCholeskyExBackward0", _cholesky_backward, ("L",))


def cholesky(A: Tensor, *, upper: bool = False, out=None) -> Tensor:
    """The lower (or upper) triangular factor of positive-definite matrices."""
    _check_matrix("linalg.cholesky", A)
    a = np.swapaxes(A._data, -1, -2) if upper else A._data
    try:
        data = np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        number, minor = _failing_minor(a)
        batch = "" if a.ndim == 2 else f" (Batch element {number}):"
        raise LinAlgError(f"linalg.cholesky:{batch} The factorization could not be completed because the input is not positive-definite (the leading minor "
                          f"of order "
                          f"{minor} is not positive-definite).") from None
    return operation(CHOLESKY, (A,), np.ascontiguousarray(np.swapaxes(data, -1, -2)) if upper else data, (RESULT,), upper=upper)


def _failing_minor(a) -> tuple[int, int]:
    for number, matrix in enumerate(a.reshape(-1, *a.shape[-2:])):
        for k in range(1, matrix.shape[0] + 1):
            try:
                np.linalg.cholesky(matrix[:k, :k])
            except np.linalg.LinAlgError:
                return number, k
    return 0, a.shape[-1]


def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False, *, out=None) -> Tensor:
    """The solution of ``A X = B`` by A's Cholesky factor."""
    factor = _turned(L) if upper else L
    return solve_triangular(_turned(factor), solve_triangular(factor, B, upper=False), upper=True)


def _eigh_backward(node, by_values, by_vectors, values, vectors):
    turned = _turned(vectors)
    inner = None if by_values is None else diag_embed(by_values)
    if by_vectors is not None:
        gaps = values.unsqueeze(-2) - values.unsqueeze(-1)
        unit = made_of(np.eye(values._data.shape[-1], dtype=bool))
        mixing = where(unit, 0.0, (turned @ by_vectors) / where(unit, 1.0, gaps))
        inner = mixing if inner is None else inner + mixing
    return vectors @ (inner @ turned)


EIGH = kind("LinalgEighBackward0", _eigh_backward, ("eigenvalues", "eigenvectors"), outputs=2)
EIGH_PAIR = return_type("linalg_eigh", "eigenvalues", "eigenvectors")


def eigh(A: Tensor, UPLO: str = "L", *, out=None):
    """Eigenvalues, ascending, and eigenvectors of symmetric matrices."""
    _check_matrix("linalg.eigh", A)
    return EIGH_PAIR(*operations(EIGH, (A,), tuple(np.linalg.eigh(A._data, UPLO)), (0, 1)))


def eigvalsh(A: Tensor, UPLO: str = "L", *, out=None) -> Tensor:
    """Eigenvalues of symmetric matrices, ascending."""
    return eigh(A, UPLO)[0]


def _svd_backward(node, by_u, by_s, by_vh, u, s, vh):
    m, n = node.shape[-2:]
    count = s._data.shape[-1]
    u, vh = u[..., :count], vh[..., :count, :]
    unit = made_of(np.eye(count, dtype=bool))
    gaps = where(unit, 1.0, s.unsqueeze(-2) ** 2 - s.unsqueeze(-1) ** 2)
    inner = diag_embed(by_s) if by_s is not None else made_of(np.zeros((*node.shape[:-2], count, count), s._data.dtype))
    if by_u is not None:
        turned = _turned(u) @ by_u[..., :count]
        inner = inner + where(unit, 0.0, (turned - _turned(turned)) / gaps) * s.unsqueeze(-2)
    if by_vh is not None:
        turned = vh @ _turned(by_vh[..., :count, :])
        inner = inner + s.unsqueeze(-1) * where(unit, 0.0, (turned - _turned(turned)) / gaps)
    total = u @ inner @ vh
    if by_u is not None and m > count:
        outside = by_u[..., :count] / s.unsqueeze(-2)
        total = total + (outside - u @ (_turned(u) @ outside)) @ vh
    if by_vh is not None and n > count:
        outside = by_vh[..., :count, :] / s.unsqueeze(-1)
        total = total + u @ (outside - (outside @ _turned(vh)) @ vh)
    return total


SVD = kind("LinalgSvdBackward0", _svd_backward, ("U", "S", "Vh"), outputs=3)
SVD_TRIPLE = return_type("linalg_svd", "U", "S", "Vh")


def svd(A: Tensor, full_matrices: bool = True, *, driver=None, out=None):
    """Singular value decomposition: U, S and Vh."""
    _check_matrix("linalg.svd", A, square=False)
    return SVD_TRIPLE(*operations(SVD, (A,), tuple(np.linalg.svd(A._data, full_matrices)), (0, 1, 2), shape=A._data.shape))


def svdvals(A: Tensor, *, driver=None, out=None) -> Tensor:
    """Singular values, descending."""
    _check_matrix("linalg.svdvals", A, square=False)
    return operations(SVD, (A,), tuple(np.linalg.svd(A._data, False)), (0, 1, 2), shape=A._data.shape)[1]


def _qr_backward(node, by_q, by_r, q, r):
    inner = None if by_r is None else by_r @ _turned(r)
    if by_q is not None:
        turned = _turned(q) @ by_q
        inner = -turned if inner is None else inner - turned
    inner = triu(inner)
    both = inner + _turned(inner)
    total = q @ (both - diag_embed(diagonal(both, 0, -2, -1)) * 0.5)
    total = total if by_q is None else total + by_q
    return solve_triangular(_turned(r), total, upper=False, left=False)


QR = kind("LinalgQrBackward0", _qr_backward, ("Q", "R"), outputs=2)
QR_PAIR = return_type("linalg_qr", "Q", "R")


def qr(A: Tensor, mode: str = "reduced", *, out=None):
    """An orthonormal and an upper triangular factor."""
    _check_matrix("linalg.qr", A, square=False)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'")
    data = (np.zeros(0, A._data.dtype), np.linalg.qr(A._data, "r")) if mode == "r" else tuple(np.linalg.qr(A._data, mode))
    return QR_PAIR(*operations(QR, (A,), data, (0, 1)))


def _pinv_backward(node, g, a, out):
    m, n = a._data.shape[-2:]
    turned, g = _turned(out), _turned(g)
    if m <= n:
        k = g @ out
        tail = k @ turned
        return -_turned(out @ k) + tail - (a @ out) @ tail + (turned @ out) @ (g - k @ a)
    k = out @ g
    tail = turned @ k
    return -_turned(k @ out) + ((g - a @ k) @ out) @ turned + tail - (tail @ out) @ a


PINV = kind("LinalgPinvBackward0", _pinv_backward, ("self", "result"))


def pinv(A: Tensor, *, atol=None, rtol=None, hermitian: bool = False, out=None) -> Tensor:
    """The Moore-Penrose inverse."""
    _check_matrix("linalg.pinv", A, square=False)
    options = {"rcond": max(A._data.shape[-2:]) * np.finfo(A._data.dtype).eps if rtol is None else rtol, "hermitian": hermitian}
    return operation(PINV, (A,), np.linalg.pinv(A._data, **options), (A, RESULT))


# Powers and norms -----------------------------------------------------------------------------------------------------------------------

def matrix_power(A: Tensor, n: int, *, out=None) -> Tensor:
    """``n``-th powers by repeated squaring; of the inverse for negative ``n``."""
    if A.ndim < 2 or A._data.shape[-1] != A._data.shape[-2]:
        _check_matrix("linalg.matrix_power", A)
    if n == 0:
        return A.clone().copy_(made_of(np.eye(A._data.shape[-1], dtype=A._data.dtype)))
    if n < 0:
        A, n = inv(A), -n
        if n == 1:
            return A
    if n == 1:
        return A.clone()
    if n == 3:
        return matmul(matmul(A, A), A)
    made = power = None
    while n:
        power = A if power is None else matmul(power, power)
        if n % 2:
            made = power if made is None else matmul(made, power)
        n //= 2
    return made


def matrix_norm(A: Tensor, ord="fro", dim=(-2, -1), keepdim: bool = False, *, dtype=None, out=None) -> Tensor:
    """Norms of matrices: "fro", "nuc", inf, -inf, 1, -1, 2, -2."""
    _check_float("linalg.matrix_norm", A)
    if A.ndim < 2:
        raise RuntimeError("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.")
    if len(dim) != 2:
        raise RuntimeError("linalg.matrix_norm: dim must be a 2-tuple. Got " + " ".join(map(str, dim)))
    rows, columns = wrapped_dim(dim[0], A.ndim), wrapped_dim(dim[1], A.ndim)
    if rows == columns:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    A = A if dtype is None else A.to(dtype)
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim)
    if ord == "nuc" or (not isinstance(ord, str) and abs(ord) == 2):
        rest = [k for k in range(A.ndim) if k not in (rows, columns)]
        values = svdvals(A.permute(*rest, rows, columns))
        made = values.sum(-1) if ord == "nuc" else values.amax(-1) if ord > 0 else values.amin(-1)
        return made.unsqueeze(min(rows, columns)).unsqueeze(max(rows, columns)) if keepdim else made
    if isinstance(ord, str) or abs(ord) not in (1, float("inf")):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if abs(ord) == float("inf"):
        rows, columns = columns, rows
    sums = vector_norm(A, 1, rows, keepdim)
    axis = columns - (columns > rows and not keepdim)
    return sums.amax(axis, keepdim) if ord > 0 else sums.amin(axis, keepdim)


def linalg_norm(A: Tensor, ord=None, dim=None, keepdim: bool = False, *, dtype=None, out=None) -> Tensor:
    """``torch.linalg.norm``: of vectors or of matrices, by the number of axes."""
    if ord is not None and (dim is None or not isinstance(dim, int)):
        axes = dim if dim is not None else tuple(range(A.ndim))
        if dim is None and A.ndim > 2:
            raise RuntimeError(f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D.")
        if len(axes) == 2:
            return matrix_norm(A, ord, axes, keepdim, dtype=dtype)
    if isinstance(ord, str):
        return matrix_norm(A, ord, (-2, -1), keepdim)
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


def norm(input: Tensor, p="fro", dim=None, keepdim: bool = False, out=None, dtype=None) -> Tensor:
    """``torch.norm``: of order ``p`` over axes, 2 unless given."""
    p = 2 if p is None or p == "fro" else p
    if isinstance(p, str):
        return matrix_norm(input, p, dim if dim is not None else (-2, -1), keepdim)
    if input._data.dtype.kind != "f" and dtype is None:
        raise RuntimeError(f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {input.dtype.legacy}")
    return vector_norm(input, p, dim, keepdim, dtype=dtype)


def multi_dot(tensors, *, out=None) -> Tensor:
    """The product of several matrices in the cheapest order."""
    return chain_product(tensors)


def _cross_backward(node, g, a, b):
    return (fitted(cross(b, g, dim=node.dim), (a._data.shape, a._data.dtype)) if node.edges[0] is not None else None,
            fitted(cross(g, a, dim=node.dim), (b._data.shape, b._data.dtype)) if node.edges[1] is not None else None)


CROSS = kind("LinalgCrossBackward0", _cross_backward, ("self", "other"))


def cross(input: Tensor, other: Tensor, *, dim: int = -1, out=None) -> Tensor:
    """Cross products of vectors of three elements along an axis."""
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    axis = wrapped_dim(dim, input.ndim)
    if input._data.shape[axis] != 3 or other._data.shape[axis] != 3:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {input._data.shape[axis]} and {other._data.shape[axis]}")
    return operation(CROSS, (input, other), np.cross(input._data, other._data, axis=axis), (input, other), dim=axis)


def torch_cross(input: Tensor, other: Tensor, dim: int | None = None, *, out=None) -> Tensor:
    """:func:`cross` along the first axis of extent 3 unless ``dim`` is given."""
    if dim is None:
        dim = next((k for k, n in enumerate(input._data.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    return cross(input, other, dim=dim)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out=None) -> Tensor:
    """Sums of products along an axis."""
    return (x * y).sum(dim)


def matrix_rank(A: Tensor, *, tol=None, atol=None, rtol=None, hermitian: bool = False, out=None) -> Tensor:
    """How many singular values are not negligible."""
    return made_of(np.asarray(np.linalg.matrix_rank(A._data, tol, hermitian), np.int64)[()])


FUNCTIONS = {"det": det, "slogdet": slogdet, "logdet": logdet, "inverse": inv, "cholesky_solve": cholesky_solve, "pinverse": pinv,
             "matrix_power": matrix_power, "norm": norm,
             "cross": torch_cross}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
