"""Tensors put together: cat and stack."""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np

from ..dtypes import DTYPES, Dtype, promote_types
from ..node import Node
from ..record import cast, look_up_nodes, recorded, result
from ..tensor import Tensor, made_of, unsigned, wrapped_dim
from .slicing import narrow, select


class CatBackward0(Node):
    """Backward of cat: the parts of the gradient. ``operands``: shape and dtype of each; vectors without elements count for nothing."""

    arguments = {"dim": "dim"}
    computes_all = True
    operands: list = []
    axis = 0

    @property
    def dim(self) -> int:
        """As PyTorch keeps it."""
        return unsigned(self.given)

    def _bounds(self):
        """Where each operand begins and ends."""
        extents = [shape[self.axis] if shape != (0,) else 0 for shape, _ in self.operands]
        return pairwise(accumulate(extents, initial=0))

    def fast(self, g):
        lead = (slice(None),) * self.axis
        return tuple([g[(*lead, slice(start, end))].reshape(shape).astype(dtype, copy=False)
                      for (start, end), (shape, dtype) in zip(self._bounds(), self.operands)])

    def backward(self, g):
        parts = [narrow(g, self.axis, start, end - start) if shape != (0,) else made_of(np.zeros(0, dtype))
                 for (start, end), (shape, dtype) in zip(self._bounds(), self.operands)]
        return self._cast(parts)

    def _cast(self, parts: list) -> tuple:
        return tuple([part if edge is None else part.to(DTYPES[dtype]) for part, (_, dtype), edge in zip(parts, self.operands, self.edges)])


class StackBackward0(CatBackward0):
    """Backward of stack."""

    def fast(self, g):
        lead = (slice(None),) * self.axis
        return tuple([g[(*lead, k)].astype(dtype, copy=False) for k, (_, dtype) in enumerate(self.operands)])

    def backward(self, g):
        return self._cast([select(g, self.axis, k) for k in range(len(self.operands))])


def _together(tensors, name: str) -> list[Tensor]:
    if isinstance(tensors, Tensor):
        raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor")
    for number, each in enumerate(tensors):
        if not isinstance(each, Tensor):
            raise TypeError(f"expected Tensor as element {number} in argument 0, but got {type(each).__name__}")
    return list(tensors)


def cat(tensors, dim: int = 0, *, out=None) -> Tensor:
    """Tensors one behind the other along an axis."""
    tensors = _together(tensors, "cat")
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    look_up_nodes(tensors)
    shapes = [x._data.shape for x in tensors]
    first = shapes[0]
    if len(first) and first != (0,) and shapes.count(first) == len(shapes):
        present, axis = tensors, wrapped_dim(dim, len(first))
    else:
        present, axis = _checked(tensors, dim)
    return _joined(CatBackward0, tensors, dim, axis, lambda dtype: np.concatenate([cast(x._data, dtype) for x in present], axis))


def _checked(tensors: list[Tensor], dim: int) -> tuple[list[Tensor], int]:
    """Those of the tensors that count, and the axis, where they fit together."""
    for number, each in enumerate(tensors):
        if each.ndim == 0:
            raise RuntimeError(f"zero-dimensional tensor (at position {number}) cannot be concatenated")
    present = [x for x in tensors if x._data.shape != (0,)]  # PyTorch still takes such empty vectors for nothing
    if not present:
        return tensors, 0
    first = present[0]
    axis = wrapped_dim(dim, first.ndim)
    for number, each in enumerate(tensors):
        if each._data.shape == (0,):
            continue
        if each.ndim != first.ndim:
            raise RuntimeError(f"Tensors must have same number of dimensions: got {first.ndim} and {each.ndim}")
        for k, (a, b) in enumerate(zip(first._data.shape, each._data.shape)):
            if k != axis and a != b:
                raise RuntimeError(f"Sizes of tensors must match except in dimension {axis}. Expected size {a} but got size {b} for tensor number {number} "
                                   "in the list.")
    return present, axis


def stack(tensors, dim: int = 0, *, out=None) -> Tensor:
    """Tensors of one shape along a new axis."""
    tensors = _together(tensors, "stack")
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    look_up_nodes(tensors)
    first = tensors[0]._data.shape
    for number, each in enumerate(tensors):
        if each._data.shape != first:
            raise RuntimeError(f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and {list(each.shape)} at entry {number}")
    axis = wrapped_dim(dim, len(first) + 1)
    place = (slice(None),) * axis + (None,)
    return _joined(StackBackward0, tensors, dim, axis, lambda dtype: np.concatenate([cast(x._data, dtype)[place] for x in tensors], axis))


def _joined(kind: type[CatBackward0], tensors: list[Tensor], dim: int, axis: int, join) -> Tensor:
    """``join(dtype)``, recorded."""
    node = recorded(kind, tensors)
    if node is not None:
        node.operands = [(x._data.shape, x._data.dtype) for x in tensors]
        node.given, node.axis = dim, axis
    return result(node, np.ascontiguousarray(join(_common(tensors))))


def _common(tensors: list[Tensor]) -> Dtype:
    dtype = tensors[0].dtype
    for each in tensors[1:]:
        if each.dtype is not dtype:
            dtype = promote_types(dtype, each.dtype)
    return dtype


FUNCTIONS = {"cat": cat, "stack": stack, "concat": cat, "concatenate": cat}
