"""Tensors put together by NumPy's names: hstack and its like, blocks along a diagonal."""

from __future__ import annotations

import numpy as np

from ..dtypes import promote_types
from ..tensor import Tensor
from .define import kind, operation
from .joining import cat
from .rearranging import one_by_one
from .shaping import reshape, unsqueeze


def _at_least(count: int):
    def raised(x: Tensor) -> Tensor:
        if count == 1:
            return reshape(x, 1) if x.ndim == 0 else x
        if count == 2:
            return reshape(x, 1, 1) if x.ndim == 0 else unsqueeze(x, 0) if x.ndim == 1 else x
        if x.ndim == 0:
            return reshape(x, 1, 1, 1)
        return unsqueeze(unsqueeze(x, 0), -1) if x.ndim == 1 else unsqueeze(x, -1) if x.ndim == 2 else x

    def function(*tensors):
        if len(tensors) == 1 and isinstance(tensors[0], Tensor):
            return raised(tensors[0])
        return tuple([raised(x) for x in one_by_one(tensors)])
    function.__doc__ = f"Tensors with {count} axes or more."
    return function


atleast_1d, atleast_2d, atleast_3d = _at_least(1), _at_least(2), _at_least(3)


def _stacker(name: str, raised, dim):
    def function(tensors, *, out=None) -> Tensor:
        if isinstance(tensors, Tensor):
            raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor")
        if not tensors:
            raise RuntimeError(f"{name} expects a non-empty TensorList")
        tensors = raised(*tensors)
        tensors = tensors if isinstance(tensors, tuple) else (tensors,)
        return cat(tensors, dim(tensors[0]))
    function.__name__ = name
    function.__doc__ = f"As ``numpy.{name}``."
    return function


hstack = _stacker("hstack", atleast_1d, lambda first: 0 if first.ndim == 1 else 1)
vstack, dstack = _stacker("vstack", atleast_2d, lambda _: 0), _stacker("dstack", atleast_3d, lambda _: 2)
column_stack = _stacker("column_stack", lambda *xs: tuple([reshape(x, x.numel(), 1) if x.ndim <= 1 else x for x in xs]), lambda _: 1)


def _block_diag_backward(node, g):
    return tuple([g[a].reshape(shape) if edge is not None else None for a, shape, edge in zip(node.places, node.shapes, node.edges)])


BLOCK_DIAG = kind("BlockDiagBackward0", _block_diag_backward)


def block_diag(*tensors) -> Tensor:
    """A matrix of blocks along its diagonal."""
    for number, each in enumerate(tensors):
        if each.ndim > 2:
            raise RuntimeError(f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {number} has {each.ndim} dimensions")
    blocks = [np.atleast_2d(x._data) for x in tensors]
    dtype = tensors[0].dtype
    for each in tensors[1:]:
        dtype = promote_types(dtype, each.dtype)
    zeros = np.zeros((sum(b.shape[0] for b in blocks), sum(b.shape[1] for b in blocks)), dtype.numpy)
    row = column = 0
    places = []
    for block in blocks:
        places.append((slice(row, row + block.shape[0]), slice(column, column + block.shape[1])))
        zeros[places[-1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return operation(BLOCK_DIAG, tensors, zeros, places=places, shapes=[x._data.shape for x in tensors])


FUNCTIONS = {f.__name__: f for f in (hstack, vstack, dstack, column_stack, block_diag)}
FUNCTIONS |= {"atleast_1d": atleast_1d, "atleast_2d": atleast_2d, "atleast_3d": atleast_3d, "row_stack": vstack}
