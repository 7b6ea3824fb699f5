"""A vector of indices along an axis: index_select, index_add and their like."""

from __future__ import annotations

import numpy as np

from ..record import fitted, look_up_nodes, updated
from ..tensor import Tensor, made_of, unsigned, wrapped_dim
from ..updates import check_apart, check_expanded, check_writable, in_place, recordable, update
from .assigning import check_filling
from .choices import where
from .define import IfNeeded, kind, operation
from .index_parts import mask_of_bytes
from .indexing import check_bounds, taken
from .numbers import times
from .slicing import check_storage


def _vector(name: str, input: Tensor, dim: int, index: Tensor, error: type = IndexError) -> tuple[int, np.ndarray]:
    axis = wrapped_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a "
                         f"vector{', but got dim: ' + str(index.ndim) + ' with type: ' + index.dtype.legacy if name == 'index_copy' else ''}")
    if index._data.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index")
    extent = input._data.shape[axis] if input.ndim else 1
    places = np.atleast_1d(index._data)
    if (places.view(f"u{places.itemsize}") >= extent).any():  # one comparison: what is negative is huge
        if name == "index_select":
            _tell_outside(input, places, extent)
        raise error("index out of range in self")
    return axis, places


def _tell_outside(input: Tensor, places, extent: int) -> None:
    if not extent:
        raise RuntimeError("index_select(): self indexing axis dim should be positive")
    if not input._data.size:
        raise RuntimeError(f"INDICES element is out of DATA bounds, id={places[(places < 0) | (places >= extent)][0]} axis_dim={extent}")
    raise IndexError("index out of range in self")


def _at(axis: int, places) -> tuple:
    return (slice(None),) * axis + (places,)


def _index_select_backward(node, g, index):
    return updated(index_add(made_of(np.zeros(node.shape, g._data.dtype)[()]), node.dim, index, g), 1)


def _index_select_plain(node, g, places):
    if not node.shape or not places.ndim:
        return NotImplemented
    zeros = np.zeros(node.shape, g.dtype)
    np.add.at(zeros, _at(node.dim, places), g)
    return zeros


INDEX_SELECT = kind("IndexSelectBackward0", _index_select_backward, ("index",), plain=_index_select_plain, keeps="dim:given self_sym_sizes:shape")


def index_select(input: Tensor, dim: int, index: Tensor, *, out=None) -> Tensor:
    """The positions in ``index`` along an axis."""
    look_up_nodes((input,))
    if not input.ndim and index.numel() != 1:
        raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {index.numel()} value(s)")
    if input.ndim > 1 and not input._data.shape[wrapped_dim(dim, input.ndim)] and index._data.size:
        raise RuntimeError("index_select(): self indexing axis dim should be positive")
    axis, places = _vector("index_select", input, dim, index)
    data = input._data[_at(axis, places)] if input.ndim else input._data.reshape(1)[places][0]
    return operation(INDEX_SELECT, (input,), np.asarray(data, order="C"), (index,), shape=input._data.shape, dim=axis, given=unsigned(dim))


def _index_add_backward(node, g, index, _):
    to_source = None
    if node.edges[1] is not None:
        to_source = times(index_select(g, node.dim, index), node.alpha) if node.alpha != 1 else index_select(g, node.dim, index)
        to_source = to_source.expand(*node.shape)
    return g, to_source


INDEX_ADD = kind("IndexAddBackward0", _index_add_backward, ("index", "source"), keeps="alpha dim:given source_dim:rank")


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha=1, out=None) -> Tensor:
    """``alpha * source`` added at positions along an axis; what meets adds up."""
    if input._data.size == 0 and source._data.shape[wrapped_dim(dim, source.ndim)] != index.numel():
        raise RuntimeError(f"index_add_(): Number of indices ({index.numel()}) should be equal to source.size(dim): "
                           f"({source._data.shape[wrapped_dim(dim, source.ndim)]}), for dim: {dim}")
    axis, places = _vector("index_add", input, dim, index)
    _check_source("index_add", input, axis, places, source)
    if [n for k, n in enumerate(input._data.shape) if k != axis] != [n for k, n in enumerate(source._data.shape) if k != axis]:
        raise RuntimeError(f"source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = {list(input.shape)} "
                           f"source.shape = {list(source.shape)}")
    data = np.array(input._data, order="C")
    added = source._data if alpha == 1 else source._data * np.asarray(alpha).astype(data.dtype)
    np.add.at(data.reshape(1) if data.ndim == 0 else data, _at(axis, places), added)
    return operation(INDEX_ADD, (input, source), data, (IfNeeded(index, 1), IfNeeded(source, 1)), dim=axis, alpha=alpha, shape=source._data.shape,
                     given=unsigned(dim), rank=source.ndim)


def _check_source(name: str, input: Tensor, axis: int, places, source: Tensor) -> None:
    if name == "index_copy" and input.ndim and source.ndim and input.ndim != source.ndim:
        raise IndexError("index_copy_(): When source and destination are not scalars, their dimensionality must match. Source dimensionality "
                         f"({source.ndim}), destination dimensionality ({input.ndim})")
    if source.dtype is not input.dtype:
        raise RuntimeError(f"index_add_(): self ({input.dtype.legacy}) and source ({source.dtype.legacy}) must have the same scalar type"
                           if name == "index_add" else f"index_copy_(): self and source expected to have the same dtype, but got (self) {input.dtype.legacy} "
                                                       f"and (source) {source.dtype.legacy}")
    around = [list(each._data.shape[:axis] + each._data.shape[axis + 1:]) for each in (input, source)]
    if name == "index_add" and around[0] != around[1]:
        raise RuntimeError("source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
                           f"{list(input.shape)} source.shape = {list(source.shape)}")
    if name == "index_copy" and around[0] != around[1]:
        goal, given = (" ".join(map(str, each)) for each in around)
        raise RuntimeError("index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
                           f"{goal} at dimension {axis} and source slice shape: {given} at dimension {axis}.")
    if source.ndim and source._data.shape[axis] != places.size:
        if name == "index_add":
            raise RuntimeError(f"index_add_(): Number of indices ({places.size}) should be equal to source.size(dim): ({source._data.shape[axis]}), for "
                               f"dim: {axis}")
        raise IndexError(f"{name}_(): Number of indices ({places.size}) should be equal to source.size(dim) ({source._data.shape[axis]})")


def _index_copy_backward(node, g, index, _):
    return (_cleared(g, node.dim, index) if node.edges[0] is not None else None,
            index_select(g, node.dim, index).expand(*node.shape) if node.edges[1] is not None else None)


INDEX_COPY = kind("IndexCopyBackward0", _index_copy_backward, ("index", "source"), keeps="dim:given source_dim:rank")


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor, *, out=None) -> Tensor:
    """``source`` written at positions along an axis."""
    axis, places = _vector("index_copy", input, dim, index)
    _check_source("index_copy", input, axis, places, source)
    data = np.array(input._data, order="C")
    (data.reshape(1) if data.ndim == 0 else data)[_at(axis, places)] = source._data
    return operation(INDEX_COPY, (input, source), data, (index, IfNeeded(source, 1)), dim=axis, shape=source._data.shape,
                     given=unsigned(dim), rank=source.ndim)


def _cleared(g: Tensor, dim: int, index: Tensor) -> Tensor:
    return index_fill(g, dim, index, 0)


def _index_fill_backward(node, g, index):
    found = [_cleared(g, node.dim, index)]
    if len(node.edges) > 1:
        found.append((g - found[0]).sum())  # places that are named twice count once
    return tuple(found)


INDEX_FILL0, INDEX_FILL1 = (kind(f"IndexFillBackward{k}", _index_fill_backward, ("index",), keeps="dim:given") for k in (0, 1))


def _check_memory(input: Tensor, dim: int, index: Tensor) -> None:
    """PyTorch looks at so many positions at the beginning of the axis, whether they are there or not."""
    if not input._data.size:
        check_storage(input, wrapped_dim(dim, input.ndim), index.numel())


def index_fill(input: Tensor, dim: int, index: Tensor, value) -> Tensor:
    """One number written at positions along an axis."""
    _check_memory(input, dim, index)
    axis, places = _vector("index_fill", input, dim, index)
    data = np.array(input._data, order="C")
    tensor = isinstance(value, Tensor)
    if tensor and value.ndim:
        raise RuntimeError(f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s).")
    (data.reshape(1) if data.ndim == 0 else data)[_at(axis, places)] = value._data if tensor else value
    return operation(INDEX_FILL1 if tensor else INDEX_FILL0, (input, value) if tensor else (input,), data, (index,), dim=axis, given=unsigned(dim))


def _index_put_backward(node, g, *_):
    to_values = taken(g, node.place) if node.edges[1] is not None else None
    to_self = g
    if not node.accumulate and node.edges[0] is not None:
        mask = np.zeros(g._data.shape, bool)
        mask[node.place] = True
        to_self = where(made_of(mask), 0.0, g)
    return to_self, None if to_values is None else fitted(to_values, (node.value_shape, to_values._data.dtype))


INDEX_PUT = kind("IndexPutBackward0", _index_put_backward, keeps="accumulate indices")


def index_put(input: Tensor, indices, values: Tensor, accumulate: bool = False) -> Tensor:
    """``values`` written, or added, at places given by a tuple of index tensors."""
    if len(indices) > input.ndim:
        raise IndexError(f"too many indices for tensor of dimension {input.ndim} (got {len(indices)})")
    if not accumulate:
        check_filling(indices, values)
    indices = tuple([mask_of_bytes(each) if each is not None and each._data.dtype == np.uint8 else each for each in indices])
    for number, (each, extent) in enumerate(zip(indices, input._data.shape)):
        if each is not None and each._data.dtype.kind in "iu":
            check_bounds(each._data, extent, number)
    place = tuple([slice(None) if each is None else each._data for each in indices])
    if values.dtype is not input.dtype:
        raise RuntimeError(f"Index put requires the source and destination dtypes match, got {input.dtype.legacy} for the destination and "
                           f"{values.dtype.legacy} for the source.")
    data = np.array(input._data, order="C")
    goal = data[place].shape
    if len(values._data.shape) > len(goal) or any([n not in (1, m) for n, m in zip(reversed(values._data.shape), reversed(goal))]):
        raise RuntimeError(f"shape mismatch: value tensor of shape {list(values.shape)} cannot be broadcast to indexing result of shape {list(goal)}")
    if accumulate:
        np.add.at(data, place, values._data)
    else:
        data[place] = values._data
    kept = tuple([each for each in indices if each is not None])
    return operation(INDEX_PUT, (input, values), data, kept, place=place, accumulate=accumulate, value_shape=values._data.shape, indices=tuple(indices))


def index_put_(input: Tensor, indices, values: Tensor, accumulate: bool = False) -> Tensor:
    """:func:`index_put` in place."""
    check_writable(input, recordable(input, (values,)), overlaps=True)
    for each in (*indices, values):
        check_apart(input, each)
    check_expanded(input, "index_put_", "tensor[indices] = tensor")
    return update(input, index_put, indices, values, accumulate, overlaps=True)


FUNCTIONS = {f.__name__: f for f in (index_select, index_add, index_copy, index_fill, index_put)}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
index_add.is_apart = index_copy.is_apart = index_fill.is_apart = index_fill.is_fill = True
for _function in (index_add, index_copy, index_fill):
    setattr(Tensor, f"{_function.__name__}_", in_place(f"{_function.__name__}_", _function))
Tensor.index_put_ = index_put_
