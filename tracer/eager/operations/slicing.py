"""Views of parts: select, narrow, diagonal, windows, strides."""

from __future__ import annotations

import numpy as np

from ..geometry import Geometry, geometry_in, geometry_of, window_on
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
    return selected(input, at, int(index), dim)


def selected(input: Tensor, at: int, index: int, dim: int | None = None) -> Tensor:
    """:func:`select` with arguments that are known to be good. ``dim``: as it was given."""
    place = (slice(None),) * at + (index, ...)
    return view_of(input, SELECT, lambda a: a[place], dim=at if dim is None else dim, index=index)


def sliced(input: Tensor, at: int, part: slice, dim: int | None = None) -> Tensor:
    """A slice of one axis. ``dim``: as it was given."""
    place = (slice(None),) * at + (part,)
    return view_of(input, SLICE, lambda a: a[place], dim=at if dim is None else dim, start=part.start or 0, end=2**63 - 1 if part.stop is None else part.stop,
                   step=part.step or 1)


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """``length`` positions along an axis."""
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    at = wrapped_dim(dim, input.ndim)
    extent = input._data.shape[at]
    if isinstance(start, Tensor):
        if start.ndim or start._data.dtype.kind not in "iu":
            raise RuntimeError("start must be an 0-dim integral Tensor.")
        start = int(start)
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -extent <= start <= extent:
        raise IndexError(f"start out of range (expected to be in range of [{-extent}, {extent}], but got {start})")
    start = start + extent if start < 0 else start
    if start + length > extent:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({extent}).")
    return sliced(input, at, slice(start, start + length), dim)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two axes, as the last axis."""
    a, b = wrapped_dim(dim1, input.ndim), wrapped_dim(dim2, input.ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")

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
        return view_of(input, UNFOLD, lambda a: a.reshape(1)[:size], dimension=dimension, size=size, step=step)

    def apply(array):
        windows = np.lib.stride_tricks.sliding_window_view(array, size, at, writeable=array.flags.writeable)
        return windows[(slice(None),) * at + (slice(None, None, step),)]
    return view_of(input, UNFOLD, apply, dimension=dimension, size=size, step=step)


def as_strided(input: Tensor, size, stride, storage_offset: int | None = None) -> Tensor:
    """Elements at the places in the memory of the base that strides and an offset lead to, counted in elements."""
    array = shared(input)
    memory = array if input._view is None else shared(input._view.base)
    own = geometry_in(array, memory)
    place = Geometry(tuple(size), tuple(stride), own.offset if storage_offset is None else storage_offset)
    _check_place(place, geometry_of(memory).extent(), array.itemsize)
    node = recorded(AsStridedBackward0, (input,))
    made = result(node, window_on(memory, place))
    if node is not None:
        node.view, node.base, node.names_offset = place, own, storage_offset is not None
    share(made, input)
    return made


def _check_place(place: Geometry, available: int, itemsize: int) -> None:
    if len(place.shape) != len(place.steps):
        raise RuntimeError("mismatch in length of strides and shape")
    if min(place.steps, default=0) < 0:
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(place.steps)}")
    if place.offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {place.offset}")
    if 0 not in place.shape and place.extent() > available:
        raise RuntimeError(f"setStorage: sizes {list(place.shape)}, strides {list(place.steps)}, storage offset {place.offset}, and itemsize {itemsize} "
                           f"requiring a storage size of {place.extent() * itemsize} are out of bounds for storage of size {available * itemsize}")


def check_storage(input: Tensor, at: int, extent: int) -> None:
    """Refuse so many positions at the beginning of an axis, where the memory does not hold them."""
    shape, steps = ((*each[:at], new, *each[at + 1:]) for each, new in ((input._data.shape, extent), (input.stride(), 0)))
    memory = shared(input if input._view is None else input._view.base)
    _check_place(Geometry(shape, steps, input.storage_offset()), geometry_of(memory).extent() if memory.size else 0, memory.itemsize)


FUNCTIONS = {f.__name__: f for f in (select, narrow, diagonal, as_strided)}
view_methods(FUNCTIONS | {"unfold": unfold}, ("narrow",))
