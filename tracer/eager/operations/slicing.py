"""Views of parts: select, narrow, diagonal, windows, strides."""

from __future__ import annotations

import numpy as np

from ..geometry import Geometry
from ..record import recorded, result
from ..stale import AsStridedBackward0
from ..tensor import Tensor, shared, wrapped_dim
from ..views import ViewNode, share, view_of
from .shaping import keeps, view_kind, view_methods

SELECT, SLICE, DIAGONAL, UNFOLD = (view_kind(name, ViewNode) for name in ("SelectBackward0", "SliceBackward0", "DiagonalBackward0", "UnfoldBackward0"))
UNFOLD.overlaps = True
keeps(SELECT, "dim", "index")
keeps(SLICE, "dim", "start", "end", "step")
keeps(DIAGONAL, "offset", "dim1", "dim2")
keeps(UNFOLD, "dimension", "size", "step")


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """One position along an axis, which goes."""
    if input.ndim == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    at = wrapped_dim(dim, input.ndim)
    extent = input._data.shape[at]
    if not -extent <= index < extent:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension {at}")
    return selected(input, at, int(index))


def selected(input: Tensor, at: int, index: int) -> Tensor:
    """:func:`select` with arguments that are known to be good."""
    place = (slice(None),) * at + (index, ...)
    return view_of(input, SELECT, lambda a: a[place], dim=at, index=index)


def sliced(input: Tensor, at: int, part: slice) -> Tensor:
    """A slice of one axis."""
    place = (slice(None),) * at + (part,)
    return view_of(input, SLICE, lambda a: a[place], dim=at, start=part.start or 0, end=2**63 - 1 if part.stop is None else part.stop,
                   step=part.step or 1)


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """``length`` positions along an axis."""
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    at = wrapped_dim(dim, input.ndim)
    extent = input._data.shape[at]
    start = start + extent if start < 0 else start
    if start + length > extent:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({extent}).")
    return sliced(input, at, slice(start, start + length))


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two axes, as the last axis."""
    a, b = wrapped_dim(dim1, input.ndim), wrapped_dim(dim2, input.ndim)

    def apply(array):
        made = array.diagonal(offset, a, b)
        made.flags.writeable = array.flags.writeable
        return made
    return view_of(input, DIAGONAL, apply, offset=offset, dim1=dim1, dim2=dim2)


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows along an axis, as a new last axis."""
    at = wrapped_dim(dimension, input.ndim)
    extent = input._data.shape[at] if input.ndim else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > extent:
        raise RuntimeError(f"maximum size for tensor at dimension {at} is {extent} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if not input.ndim:
        return view_of(input, UNFOLD, lambda a: a.reshape(1)[:size])

    def apply(array):
        windows = np.lib.stride_tricks.sliding_window_view(array, size, at, writeable=array.flags.writeable)
        return windows[(slice(None),) * at + (slice(None, None, step),)]
    return view_of(input, UNFOLD, apply, dimension=dimension, size=size, step=step)


def as_strided(input: Tensor, size, stride, storage_offset: int | None = None) -> Tensor:
    """Elements at the places that strides (in elements) lead to."""
    size, stride, own = tuple(size), tuple(stride), input.storage_offset()
    start = own if storage_offset is None else storage_offset
    check_storage(input, size, stride, start)
    array, memory = shared(input), shared(input if input._view is None else input._view.base)
    strided = np.lib.stride_tricks.as_strided
    flat = strided(memory, (storage_size(memory),), (memory.itemsize,))
    node = recorded(AsStridedBackward0, (input,))
    made = result(node, strided(flat[start:], size, tuple([step * memory.itemsize for step in stride])))
    if node is not None:
        lead = min(start, own)
        node.view, node.base = Geometry(size, stride, start - lead), Geometry(array.shape, input.stride(), own - lead)
    share(made, input)
    return made


def storage_size(memory) -> int:
    """The number of elements in the memory of a base."""
    return 1 + sum([(n - 1) * step for n, step in zip(memory.shape, memory.strides)]) // memory.itemsize if memory.size else 0


def check_storage(input: Tensor, sizes: tuple, strides: tuple, offset: int) -> None:
    """RuntimeError where elements would lie outside of a tensor's memory."""
    size, memory = input.element_size(), shared(input if input._view is None else input._view.base)
    needed, present = (offset + 1 + sum([(n - 1) * step for n, step in zip(sizes, strides)])) * size, storage_size(memory) * size
    if 0 not in sizes and needed > present:
        raise RuntimeError(f"setStorage: sizes {list(sizes)}, strides {list(strides)}, storage offset {offset}, and itemsize {size} requiring a storage size "
                           f"of {needed} are out of bounds for storage of size {present}")


FUNCTIONS = {f.__name__: f for f in (select, narrow, diagonal, as_strided)}
view_methods(FUNCTIONS | {"unfold": unfold}, ("narrow",))
