"""Tensors taken apart along an axis, into views of one node (split, chunk, unbind) or of one each."""

from __future__ import annotations

import functools
import itertools
from itertools import pairwise

import numpy as np

from ..dtypes import int64
from ..record import check_differentiable, recorded
from ..tensor import Tensor, made_of, shared, with_logical_strides, wrapped_dim
from ..views import ViewNode, share
from .joining import cat, stack
from .shaping import keeps, view_kind, view_methods
from .slicing import narrow

SPLIT, UNBIND = (view_kind(name, ViewNode) for name in ("SplitBackward0", "UnbindBackward0"))
SPLIT_WITH_SIZES = view_kind("SplitWithSizesBackward0", ViewNode)
UNSAFE_SPLIT, UNSAFE_SPLIT_WITH_SIZES = (view_kind(name, ViewNode) for name in ("UnsafeSplitBackward0", "UnsafeSplitWithSizesBackward0"))
keeps(UNSAFE_SPLIT, "dim", "split_size")
keeps(UNSAFE_SPLIT_WITH_SIZES, "dim", "split_sizes")
keeps(SPLIT, "dim", "split_size")
keeps(SPLIT_WITH_SIZES, "dim", "split_sizes")
keeps(UNBIND, "dim", sizes=False)


def _several(input: Tensor, kind: type, at: int, parts: list, **arguments) -> tuple:
    """Views along an axis that one node has for outputs. ``arguments``: what PyTorch keeps of the call.

    The unsafe ones share memory, but nobody is told of updates.
    """
    array = shared(input)
    if not array.size and input._view is None:
        array = with_logical_strides(array)
    node = recorded(_of_several(kind, len(parts)), (input,))
    if node is not None:
        check_differentiable(array)
        node.shape, node.at, node.parts, node.given = array.shape, at, parts, arguments
    made = []
    for number, part in enumerate(parts):
        each = made_of(array[part])
        if node is not None:
            each._rg, each._grad_fn, each._number = True, node, number
        if kind not in (UNSAFE_SPLIT, UNSAFE_SPLIT_WITH_SIZES):
            share(each, input, "several")
        made.append(each)
    return tuple(made)


class _SeveralNode(ViewNode):
    together = cat

    def backward(self, *gradients):
        dtype = next(g._data.dtype for g in gradients if g is not None)
        given = [made_of(np.zeros(np.empty(self.shape)[part].shape, dtype)[()]) if g is None else g for g, part in zip(gradients, self.parts)]
        return (type(self).together(given, self.at),)

    fast = None


@functools.cache
def _of_several(kind: type, count: int) -> type:
    return type(kind.__name__, (_SeveralNode,), {"outputs": count, "arguments": kind.arguments, "together": stack if kind is UNBIND else cat,
                                                 "__doc__": kind.__doc__})


def _axis_to_split(name: str, input: Tensor, dim: int) -> int:
    if not input.ndim:
        raise RuntimeError(f"{name} expects at least a 1-dimensional tensor")
    return wrapped_dim(dim, input.ndim)


def split(input: Tensor, split_size_or_sections, dim: int = 0) -> tuple:
    """Parts along an axis, of one extent or of those named."""
    return _split(input, split_size_or_sections, dim, SPLIT, SPLIT_WITH_SIZES)


def _split(input: Tensor, split_size_or_sections, dim: int, of_size: type, with_sizes: type) -> tuple:
    at = _axis_to_split("split", input, dim)
    extent = input._data.shape[at]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0:
            raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
        if size == 0 and extent:
            raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {extent}")
        bounds = list(range(0, extent, size)) + [extent] if extent else [0, 0]
    else:
        sizes = list(split_size_or_sections)
        if sum(sizes) == extent and min(sizes, default=0) < 0:
            raise RuntimeError(f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={sizes}")
        if sum(sizes) != extent:
            raise RuntimeError(f"split_with_sizes expects split_sizes to sum exactly to {extent} (input tensor's size at dimension {at}), but got "
                               f"split_sizes={sizes}")
        bounds = [0, *np.cumsum(sizes).tolist()]
    one = isinstance(split_size_or_sections, int)
    kind, kept = (of_size, split_size_or_sections) if one else (with_sizes, tuple(split_size_or_sections))
    return _several(input, kind, at, [(slice(None),) * at + (slice(a, b),) for a, b in pairwise(bounds)], dim=dim,
                    split_size=split_size_or_sections, split_sizes=kept)


def unsafe_split(input: Tensor, split_size: int, dim: int = 0) -> tuple:
    """As :func:`split`; each part may be updated, and what was saved of the others is not checked."""
    return _split(input, split_size, dim, UNSAFE_SPLIT, UNSAFE_SPLIT_WITH_SIZES)


def unsafe_split_with_sizes(input: Tensor, split_sizes, dim: int = 0) -> tuple:
    """As :func:`split_with_sizes`; each part may be updated, and what was saved of the others is not checked."""
    return _split(input, list(split_sizes), dim, UNSAFE_SPLIT, UNSAFE_SPLIT_WITH_SIZES)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple:
    """So many parts along an axis, as equal as can be."""
    return _chunk(input, chunks, dim, split)


def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple:
    """As :func:`chunk`; each part may be updated, and what was saved of the others is not checked."""
    return _chunk(input, chunks, dim, unsafe_split)


def _chunk(input: Tensor, chunks: int, dim: int, split) -> tuple:
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    extent = input._data.shape[_axis_to_split("chunk", input, dim)]
    return split(input, -(-extent // chunks), dim) if extent else split(input, [0] * chunks, dim)


def unbind(input: Tensor, dim: int = 0) -> tuple:
    """The positions along an axis, each a tensor without it."""
    if input.ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    at = wrapped_dim(dim, input.ndim)
    return _several(input, UNBIND, at, [(slice(None),) * at + (k, ...) for k in range(input._data.shape[at])], dim=dim)


def tensor_split(input: Tensor, indices_or_sections, dim: int = 0) -> tuple:
    """Parts along an axis: so many nearly equal ones, or with cuts at indices."""
    if input.ndim == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    axis = wrapped_dim(dim, input.ndim)
    extent = input._data.shape[axis]
    if isinstance(indices_or_sections, Tensor):
        if indices_or_sections.dtype is not int64:
            raise RuntimeError(f"tensor_split expected tensor_indices_or_sections to have dtype of long, but got {indices_or_sections.dtype.legacy}")
        if indices_or_sections.ndim > 1:
            raise RuntimeError("tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but got a tensor with "
                               f"{indices_or_sections.ndim} dims")
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        if indices_or_sections <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {indices_or_sections}")
        small, more = divmod(extent, indices_or_sections)
        cuts = [0, *itertools.accumulate([small + (k < more) for k in range(indices_or_sections)])]
    else:
        cuts = [0, *[min(max(k + extent if k < 0 else k, 0), extent) for k in indices_or_sections], extent]
    return tuple([narrow(input, axis, a, max(b - a, 0)) for a, b in pairwise(cuts)])


def _splitter(name: str, least: int, dim):
    def function(input: Tensor, indices_or_sections) -> tuple:
        if input.ndim < least:
            raise RuntimeError(f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with {input.ndim} "
                               "dimensions!")
        axis = dim(input)
        if isinstance(indices_or_sections, int) and (indices_or_sections == 0 or input._data.shape[axis] % indices_or_sections):
            raise RuntimeError(f"torch.{name} attempted to split along dimension {axis}, but the size of the dimension {input._data.shape[axis]} is not "
                               f"divisible by "
                               f"the split_size {indices_or_sections}!")
        return tensor_split(input, indices_or_sections, axis)
    function.__name__ = name
    function.__doc__ = f"As ``numpy.{name}``."
    return function


hsplit, vsplit, dsplit = _splitter("hsplit", 1, lambda x: 0 if x.ndim == 1 else 1), _splitter("vsplit", 2, lambda _: 0), _splitter("dsplit", 3, lambda _: 2)


def split_with_sizes(input: Tensor, split_sizes, dim: int = 0) -> tuple:
    """Parts of these extents along an axis."""
    return split(input, list(split_sizes), dim)


FUNCTIONS = {f.__name__: f for f in (split, chunk, unbind, unsafe_split, unsafe_split_with_sizes, unsafe_chunk)}
view_methods(FUNCTIONS, ("chunk", "tensor_split", "hsplit", "vsplit", "dsplit", "unsafe_chunk"))
FUNCTIONS |= {f.__name__: f for f in (tensor_split, hsplit, vsplit, dsplit, split_with_sizes)}
for _function in (tensor_split, hsplit, vsplit, dsplit, split_with_sizes):
    setattr(Tensor, _function.__name__, _function)
