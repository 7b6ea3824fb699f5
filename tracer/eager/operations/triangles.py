"""Triangles and diagonals of matrices."""

from __future__ import annotations

import functools

import numpy as np

from ..dtypes import Dtype, int64
from ..record import updated
from ..tensor import Tensor, made_of, unsigned, wrapped_dim
from ..updates import in_place
from .arithmetic import operand
from .by_index import index_fill
from .define import kind, operation
from .operands import check_kernel
from .shaping import reshape
from .slicing import diagonal


@functools.lru_cache(maxsize=64)
def _kept(cut, rows: int, columns: int, diagonal: int):
    """Where the triangle is; kept for small matrices."""
    return cut(np.ones((rows, columns), bool), diagonal)


def _triangle(name: str, cut):
    cls = kind(f"{name.title()}Backward0", lambda node, g: function(g, node.diagonal), keeps="diagonal:given")

    def function(input: Tensor, diagonal: int = 0, *, out=None) -> Tensor:
        x = operand(input, name)._data
        if x.ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        rows, columns = x.shape[-2:]
        kept = _kept(cut, rows, columns, diagonal) if rows * columns <= 4096 else cut(np.ones((rows, columns), bool), diagonal)
        return operation(cls, (input,), np.ascontiguousarray(np.where(kept, x, x.dtype.type(0))), diagonal=diagonal,
                         given=unsigned(diagonal))
    function.__name__ = name
    function.__doc__ = f"Matrices with zeros outside of a triangle, as ``numpy.{name}``."
    return function


tril, triu = _triangle("tril", np.tril), _triangle("triu", np.triu)


def _indices(cut):
    def function(row: int, col: int, offset: int = 0, *, dtype: Dtype = int64, device=None, layout=None) -> Tensor:
        return made_of(np.stack(cut(row, offset, col)).astype(dtype.numpy))
    function.__doc__ = "Row and column of each element of a triangle."
    return function


tril_indices, triu_indices = _indices(np.tril_indices), _indices(np.triu_indices)
DIAG_EMBED = kind("DiagEmbedBackward0", lambda node, g: diagonal(g, node.offset, node.dim1, node.dim2), keeps="offset:given dim1:given1 dim2:given2")


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last axis on a diagonal and zeros elsewhere."""
    x = input._data
    a, b = wrapped_dim(dim1, x.ndim + 1), wrapped_dim(dim2, x.ndim + 1)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    extent = x.shape[-1] + abs(offset)
    zeros = np.zeros((*x.shape[:-1], extent, extent), x.dtype)
    places = np.arange(x.shape[-1])
    zeros[..., places + max(-offset, 0), places + max(offset, 0)] = x
    return operation(DIAG_EMBED, (input,), np.ascontiguousarray(np.moveaxis(zeros, (-2, -1), (a, b))), offset=offset, dim1=dim1, dim2=dim2,
                     given=unsigned(offset), given1=unsigned(dim1), given2=unsigned(dim2))


DIAGONAL_COPY = kind("DiagonalBackward0_copy", lambda node, g: diagonal_backward(g, node.shape, node.offset),
                     keeps="offset:given dim1 dim2 self_sym_sizes:shape")
DIAGONAL_COPY.dim1, DIAGONAL_COPY.dim2 = 0, 1
DIAGONAL_BACKWARD = kind("DiagonalBackwardBackward0", lambda node, g: diagonal(g, node.offset))


def diagonal_backward(g: Tensor, shape: tuple, offset: int) -> Tensor:
    """Zeros with ``g`` on a diagonal of the first two axes."""
    zeros = np.zeros(shape, g._data.dtype)
    places = np.arange(g._data.shape[-1])
    zeros[places + max(-offset, 0), places + max(offset, 0)] = g._data
    return operation(DIAGONAL_BACKWARD, (g,), zeros, offset=offset)


def diag(input: Tensor, diagonal: int = 0, *, out=None) -> Tensor:
    """A matrix with the vector on a diagonal, or the diagonal of a matrix."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim == 2:
        return operation(DIAGONAL_COPY, (input,), np.array(np.diagonal(input._data, diagonal)), shape=input._data.shape, offset=diagonal,
                         given=unsigned(diagonal))
    raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements on a diagonal."""
    return diag(reshape(input, -1) if input.ndim != 1 else input.contiguous().view(-1), offset)


def _trace_backward(node, g):
    rows, columns = node.shape
    zeros = made_of(np.zeros(rows * columns, g._data.dtype))
    places = made_of(np.arange(min(rows, columns)) * (columns + 1))
    return updated(index_fill(zeros, 0, places, g), 2).view(node.shape)


TRACE = kind("TraceBackward0", _trace_backward, keeps="self_sym_sizes:shape")


def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    x = input._data
    check_kernel("trace", input, "fiu")
    return operation(TRACE, (input,), np.trace(x if x.dtype.kind == "f" else x.astype(np.int64)), shape=x.shape)


FUNCTIONS = {f.__name__: f for f in (tril, triu, diag_embed, diag, diagflat, trace)}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
for _function in (tril, triu):
    setattr(Tensor, f"{_function.__name__}_", in_place(f"{_function.__name__}_", _function))
FUNCTIONS |= {"tril_indices": tril_indices, "triu_indices": triu_indices}
