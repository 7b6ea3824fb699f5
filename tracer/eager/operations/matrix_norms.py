"""Norms of matrices, and of vectors or matrices as the arguments say."""

from __future__ import annotations

from ..tensor import Tensor, wrapped_dim
from .decompositions import svdvals
from .norms import vector_norm
from .solving import check_float


def matrix_norm(A: Tensor, ord="fro", dim=(-2, -1), keepdim: bool = False, *, dtype=None, out=None) -> Tensor:
    """Norms of matrices: "fro", "nuc", inf, -inf, 1, -1, 2, -2."""
    check_float("linalg.matrix_norm", A)
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
        made = values.sum(-1, keepdim) if ord == "nuc" else values.amax(-1, keepdim) if ord > 0 else values.amin(-1, keepdim)
        places = [*rest, rows, columns]
        return made.unsqueeze(-1).permute(*[places.index(k) for k in range(A.ndim)]) if keepdim else made
    if isinstance(ord, str) or abs(ord) not in (1, float("inf")):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if abs(ord) == float("inf"):
        rows, columns = columns, rows
    sums = vector_norm(A, 1, rows, keepdim)
    axis = columns - (columns > rows and not keepdim)
    return sums.amax(axis, keepdim) if ord > 0 else sums.amin(axis, keepdim)


def linalg_norm(A: Tensor, ord=None, dim=None, keepdim: bool = False, *, dtype=None, out=None) -> Tensor:
    """``torch.linalg.norm``: of vectors or of matrices, by the number of axes."""
    if ord is None:
        return vector_norm(A, 2.0, dim, keepdim, dtype=dtype)
    if dim is None:
        if A.ndim not in (1, 2):
            raise RuntimeError(f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D.")
        axes = (-2, -1) if A.ndim == 2 or isinstance(ord, str) else (0,)
    else:
        axes = (dim,) if isinstance(dim, int) else tuple(dim)
        if len(axes) not in (1, 2):
            raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(axes)}")
    if isinstance(ord, str) or len(axes) == 2:
        return matrix_norm(A, ord, axes, keepdim, dtype=dtype)
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


def norm(input: Tensor, p="fro", dim=None, keepdim: bool = False, out=None, dtype=None) -> Tensor:
    """``torch.norm``: of order ``p`` over axes, 2 unless given."""
    p = 2 if p is None or p == "fro" else p
    if isinstance(p, str):
        return matrix_norm(input, p, dim if dim is not None else (-2, -1), keepdim)
    if input._data.dtype.kind != "f" and dtype is None:
        raise RuntimeError(f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {input.dtype.legacy}")
    return vector_norm(input, p, dim, keepdim, dtype=dtype)


FUNCTIONS = {"norm": norm}
Tensor.norm = norm
