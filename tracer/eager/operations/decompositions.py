"""Factorisations of (batches of) matrices, and what is made of them."""

from __future__ import annotations

import warnings

import numpy as np

from ..tensor import Tensor, made_of
from .choices import where
from .define import RESULT, kind, operation, operations
from .joining import cat
from .operands import check_kernel
from .slicing import diagonal
from .solving import LinAlgError, adjoint, by_columns, check_matrix, return_type, solve_triangular
from .triangles import diag_embed, tril, triu


def _cholesky_backward(node, g, out):
    factor, g = (adjoint(out), adjoint(g)) if node.upper else (out, g)
    inner = tril(adjoint(factor) @ g)
    inner = (inner + adjoint(tril(inner, -1))) * 0.5
    half = solve_triangular(adjoint(factor), inner, upper=True)
    return solve_triangular(factor, half, upper=False, left=False)


CHOLESKY = kind("LinalgCholeskyExBackward0", _cholesky_backward, ("L",), keeps="upper")
CHOLESKY_OF_OLD = kind("CholeskyBackward0", _cholesky_backward, ("result",), keeps="upper")
_DEPRECATED = ("torch.cholesky is deprecated in favor of torch.linalg.cholesky and will be removed in a future PyTorch release.\nL = torch.cholesky(A)\n"
               "should be replaced with\nL = torch.linalg.cholesky(A)\nand\nU = torch.cholesky(A, upper=True)\nshould be replaced with\n"
               "U = torch.linalg.cholesky(A).mH\nThis transform will produce equivalent results for all valid (symmetric positive definite) inputs.")


def cholesky(A: Tensor, *, upper: bool = False, out=None) -> Tensor:
    """The lower (or upper) triangular factor of positive-definite matrices."""
    return operation(CHOLESKY, (A,), _factor("linalg.cholesky", A, upper), (RESULT,), upper=upper)


def cholesky_of_old(input: Tensor, upper: bool = False, *, out=None) -> Tensor:
    """``torch.cholesky``, which PyTorch keeps for old programs."""
    warnings.warn(_DEPRECATED, UserWarning, stacklevel=2)
    if input.ndim > 1:
        check_kernel("cholesky_cpu", input)
    return operation(CHOLESKY_OF_OLD, (input,), _factor("cholesky", input, upper), (RESULT,), upper=upper)


def _factor(name: str, A: Tensor, upper: bool) -> np.ndarray:
    check_matrix(name, A)
    a = np.swapaxes(A._data, -1, -2) if upper else A._data
    try:
        data = np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        number, minor = _failing_minor(a)
        batch = "" if a.ndim == 2 else f" (Batch element {number}):"
        raise LinAlgError(f"{name}:{batch} The factorization could not be completed because the input is not positive-definite (the leading minor "
                          f"of order "
                          f"{minor} is not positive-definite).") from None
    return by_columns(np.swapaxes(data, -1, -2) if upper else data)


def _failing_minor(a) -> tuple[int, int]:
    for number, matrix in enumerate(a.reshape(-1, *a.shape[-2:])):
        for k in range(1, matrix.shape[0] + 1):
            try:
                np.linalg.cholesky(matrix[:k, :k])
            except np.linalg.LinAlgError:
                return number, k
    return 0, a.shape[-1]


def _eigh_backward(node, by_values, by_vectors, values, vectors):
    turned = adjoint(vectors)
    inner = None if by_values is None else diag_embed(by_values)
    if by_vectors is not None:
        gaps = values.unsqueeze(-2) - values.unsqueeze(-1)
        unit = made_of(np.eye(values._data.shape[-1], dtype=bool))
        mixing = where(unit, 0.0, (turned @ by_vectors) / where(unit, 1.0, gaps))
        inner = mixing if inner is None else inner + mixing
    found = vectors @ (inner @ turned)
    return (found + adjoint(found)) * 0.5


EIGH = kind("LinalgEighBackward0", _eigh_backward, ("eigenvalues", "eigenvectors"), outputs=2)
EIGH_PAIR = return_type("linalg_eigh", "eigenvalues", "eigenvectors")


def eigh(A: Tensor, UPLO: str = "L", *, out=None):
    """Eigenvalues, ascending, and eigenvectors of symmetric matrices."""
    if A.ndim > 1:
        check_kernel("linalg_eigh_cpu", A)
    check_matrix("linalg.eigh", A)
    values, vectors = np.linalg.eigh(A._data, UPLO)
    return EIGH_PAIR(*operations(EIGH, (A,), (values, by_columns(vectors)), (0, 1)))


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
        turned = adjoint(u) @ by_u[..., :count]
        inner = inner + where(unit, 0.0, (turned - adjoint(turned)) / gaps) * s.unsqueeze(-2)
    if by_vh is not None:
        turned = vh @ adjoint(by_vh[..., :count, :])
        inner = inner + s.unsqueeze(-1) * where(unit, 0.0, (turned - adjoint(turned)) / gaps)
    total = u @ inner @ vh
    if by_u is not None and m > count:
        outside = by_u[..., :count] / s.unsqueeze(-2)
        total = total + (outside - u @ (adjoint(u) @ outside)) @ vh
    if by_vh is not None and n > count:
        outside = by_vh[..., :count, :] / s.unsqueeze(-1)
        total = total + u @ (outside - (outside @ adjoint(vh)) @ vh)
    return total


SVD = kind("LinalgSvdBackward0", _svd_backward, ("U", "S", "Vh"), outputs=3, keeps="full_matrices S_sym_argsize_minus_1:count")
SVD_TRIPLE = return_type("linalg_svd", "U", "S", "Vh")


def svd(A: Tensor, full_matrices: bool = True, *, driver=None, out=None):
    """Singular value decomposition: U, S and Vh."""
    check_matrix("linalg.svd", A, square=False)
    return SVD_TRIPLE(*operations(SVD, (A,), tuple(np.linalg.svd(A._data, full_matrices)), (0, 1, 2), shape=A._data.shape, full_matrices=full_matrices,
                                  count=min(A._data.shape[-2:])))


def svdvals(A: Tensor, *, driver=None, out=None) -> Tensor:
    """Singular values, descending."""
    check_matrix("linalg.svd", A, square=False)
    return operations(SVD, (A,), tuple(np.linalg.svd(A._data, False)), (0, 1, 2), shape=A._data.shape, full_matrices=False,
                      count=min(A._data.shape[-2:]))[1]


def _qr_backward(node, by_q, by_r, q, r):
    rows, columns = r._data.shape[-2:]
    if node.mode == "reduced" and rows < columns:  # the columns on the right are Q times theirs in R
        right = None if by_r is None else by_r[..., rows:]
        if right is not None:
            more = (q @ r[..., rows:]) @ adjoint(right)
            by_q = more if by_q is None else by_q + more
        left = _square_qr_backward(by_q, None if by_r is None else by_r[..., :rows], q, r[..., :rows])
        return cat([left, q @ right if right is not None else made_of(np.zeros((*left._data.shape[:-1], columns - rows), left._data.dtype))], -1)
    return _square_qr_backward(by_q, by_r, q, r)


def _square_qr_backward(by_q, by_r, q, r):
    inner = None if by_r is None else by_r @ adjoint(r)
    if by_q is not None:
        turned = adjoint(q) @ by_q
        inner = -turned if inner is None else inner - turned
    inner = triu(inner)
    both = inner + adjoint(inner)
    total = q @ (both - diag_embed(diagonal(both, 0, -2, -1)) * 0.5)
    total = total if by_q is None else total + by_q
    return solve_triangular(adjoint(r), total, upper=False, left=False)


QR = kind("LinalgQrBackward0", _qr_backward, ("Q", "R"), outputs=2, keeps="mode")
QR_PAIR = return_type("linalg_qr", "Q", "R")


def qr(A: Tensor, mode: str = "reduced", *, out=None):
    """An orthonormal and an upper triangular factor."""
    check_matrix("linalg.qr", A, square=False)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'")
    data = (np.zeros(0, A._data.dtype), np.linalg.qr(A._data, "r")) if mode == "r" else tuple(np.linalg.qr(A._data, mode))
    return QR_PAIR(*operations(QR, (A,), (data[0] if mode == "r" else by_columns(data[0]), by_columns(data[1])), (0, 1), mode=mode))


def pinv_gradient(g: Tensor, a: Tensor, out: Tensor) -> Tensor:
    """The gradient of the matrices whose pseudo-inverses are ``out``."""
    m, n = a._data.shape[-2:]
    turned, g = adjoint(out), adjoint(g)
    if m <= n:
        k = g @ out
        tail = k @ turned
        return -adjoint(out @ k) + tail - (a @ out) @ tail + (turned @ out) @ (g - k @ a)
    k = out @ g
    tail = turned @ k
    return -adjoint(k @ out) + ((g - a @ k) @ out) @ turned + tail - (tail @ out) @ a


PINV = kind("LinalgPinvBackward0", lambda _, g, a, out: pinv_gradient(g, a, out), ("self", "result"))


def pinv(A: Tensor, *, atol=None, rtol=None, hermitian: bool = False, out=None) -> Tensor:
    """The Moore-Penrose inverse."""
    if A.ndim < 2 or A._data.dtype.kind != "f":
        raise RuntimeError(f"linalg.pinv({A.dtype.legacy}{{{list(A.shape)}}}): expected a tensor with 2 or more dimensions of float, double, cfloat or cdouble "
                           "types")
    options = {"rcond": max(A._data.shape[-2:]) * np.finfo(A._data.dtype).eps if rtol is None else rtol, "hermitian": hermitian}
    return operation(PINV, (A,), np.linalg.pinv(A._data, **options), (A, RESULT))


def matrix_rank(A: Tensor, *, tol=None, atol=None, rtol=None, hermitian: bool = False, out=None) -> Tensor:
    """How many singular values are not negligible."""
    if A._data.dtype.kind != "f":
        raise RuntimeError("This function doesn't handle types other than float and double")
    check_matrix("linalg.matrix_rank", A, square=hermitian)
    values = np.abs(np.linalg.eigvalsh(A._data)) if hermitian else np.linalg.svd(A._data, compute_uv=False)
    tol, atol, rtol = [each._data if isinstance(each, Tensor) else each for each in (tol, atol, rtol)]
    if tol is not None:
        least = tol
    else:
        rtol = (max(A._data.shape[-2:]) * np.finfo(A._data.dtype).eps if atol is None or not np.any(atol > 0) else 0.0) if rtol is None else rtol
        least = np.maximum(0.0 if atol is None else atol, rtol * values.max(axis=-1, initial=0.0))
    return made_of(np.asarray((values > np.asarray(least)[..., None]).sum(-1), np.int64)[()])


CHOLESKY_EX = return_type("linalg_cholesky_ex", "L", "info")


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False, out=None):
    """Triangular factors, and zeros that tell of success."""
    return CHOLESKY_EX(cholesky(A, upper=upper), made_of(np.zeros(A._data.shape[:-2], np.int32)[()]))


SVD_OF_OLD = return_type("svd", "U", "S", "V")


def svd_of_old(input: Tensor, some: bool = True, compute_uv: bool = True, *, out=None):
    """``torch.svd``: U, S and V, not turned."""
    u, s, vh = svd(input, not some)
    return SVD_OF_OLD(u, s, adjoint(vh))


FUNCTIONS = {"pinverse": pinv, "cholesky": cholesky_of_old, "svd": svd_of_old}
Tensor.svd = svd_of_old
Tensor.pinverse, Tensor.cholesky = pinv, cholesky_of_old
