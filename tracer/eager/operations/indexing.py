"""Reading by index.

Integers, slices, None and the ellipsis are taken one after another, each a view with a node of its own, as PyTorch does; tensors and lists of
integers or bools gather a copy.
"""

from __future__ import annotations

import math

import numpy as np

from ..geometry import inner_first, laid
from ..node import Node
from ..record import look_up_nodes, recorded, result, updated
from ..tensor import Tensor, made_of, shared
from ..views import view_of
from .index_parts import parts_of
from .shaping import RESHAPED, unsqueeze
from .slicing import selected, sliced


class IndexBackward0(Node):
    """Backward of a gather: a scatter that adds."""

    arguments = {"indices": "indices", "self_sym_sizes": "shape"}
    place: tuple = ()
    names = ()
    written = 1

    @property
    def indices(self) -> tuple:
        """Of each axis; None for those that were not indexed."""
        return tuple([None if isinstance(each, slice) else made_of(each) for each in self.place])

    def fast(self, g):
        self.check()
        return (_added(g, self.shape, self.place), *(None,) * (len(self.edges) - 1))

    def backward(self, g):
        self.check()
        return (updated(put(g, self.shape, self.place), 1), *(None,) * (len(self.edges) - 1))


class IndexPutImplBackward0(Node):
    """Backward of :func:`put`."""

    def fast(self, g):
        return None, g[self.place]

    def backward(self, g):
        return None, taken(g, self.place)


def _added(g, shape: tuple, place):
    zeros = np.zeros(shape, g.dtype)
    np.add.at(zeros, place, g)
    return zeros


def along(indices, axis: int) -> tuple:
    """A NumPy index for ``out[i][j] = x[indices[i][j]][j]`` and its like, whatever the other extents."""
    if indices.ndim == 1:
        return (indices,)
    lead = indices.ndim - 1
    return tuple([indices if k == axis else np.arange(n).reshape((n,) + (1,) * (lead - k)) for k, n in enumerate(indices.shape)])


def put(g: Tensor, shape: tuple, place) -> Tensor:
    """Zeros with ``g`` added at places, recorded."""
    node = recorded(IndexPutImplBackward0, (None, g))
    if node is not None:
        node.place = place
    return result(node, _added(g._data, shape, place))


def taken(g: Tensor, place) -> Tensor:
    """The elements at places, copied, recorded."""
    node = recorded(IndexBackward0, (g,))
    if node is not None:
        node.shape, node.place = g._data.shape, place
    return result(node, np.array(g._data[place]))


_ALL = slice(None)


def _number_or_none(bound) -> bool:
    return bound is None or bound.__class__ is int


def get(input: Tensor, index) -> Tensor:
    """``input[index]``."""
    kind = index.__class__
    data = input._data
    if data.ndim:  # the commonest indices, in a third of the time of the way below
        if kind is int:
            extent = data.shape[0]
            if not -extent <= index < extent:
                raise IndexError(f"index {index} is out of bounds for dimension 0 with size {extent}")
            return selected(input, 0, index)
        if kind is slice and index.step is None and index != _ALL and _number_or_none(index.start) and _number_or_none(index.stop):
            return sliced(input, 0, index)
        if kind is Tensor and index._data.dtype == np.int64 and index._data.ndim and input._view is None:
            return _gathered(input, (index._data,), (index,))
    if input._view is not None and kind is slice:
        look_up_nodes((input,))  # before it is found that there is no such axis
    parts = parts_of(input, index)
    if input._view is not None:
        look_up_nodes((input,))
    current, places = basic_views(input, parts)
    if places:
        check_all_bounds(places)
        return _gathered(current, place_of(places, current.ndim), places.get("saved", ()))
    if current is input:
        if _ALL in [part for _, part in parts if isinstance(part, slice)] and index is not Ellipsis:
            return sliced(input, 0, slice(None))
        return view_of(input, RESHAPED["AliasBackward0"], lambda a: a[...])
    return current


def basic_views(input: Tensor, parts: list, bounds: bool = True):
    """Take the steps that are views. Returns the view, and tensors by axis of it, whose ``bounds`` are looked at."""
    current, at, places, gathered = input, 0, {}, 0
    for dimension, part in parts:
        if part is None:
            current, at = unsqueeze(current, at), at + 1
        elif isinstance(part, bool):
            current = unsqueeze(current, at)
            places[at] = np.zeros(int(part), np.int64)
            at, gathered = at + 1, gathered + 1
        elif isinstance(part, int):
            extent = current._data.shape[at]
            if not -extent <= part < extent:
                raise IndexError(f"index {part} is out of bounds for dimension {dimension} with size {extent}")
            current = selected(current, at, part)
        elif isinstance(part, slice):
            if part.step is not None and part.step <= 0:
                raise ValueError("step must be greater than zero" if part.step else "slice step cannot be zero")
            if part != slice(None):
                current = sliced(current, at, part)
            at += 1
        else:
            array = part._data
            if array.dtype.kind == "b":
                if not array.ndim:
                    current, array = unsqueeze(current, at), array.reshape(1)
                places.setdefault("masks", []).append((array, current, at))
                places.setdefault("saved", []).append(part)
                for axis, where in enumerate(np.nonzero(array)):
                    places[at + axis] = where
                at, gathered = at + array.ndim, gathered + array.ndim
            else:
                places.setdefault("bounds", []).append((array, current._data.shape[at], gathered))
                gathered += 1
                places[at] = array
                places.setdefault("saved", []).append(part)
                at += 1
    return current, places


def check_all_bounds(places: dict) -> None:
    """IndexError where a mask does not fit or an index lies outside."""
    for mask, current, at in places.get("masks", ()):
        _check_mask(mask, current, at)
    for array, extent, number in places.get("bounds", ()):
        check_bounds(array, extent, number)


def _check_mask(mask, current: Tensor, at: int) -> None:
    for k, extent in enumerate(mask.shape):
        if current._data.shape[at + k] != extent:
            raise IndexError(f"The shape of the mask {list(mask.shape)} at index {k} does not match the shape of the indexed tensor {list(current.shape)} "
                             f"at index "
                             f"{at + k}")


def check_bounds(array, extent: int, number: int) -> None:
    """IndexError where an index lies outside. ``number``: of the tensor among those of the index."""
    if not extent and array.size:
        raise IndexError("index is out of bounds for dimension with size 0")
    wrong = (array < -extent) | (array >= extent)
    if np.any(wrong):
        raise IndexError(f"index {np.asarray(array)[wrong].flat[0]} is out of bounds for dimension {number} with size {extent}")


def place_of(places: dict, ndim: int) -> tuple:
    """The NumPy index of the axes that are indexed by tensors."""
    axes = [k for k in places if isinstance(k, int)]
    return tuple([places.get(k, slice(None)) for k in range(max(axes) + 1)])


def _gathered(current: Tensor, place: tuple, indices: tuple) -> Tensor:
    """A copy of the elements at a NumPy index. ``indices``: the tensors that it was made from."""
    try:
        data = current._data[place] if isinstance(current._data, np.ndarray) else shared(current)[place]
    except IndexError:
        if len(place) == 1:
            check_bounds(place[0], current._data.shape[0], 0)
        shapes = ", ".join(str(list(np.shape(p))) for p in place if not isinstance(p, slice))
        raise IndexError(f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}") from None
    node = recorded(IndexBackward0, (current,))
    if node is not None:
        node.shape, node.place = current._data.shape, place
        node.save(*indices)
    return result(node, _in_order(data, current._data, place) if data.ndim else data)


def _in_order(data, source, place: tuple):
    """The layout of a gather: that of the source, in which the axes that were indexed tell nothing, then that of the indices."""
    axes = [k for k, each in enumerate(place) if not isinstance(each, slice)]
    if data.ndim < 2 or axes[-1] - axes[0] != len(axes) - 1:
        return np.ascontiguousarray(data)
    indices = np.broadcast_arrays(*[place[k] for k in axes])[0].shape
    inner = (0,) * len(indices)
    behind = source.ndim - axes[-1] - 1
    steps = [source.strides[:axes[0]] + inner + source.strides[axes[-1] + 1:]]
    steps.append((0,) * axes[0] + tuple([math.prod(indices[k + 1:]) for k in range(len(indices))]) + (0,) * behind)
    return laid(data, inner_first(data.shape, steps))


Tensor.__getitem__ = get
