"""Reading and writing by index.

Integers, slices, None and the ellipsis are taken one after another, each a view with a node of its own, as PyTorch does; tensors and lists of
integers or bools gather a copy.
"""

from __future__ import annotations

import math

import numpy as np

from ..dtypes import filled
from ..geometry import inner_first, laid
from ..modes import state
from ..node import Node
from ..record import fitted, look_up_nodes, recorded, result, updated
from ..tangents import follow
from ..tensor import Tensor, made_of, shared
from ..updates import check_apart, check_expanded, check_overlap, check_writable, count_update, rebase, recordable, update
from ..views import view_of
from ..words import type_name
from .index_parts import parts_of
from .shaping import RESHAPED, expand, unsqueeze, view
from .slicing import select, selected, sliced


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
    current, places = _basic(input, parts)
    if places:
        _check_all_bounds(places)
        return _gathered(current, _place(places, current.ndim), places.get("saved", ()))
    if current is input:
        if _ALL in [part for _, part in parts if isinstance(part, slice)] and index is not Ellipsis:
            return sliced(input, 0, slice(None))
        return view_of(input, RESHAPED["AliasBackward0"], lambda a: a[...])
    return current


def _basic(input: Tensor, parts: list, bounds: bool = True):
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


def _check_all_bounds(places: dict) -> None:
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


def _place(places: dict, ndim: int) -> tuple:
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


def put_at(input: Tensor, index, value) -> None:
    """``input[index] = value``."""
    if index is False:
        return
    if index is True:
        index = None
    records = recordable(input, (value,))
    _check_value(input, index, value)
    if isinstance(index, slice):
        look_up_nodes((input,))
    parts = parts_of(input, index)
    if index is not Ellipsis and any([not isinstance(part, Tensor) for _, part in parts]):
        look_up_nodes((input,))  # for the views to come
    tensors = [part for _, part in parts if isinstance(part, Tensor)]
    target, places = (_basic if records else _unrecorded)(input, parts)
    if not places:
        _assign(target, value)
        return
    check_writable(target, records, overlaps=True)
    check_expanded(input, "index_put_", "tensor[indices] = tensor")
    _check_all_bounds(places)
    if len(tensors) == 1 and tensors[0]._data.dtype.kind == "b" and not (isinstance(value, Tensor) and value.ndim):
        check_expanded(target, "masked_fill_", "tensor[mask] = scalar")
    check_overlap(target, value)
    place = _place(places, target.ndim)
    _check_source(target, place, tensors, value)
    put_in_place(target, place, value, records, places.get("saved", ()))


def _check_value(input: Tensor, index, value) -> None:
    if not isinstance(value, (Tensor, int, float, np.number, np.bool_)):
        raise TypeError(f"can't assign a {type_name(value)} to a torch.{input.dtype.legacy}Tensor")
    check_filling(index if isinstance(index, tuple) else (index,), value)


def _check_source(target: Tensor, place: tuple, tensors: list, value) -> None:
    """A tensor that is written by index has the target's dtype, and shares none of its memory. One number where a mask holds may be any."""
    if len(tensors) == 1 and tensors[0]._data.dtype.kind == "b" and (not isinstance(value, Tensor) or value.numel() == 1):
        return
    if isinstance(value, Tensor) and tensors and value.dtype is not target.dtype:
        _check_shape(value, shared(target)[place].shape)
        raise RuntimeError(f"Index put requires the source and destination dtypes match, got {target.dtype.legacy} for the destination and "
                           f"{value.dtype.legacy} for the source.")
    for each in (*tensors, value):
        check_apart(target, each)


def check_filling(indices: tuple, value) -> None:
    """One number at the places of one mask fills them, for which there are no masks of bytes."""
    tensors = [each for each in indices if isinstance(each, Tensor)]
    if len(tensors) == 1 and tensors[0]._data.dtype == np.uint8 and tensors[0].ndim and np.size(value._data if isinstance(value, Tensor) else value) == 1:
        raise RuntimeError("masked_fill_ only supports boolean masks, but got mask with dtype unsigned char")


def put_in_place(target: Tensor, place: tuple, value, records: bool, indices=()) -> None:
    """``target[place] = value`` for a NumPy index, recorded. ``indices``: the tensors that the index was made from, which are saved."""
    array = shared(target)
    shape = array[place].shape
    if isinstance(value, Tensor):
        value = _without_ones(value)
        _check_shape(value, shape)
    given = value._data if isinstance(value, Tensor) else value
    node = recorded(IndexPut, (target, value if isinstance(value, Tensor) else None)) if records or state.level else None
    if node is not None:
        node.place, node.value_shape, node.indices = place, np.shape(given), tuple(indices)
        node.save(*indices)
    if state.level:
        follow(target, node)
    array[place] = np.array(given).astype(array.dtype)
    count_update(target)
    if node is not None and records:
        rebase(target, node)


def _without_ones(value: Tensor) -> Tensor:
    """The value as a view without the leading axes of extent 1."""
    shape = value._data.shape
    lead = next((k for k, n in enumerate(shape) if n != 1), len(shape))
    return view(value, shape[lead:]) if lead else value


def _check_shape(value: Tensor, shape: tuple) -> None:
    if not _fits(_without_ones(value)._data.shape, shape):
        raise RuntimeError(f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to indexing result of shape {list(shape)}")


def _fits(shape: tuple, goal: tuple) -> bool:
    return len(shape) <= len(goal) and all([n in (1, m) for n, m in zip(reversed(shape), reversed(goal))])


class IndexPut(Node):
    """Backward of an assignment by tensors."""

    arguments = {"indices": "indices", "accumulate": "accumulate"}
    accumulate = False

    def backward(self, g):
        self.check()
        to_value = None
        if self.edges[1] is not None:
            inside = taken(g, self.place)
            to_value = fitted(inside, (self.value_shape, inside._data.dtype))
        return self.cleared(g), to_value

    def cleared(self, g: Tensor) -> Tensor:
        """The gradient with zeros where was written."""
        data = np.array(g._data)
        data[self.place] = 0
        node = recorded(IndexPut, (g, None))
        if node is not None:
            node.place = self.place
        return result(node, data)


IndexPut.__name__ = "IndexPutBackward0"


def _unrecorded(input: Tensor, parts: list):
    before, state.recording = state.recording, False
    try:
        return _basic(input, parts)
    finally:
        state.recording = before


def _assign(target: Tensor, value) -> None:
    """``target[...] = value``: a number fills; a tensor is brought to the shape, as views, and copied."""
    if not isinstance(value, Tensor):
        update(target, _filled, value)
    elif value._data.shape == target._data.shape:
        update(target, copied_into, value)
    elif not value.ndim:
        update(target, filled_by, value)
    else:
        shape = value._data.shape
        lead = next((k for k, n in enumerate(shape) if n != 1), len(shape))
        wide = view(value, shape[lead:])
        update(target, copied_into, wide if wide._data.shape == target._data.shape else expand(wide, *target.shape))


def _filled(target: Tensor, value) -> Tensor:
    return result(recorded(FillBackward3, (target, None)), filled(target._data.shape, value, target._data.dtype))


def filled_by(target: Tensor, value: Tensor) -> Tensor:
    """The target's shape, all the element of a 0-d tensor."""
    return result(recorded(FillBackward3, (target, value)), np.full(target._data.shape, value._data, target._data.dtype))


def _as_dtype(given, dtype):
    return np.asarray(given).astype(dtype)


def _zeros_like(g: Tensor) -> Tensor:
    """Zeros even where the gradient is infinite or NaN; nothing is recorded."""
    return made_of(np.zeros_like(g._data))


class CopyBackwards(Node):
    """Backward of a copy: all of the gradient goes to the source."""

    def name(self) -> str:
        return "torch::autograd::CopyBackwards"

    def backward(self, g):
        return None if self.edges[0] is None else _zeros_like(g), fitted(g, self.fit) if self.edges[1] is not None else None


class FillBackward2(Node):
    """Backward of a fill with a number: zeros."""

    def backward(self, g):
        return (_zeros_like(g),)


FillBackward0 = type("FillBackward0", (FillBackward2,), {"__doc__": "Not in place."})


class FillBackward3(FillBackward2):
    """Backward of a fill with a tensor."""

    def backward(self, g):
        return _zeros_like(g), None if self.edges[1] is None else g.sum()


FillBackward1 = type("FillBackward1", (FillBackward3,), {"__doc__": "Not in place."})


class ZeroBackward0(FillBackward2):
    """Backward of zero_."""


def copied_into(target: Tensor, source: Tensor) -> Tensor:
    """The source in the target's shape and dtype."""
    data = _as_dtype(source._data, target._data.dtype)
    if data.shape != target._data.shape:
        data = np.broadcast_to(data, target._data.shape)
    node = recorded(CopyBackwards, (target, source)) if target._data.dtype.kind == "f" else None
    if node is not None:
        node.fit = source._data.shape, source._data.dtype
    return result(node, data)


copied_into.is_copy = True
filled_by.is_fill = True  # one number is read before anything is written


def filled_with(target: Tensor, value) -> Tensor:
    """The target's shape, all one number."""
    return result(recorded(FillBackward2, (target,)), filled(target._data.shape, value, target._data.dtype))


def fill(input: Tensor, value) -> Tensor:
    """One number in every place of a new tensor."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(f"fill only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
        return result(recorded(FillBackward1, (input, value)), np.full(input._data.shape, value._data, input._data.dtype))
    return result(recorded(FillBackward0, (input,)), filled(input._data.shape, value, input._data.dtype))


FUNCTIONS = {"fill": fill}
Tensor.__getitem__ = get
Tensor.__setitem__ = put_at
__all__ = ["get", "put_at", "select"]
