"""Writing by index."""

from __future__ import annotations

import numpy as np

from ..modes import state
from ..node import Node
from ..record import fitted, look_up_nodes, recorded, result
from ..tangents import follow
from ..tensor import Tensor, shared
from ..updates import check_apart, check_expanded, check_overlap, check_writable, count_update, rebase, recordable, update
from ..words import type_name
from .filling import copied_into, filled_by, filled_from
from .index_parts import parts_of
from .indexing import basic_views, check_all_bounds, place_of, taken
from .shaping import expand, view


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
    target, places = (basic_views if records else _unrecorded)(input, parts)
    if not places:
        _assign(target, value)
        return
    check_writable(target, records, overlaps=True)
    check_expanded(input, "index_put_", "tensor[indices] = tensor")
    check_all_bounds(places)
    if len(tensors) == 1 and tensors[0]._data.dtype.kind == "b" and not (isinstance(value, Tensor) and value.ndim):
        check_expanded(target, "masked_fill_", "tensor[mask] = scalar")
    check_overlap(target, value)
    place = place_of(places, target.ndim)
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
        return basic_views(input, parts)
    finally:
        state.recording = before


def _assign(target: Tensor, value) -> None:
    """``target[...] = value``: a number fills; a tensor is brought to the shape, as views, and copied."""
    if not isinstance(value, Tensor):
        update(target, filled_from, value)
    elif value._data.shape == target._data.shape:
        update(target, copied_into, value)
    elif not value.ndim:
        update(target, filled_by, value)
    else:
        shape = value._data.shape
        lead = next((k for k, n in enumerate(shape) if n != 1), len(shape))
        wide = view(value, shape[lead:])
        update(target, copied_into, wide if wide._data.shape == target._data.shape else expand(wide, *target.shape))


Tensor.__setitem__ = put_at
