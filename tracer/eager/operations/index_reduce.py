"""index_reduce: what lies along a vector of indices, brought together."""

from __future__ import annotations

import numpy as np

from ..tensor import Tensor, made_of, unsigned, wrapped_dim
from ..updates import in_place
from .define import RESULT, kind, operation
from .gathering import scatter_reduce, scatter_reduce_gradients


def _backward(node, g, x, index, source, out):
    found = scatter_reduce_gradients(node, g, x, _along(index, x, source, node.dim), source, out)
    return tuple([each if each is None else each.reshape(like._data.shape) for each, like in zip(found, (x, source))])


INDEX_REDUCE = kind("IndexReduceBackward0", _backward, ("self", "index", "source", "result"), keeps="dim:given include_self reduce")


def _along(index: Tensor, x: Tensor, source: Tensor, dim: int) -> Tensor:
    """The index for every element of the source."""
    shape = [-1 if k == dim else 1 for k in range(x.ndim)]
    return made_of(np.broadcast_to(np.reshape(index._data, shape), source._data.shape)) if x.ndim else index


def index_reduce(input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True, out=None) -> Tensor:
    """``source`` brought together with what is at positions along an axis: prod, mean, amax or amin."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    axis = wrapped_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError(f"index_reduce_(): Index is supposed to be a vector, but got dim: {index.ndim} with type: {index.dtype.legacy} and size: "
                         f"{list(index.shape)}")
    if source.dtype is not input.dtype:
        raise RuntimeError(f"index_reduce_(): self ({input.dtype.legacy}) and source ({source.dtype.legacy}) must have the same scalar type")
    if source.ndim and index.numel() != source._data.shape[axis]:
        raise RuntimeError(f"index_reduce_(): Number of indices ({index.numel()}) should be equal to source.size(dim): ({source._data.shape[axis]}), for dim: "
                           f"{axis}")
    made = scatter_reduce(input.detach(), axis, _along(index, input, source, axis), source.detach(), reduce, include_self=include_self)
    return operation(INDEX_REDUCE, (input, source), made._data, (input, index, source, RESULT), dim=axis, reduce=reduce, include_self=include_self,
                     given=unsigned(dim))


FUNCTIONS = {"index_reduce": index_reduce}
Tensor.index_reduce, Tensor.index_reduce_ = index_reduce, in_place("index_reduce_", index_reduce)
