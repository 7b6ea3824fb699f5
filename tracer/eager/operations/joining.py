"""Tensors put together: cat and stack."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..dtypes import DTYPES, promote_types
from ..node import Node
from ..record import cast, look_up_nodes, recorded, result
from ..tensor import Tensor, made_of, wrapped_dim
from .slicing import narrow, select


class CatBackward0(Node):
    """Backward of cat: the parts of the gradient. ``operands``: shape and dtype of each; vectors without elements count for nothing."""

    arguments = {"dim": "dim"}
    computes_all = True
    operands: list = []

    def fast(self, g):
        return tuple([g[part].reshape(shape).astype(dtype, copy=False) for part, (shape, dtype) in zip(self.parts, self.operands)])

    def backward(self, g):
        return tuple([self._part(g, k).to(DTYPES[dtype]) if shape != (0,) else made_of(np.zeros(0, dtype)) for k, (shape, dtype) in enumerate(self.operands)])

    def _part(self, g, k: int):
        bounds = self.parts[k][-1]
        return narrow(g, self.at, bounds.start, bounds.stop - bounds.start)


class StackBackward0(CatBackward0):
    """Backward of stack."""

    def _part(self, g, k: int):
        return select(g, self.at, k)


def _together(tensors, name: str) -> list[Tensor]:
    if isinstance(tensors, Tensor):
        raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor")
    return list(tensors)


def cat(tensors, dim: int = 0, *, out=None) -> Tensor:
    """Tensors one behind the other along an axis."""
    tensors = _together(tensors, "cat")
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    look_up_nodes(tensors)
    for number, each in enumerate(tensors):
        if each.ndim == 0:
            raise RuntimeError(f"zero-dimensional tensor (at position {number}) cannot be concatenated")
    present = [x for x in tensors if x._data.shape != (0,)] or tensors  # PyTorch still takes such empty vectors for nothing
    at = wrapped_dim(dim, present[0].ndim)
    for number, each in enumerate(tensors):
        if each._data.shape == (0,):
            continue
        if each.ndim != present[0].ndim:
            raise RuntimeError(f"Tensors must have same number of dimensions: got {present[0].ndim} and {each.ndim}")
        for k, (a, b) in enumerate(zip(present[0]._data.shape, each._data.shape)):
            if k != at and a != b:
                raise RuntimeError(f"Sizes of tensors must match except in dimension {at}. Expected size {a} but got size {b} for tensor number {number} in "
                                   f"the "
                                   "list.")
    dtype = _common(tensors)
    node = recorded(CatBackward0, tensors)
    if node is not None:
        node.operands = [(x._data.shape, x._data.dtype) for x in tensors]
        bounds = [0, *np.cumsum([x._data.shape[at] if x._data.shape != (0,) else 0 for x in tensors]).tolist()]
        node.dim, node.at, node.parts = dim % 2**64, at, [(slice(None),) * at + (slice(a, b),) for a, b in pairwise(bounds)]
    return result(node, np.ascontiguousarray(np.concatenate([cast(x._data, dtype) for x in present], at)))


def stack(tensors, dim: int = 0, *, out=None) -> Tensor:
    """Tensors of one shape along a new axis."""
    tensors = _together(tensors, "stack")
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    look_up_nodes(tensors)
    for number, each in enumerate(tensors):
        if each._data.shape != tensors[0]._data.shape:
            raise RuntimeError(f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at entry 0 and {list(each.shape)} at entry "
                               f"{number}")
    at = wrapped_dim(dim, tensors[0].ndim + 1)
    dtype = _common(tensors)
    node = recorded(StackBackward0, tensors)
    if node is not None:
        node.operands = [(x._data.shape, x._data.dtype) for x in tensors]
        node.dim, node.at, node.parts = dim % 2**64, at, [(slice(None),) * at + (k, ...) for k in range(len(tensors))]
    return result(node, np.ascontiguousarray(np.stack([cast(x._data, dtype) for x in tensors], at)))


def _common(tensors):
    dtype = tensors[0].dtype
    for each in tensors[1:]:
        dtype = promote_types(dtype, each.dtype)
    return dtype


FUNCTIONS = {"cat": cat, "stack": stack, "concat": cat, "concatenate": cat}
