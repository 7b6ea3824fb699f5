"""Reading and writing by tensors of indices: gather, scatter, the index_ and masked_ families."""

from __future__ import annotations

import warnings

import numpy as np

from .define import RESULT, kind, operation
from .dtypes import bool_
from .indexing import check_bounds, taken
from .record import broadcast_shape, fitted, updated
from .selection import masked_fill, where
from .shaping import broadcast_to, cat, reshape, unbind
from .tensor import Tensor, made_of, wrapped_dim
from .updates import check_expanded, check_writable, in_place, recordable, update

_REDUCE = ("The reduce argument of torch.scatter with Tensor src is deprecated and will be removed in a future PyTorch release. Use torch.scatter_reduce "
           "instead for "
           "more reduction options.")


def _along(indices, dim: int) -> tuple:
    """A NumPy index for ``out[i][j] = x[indices[i][j]][j]`` and its like, whatever the other extents."""
    grid = np.ogrid[tuple([slice(n) for n in indices.shape])]
    return tuple([indices if k == dim else each for k, each in enumerate(grid)])


def _check_along(name: str, input: Tensor, dim: int, index: Tensor, src: Tensor | None = None) -> int:
    axis = wrapped_dim(dim, input.ndim)
    if index.dtype.name not in ("int64", "int32"):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    if index._data.size == 0:
        return axis
    if max(index.ndim, 1) != max(input.ndim, 1):
        raise RuntimeError(f"Index tensor must have the same number of dimensions as {'input' if name == 'gather' else 'self'} tensor")
    if src is not None and max(src.ndim, 1) != max(index.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    shape, places = input._data.shape or (1,), index._data.shape or (1,)
    if name == "gather":
        for k, n in enumerate(places):
            if k != axis and n > shape[k]:
                raise RuntimeError(f"Size does not match at dimension {k} expected index {list(index.shape)} to be no larger than self {list(input.shape)} "
                                   f"apart from "
                                   f"dimension {axis}")
    else:
        source = None if src is None else src._data.shape or (1,)
        if any(k != axis and n > shape[k] for k, n in enumerate(places)) or (source is not None and any(n > m for n, m in zip(places, source))):
            more = "" if src is None else f" and to be no larger size than src {list(src.shape)}"
            raise RuntimeError(f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} apart from dimension {axis}{more}")
    _check_range(index._data, axis, shape[axis])
    return axis


def _check_range(indices, axis: int, extent: int) -> None:
    wrong = (indices < 0) | (indices >= extent)
    if np.any(wrong):
        raise RuntimeError(f"index {np.asarray(indices)[wrong].flat[0]} is out of bounds for dimension {axis} with size {extent}")


def _gather_backward(node, g, index, _):
    zeros = made_of(np.zeros(node.shape, g._data.dtype)[()])
    return updated(scatter_add(zeros, node.dim, index, g), 1)


GATHER = kind("GatherBackward0", _gather_backward, ("index", "self"))


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False, out=None) -> Tensor:
    """The elements at indices along an axis; the result has the shape of ``index``."""
    axis = _check_along("gather", input, dim, index)
    x = input._data
    data = x.reshape(-1)[index._data] if x.ndim == 0 else np.reshape(x[_along(np.atleast_1d(index._data), axis)], index._data.shape)
    return operation(GATHER, (input,), np.asarray(data), (index, input), shape=x.shape, dim=axis)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """As :func:`gather`, the other axes broadcast; of the flattened tensor without ``dim``."""
    if indices.dtype.name != "int64":
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {indices.dtype.legacy}")
    if dim is None:
        return gather(reshape(input, -1), 0, reshape(indices, -1))
    if input.ndim != indices.ndim:
        raise RuntimeError("torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
                           f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices")
    axis = wrapped_dim(dim, input.ndim)
    lead = np.broadcast_shapes(*[tuple([1 if k == axis else n for k, n in enumerate(t._data.shape)]) for t in (input, indices)])
    wide = [broadcast_to(t, [t._data.shape[axis] if k == axis else n for k, n in enumerate(lead)]) for t in (input, indices)]
    return gather(wide[0], axis, wide[1])


# Scatter -------------------------------------------------------------------------------------------------------------------------------

def _scatter_backward(node, g, index):
    cleared = scatter(g, node.dim, index, 0) if node.edges[0] is not None else None
    return cleared, gather(g, node.dim, index) if len(node.edges) > 1 and node.edges[1] is not None else None


SCATTER0, SCATTER1 = (kind(f"ScatterBackward{k}", _scatter_backward, ("index",)) for k in (0, 1))


def scatter(input: Tensor, dim: int, index: Tensor, src=None, *, value=None, reduce: str | None = None) -> Tensor:
    """``src`` (a tensor or a number) written at indices along an axis."""
    src = value if src is None else src
    if reduce is not None:
        if isinstance(src, Tensor):
            warnings.warn(_REDUCE, UserWarning, stacklevel=2)
        source = src if isinstance(src, Tensor) else made_of(np.full(index._data.shape, src, input._data.dtype)[()])
        return scatter_reduce(input, dim, index, source, {"add": "sum", "multiply": "prod"}[reduce])
    tensor = isinstance(src, Tensor)
    axis = _check_along("scatter", input, dim, index, src if tensor else None)
    if tensor and src.dtype is not input.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    data = np.array(input._data, order="C")
    if index._data.size:
        flat, places = np.atleast_1d(data), np.atleast_1d(index._data)
        flat[_along(places, axis)] = np.atleast_1d(src._data)[tuple([slice(n) for n in places.shape])] if tensor else src
    inputs = (input, src) if tensor else (input,)
    return operation(SCATTER0 if tensor else SCATTER1, inputs, data, (index,), dim=axis)


def _scatter_add_backward(node, g, index):
    if node.edges[1] is None:
        return g, None
    if index._data.shape != node.shape:
        raise RuntimeError(f"Function ScatterAddBackward0 returned an invalid gradient at index 1 - got {list(index.shape)} but expected shape compatible with "
                           f"{list(node.shape)}")
    return g, gather(g, node.dim, index)


SCATTER_ADD = kind("ScatterAddBackward0", _scatter_add_backward, ("index",))


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """``src`` added at indices along an axis; what meets adds up."""
    axis = _check_along("scatter_add", input, dim, index, src)
    if src.dtype is not input.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    data = np.array(input._data, order="C")
    if index._data.size:
        places = np.atleast_1d(index._data)
        np.add.at(np.atleast_1d(data) if data.ndim else data.reshape(1), _along(places, axis),
                  np.atleast_1d(src._data)[tuple([slice(n) for n in places.shape])])
    return operation(SCATTER_ADD, (input, src), data, (index,), dim=axis, shape=src._data.shape)


_REDUCERS = {"sum": (np.add, 0), "prod": (np.multiply, 1), "amax": (np.maximum, -np.inf), "amin": (np.minimum, np.inf), "mean": (np.add, 0)}


def _scatter_reduce_backward(node, g, x, index, src, out):
    dim, how = node.dim, node.reduce
    to_self = to_source = None
    if how == "sum":
        to_self, to_source = g, gather(g, dim, index)
    elif how == "mean":
        count = made_of(np.ones_like(g._data) if node.include_self else np.zeros_like(g._data))
        count = scatter_add(count, dim, index, made_of(np.ones_like(src._data)))
        count = masked_fill(count, count == 0, 1)
        to_self, to_source = g / count, gather(g / count, dim, index)
    elif how == "prod":
        to_self = g * out / x if node.include_self else None
        to_source = gather(g * out, dim, index) / src
    else:
        best = gather(out, dim, index)
        own, others = (x == out).to(g.dtype), (src == best).to(g.dtype)
        count = scatter_add(own if node.include_self else made_of(np.zeros_like(own._data)), dim, index, others)
        count = masked_fill(count, count == 0, 1)
        to_self, to_source = own * g / count, others * gather(g / count, dim, index)
    if not node.include_self:
        to_self = scatter(g if to_self is None else to_self, dim, index, 0)
    return to_self, to_source


SCATTER_REDUCE = kind("ScatterReduceBackward0", _scatter_reduce_backward, ("self", "index", "src", "result"))


def scatter_reduce(input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True) -> Tensor:
    """``src`` brought together with what is at indices along an axis: sum, prod, mean, amax or amin."""
    if reduce not in _REDUCERS:
        raise RuntimeError("reduce argument must be either sum, prod, mean, amax or amin, got " + reduce)
    axis = _check_along("scatter_reduce", input, dim, index, src)
    if src.dtype is not input.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    function, start = _REDUCERS[reduce]
    data, places = np.atleast_1d(np.array(input._data, order="C")), np.atleast_1d(index._data)
    at, source = _along(places, axis), np.atleast_1d(src._data)[tuple([slice(n) for n in places.shape])]
    if not include_self:
        data[at] = start if np.isfinite(start) or data.dtype.kind == "f" else (np.iinfo(data.dtype).min if start < 0 else np.iinfo(data.dtype).max)
    function.at(data, at, source)
    if reduce == "mean":
        count = np.full(data.shape, int(include_self))
        np.add.at(count, at, 1)
        count[count == 0] = 1
        data = data / count.astype(data.dtype) if data.dtype.kind == "f" else data // count
    return operation(SCATTER_REDUCE, (input, src), data.reshape(input._data.shape), (input, index, src, RESULT), dim=axis, reduce=reduce,
                     include_self=include_self)


# By one vector of indices ------------------------------------------------------------------------------------------------------------

def _vector(name: str, input: Tensor, dim: int, index: Tensor, error: type = IndexError) -> tuple[int, np.ndarray]:
    axis = wrapped_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a "
                         f"vector{', but got dim: ' + str(index.ndim) + ' with type: ' + index.dtype.legacy if name == 'index_copy' else ''}")
    if index.dtype.name not in ("int64", "int32"):
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index")
    extent = input._data.shape[axis] if input.ndim else 1
    places = np.atleast_1d(index._data)
    wrong = (places < 0) | (places >= extent)
    if wrong.any():
        if name == "index_select":
            raise IndexError("index out of range in self")
        raise error("index out of range in self")
    return axis, places


def _at(axis: int, places) -> tuple:
    return (slice(None),) * axis + (places,)


def _index_select_backward(node, g, index):
    return updated(index_add(made_of(np.zeros(node.shape, g._data.dtype)[()]), node.dim, index, g), 1)


INDEX_SELECT = kind("IndexSelectBackward0", _index_select_backward, ("index",))


def index_select(input: Tensor, dim: int, index: Tensor, *, out=None) -> Tensor:
    """The positions in ``index`` along an axis."""
    if not input.ndim and index.numel() != 1:
        raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {index.numel()} value(s)")
    axis, places = _vector("index_select", input, dim, index)
    data = input._data[_at(axis, places)] if input.ndim else input._data.reshape(1)[places][0]
    return operation(INDEX_SELECT, (input,), np.asarray(data, order="C"), (index,), shape=input._data.shape, dim=axis)


def _index_add_backward(node, g, index, _):
    to_source = None
    if node.edges[1] is not None:
        to_source = index_select(g, node.dim, index) * node.alpha if node.alpha != 1 else index_select(g, node.dim, index)
        to_source = to_source.expand(*node.shape)
    return g, to_source


INDEX_ADD = kind("IndexAddBackward0", _index_add_backward, ("index", "source"))


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha=1, out=None) -> Tensor:
    """``alpha * source`` added at positions along an axis; what meets adds up."""
    if input._data.size == 0 and source._data.shape[wrapped_dim(dim, source.ndim)] != index.numel():
        raise RuntimeError(f"index_add_(): Number of indices ({index.numel()}) should be equal to source.size(dim): "
                           f"({source._data.shape[wrapped_dim(dim, source.ndim)]}), for dim: {dim}")
    axis, places = _vector("index_add", input, dim, index)
    _check_source("index_add", input, axis, places, source)
    data = np.array(input._data, order="C")
    np.add.at(data.reshape(1) if data.ndim == 0 else data, _at(axis, places), (source._data if alpha == 1 else source._data * data.dtype.type(alpha)))
    return operation(INDEX_ADD, (input, source), data, (index, source if source._rg else None), dim=axis, alpha=alpha, shape=source._data.shape)


def _check_source(name: str, input: Tensor, axis: int, places, source: Tensor) -> None:
    if source.dtype is not input.dtype:
        raise RuntimeError(f"{name}(): self ({input.dtype.legacy}) and source ({source.dtype.legacy}) must have the same scalar type"
                           if name == "index_add" else f"{name}(): self and source expected to have the same dtype, but got (self) {input.dtype.legacy} "
                                                       f"and (source) "
                           f"{source.dtype.legacy}")
    if source.ndim and source._data.shape[axis] != places.size:
        if name == "index_add":
            raise RuntimeError(f"index_add_(): Number of indices ({places.size}) should be equal to source.size(dim): ({source._data.shape[axis]}), for "
                               f"dim: {axis}")
        raise IndexError(f"{name}_(): Number of indices ({places.size}) should be equal to source.size(dim) ({source._data.shape[axis]})")


def _index_copy_backward(node, g, index, _):
    return (_cleared(g, node.dim, index) if node.edges[0] is not None else None,
            index_select(g, node.dim, index).expand(*node.shape) if node.edges[1] is not None else None)


INDEX_COPY = kind("IndexCopyBackward0", _index_copy_backward, ("index", "source"))


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor, *, out=None) -> Tensor:
    """``source`` written at positions along an axis."""
    axis, places = _vector("index_copy", input, dim, index)
    _check_source("index_copy", input, axis, places, source)
    data = np.array(input._data, order="C")
    (data.reshape(1) if data.ndim == 0 else data)[_at(axis, places)] = source._data
    return operation(INDEX_COPY, (input, source), data, (index, source if source._rg else None), dim=axis, shape=source._data.shape)


def _cleared(g: Tensor, dim: int, index: Tensor) -> Tensor:
    return index_fill(g, dim, index, 0)


def _index_fill_backward(node, g, index):
    found = [_cleared(g, node.dim, index)]
    if len(node.edges) > 1:
        found.append(index_select(g, node.dim, index).sum())
    return tuple(found)


INDEX_FILL0, INDEX_FILL1 = (kind(f"IndexFillBackward{k}", _index_fill_backward, ("index",)) for k in (0, 1))


def index_fill(input: Tensor, dim: int, index: Tensor, value) -> Tensor:
    """One number written at positions along an axis."""
    axis, places = _vector("index_fill", input, dim, index)
    data = np.array(input._data, order="C")
    tensor = isinstance(value, Tensor)
    if tensor and value.ndim:
        raise RuntimeError(f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s).")
    (data.reshape(1) if data.ndim == 0 else data)[_at(axis, places)] = value._data if tensor else value
    return operation(INDEX_FILL1 if tensor else INDEX_FILL0, (input, value) if tensor else (input,), data, (index,), dim=axis)


def _index_put_backward(node, g, *_):
    to_values = taken(g, node.place) if node.edges[1] is not None else None
    to_self = g
    if not node.accumulate and node.edges[0] is not None:
        mask = np.zeros(g._data.shape, bool)
        mask[node.place] = True
        to_self = where(made_of(mask), 0.0, g)
    return to_self, None if to_values is None else fitted(to_values, (node.value_shape, to_values._data.dtype))


INDEX_PUT = kind("IndexPutBackward0", _index_put_backward)


def index_put(input: Tensor, indices, values: Tensor, accumulate: bool = False) -> Tensor:
    """``values`` written, or added, at places given by a tuple of index tensors."""
    if len(indices) > input.ndim:
        raise IndexError(f"too many indices for tensor of dimension {input.ndim} (got {len(indices)})")
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
    return operation(INDEX_PUT, (input, values), data, kept, place=place, accumulate=accumulate, value_shape=values._data.shape)


def index_put_(input: Tensor, indices, values: Tensor, accumulate: bool = False) -> Tensor:
    """:func:`index_put` in place."""
    check_writable(input, recordable(input, (values,)), overlaps=True)
    check_expanded(input, "index_put_", "tensor[indices] = tensor")
    return update(input, index_put, indices, values, accumulate, overlaps=True)


# Flat -----------------------------------------------------------------------------------------------------------------------------------

def _take_backward(node, g, index, _):
    zeros = made_of(np.zeros(node.shape, g._data.dtype)[()])
    return put(zeros, index, g, True)


TAKE = kind("TakeBackward0", _take_backward, ("index", "self"))


def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements at indices into the flattened tensor."""
    if index.dtype.name != "int64":
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {index.dtype.legacy}")
    _check_flat(input, index)
    return operation(TAKE, (input,), np.asarray(input._data.reshape(-1)[index._data]), (index, input), shape=input._data.shape)


def _check_flat(input: Tensor, index: Tensor) -> None:
    count = input._data.size
    if not count and index._data.size:
        raise IndexError("take(): tried to take from an empty tensor")
    wrong = (index._data < -count) | (index._data >= count)
    if np.any(wrong):
        raise IndexError(f"out of range: tried to access index {np.asarray(index._data)[wrong].flat[0]} on a tensor of {count} elements.")


def _put_backward(node, g, index):
    to_self = g if node.accumulate else put(g, index, made_of(np.zeros(index._data.shape, g._data.dtype)[()]))
    return to_self, reshape(take(g, index), *node.shape) if node.edges[1] is not None else None


PUT = kind("PutBackward0", _put_backward, ("index",))


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """``source`` written, or added, at indices into the flattened tensor."""
    _check_flat(input, index)
    data = np.array(input._data, order="C")
    flat = data.reshape(-1)
    if accumulate:
        np.add.at(flat, np.ravel(index._data), np.ravel(source._data))
    else:
        flat[np.ravel(index._data)] = np.ravel(source._data)
    return operation(PUT, (input, source), data, (index,), accumulate=accumulate, shape=source._data.shape)


# By masks -----------------------------------------------------------------------------------------------------------------------------

def _masked_select_backward(node, g, mask, _):
    zeros = made_of(np.zeros(np.broadcast_shapes(node.shape, mask._data.shape), g._data.dtype)[()])
    return fitted(updated(masked_scatter(zeros, mask, g), 1), (node.shape, g._data.dtype))


MASKED_SELECT = kind("MaskedSelectBackward0", _masked_select_backward, ("mask", "self"))


def masked_select(input: Tensor, mask: Tensor, *, out=None) -> Tensor:
    """The elements where the mask holds, as a vector."""
    if mask.dtype is not bool_:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    broadcast_shape(input._data.shape, mask._data.shape)
    x, chosen = np.broadcast_arrays(input._data, mask._data)
    return operation(MASKED_SELECT, (input,), x[chosen], (mask, input), shape=input._data.shape)


def _masked_scatter_backward(node, g, mask):
    to_source = None
    if node.edges[1] is not None:
        chosen = masked_select(g, mask)
        more = int(np.prod(node.shape)) - chosen.numel()
        if more > 0:
            chosen = cat([chosen, made_of(np.zeros(more, chosen._data.dtype))])
        to_source = reshape(chosen, *node.shape)
    return masked_fill(g, mask, 0), to_source


MASKED_SCATTER = kind("MaskedScatterBackward0", _masked_scatter_backward, ("mask",))


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The elements of ``source``, one after the other, where the mask holds."""
    if mask.dtype is not bool_:
        raise RuntimeError(f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype.legacy}")
    if source.dtype is not input.dtype:
        raise RuntimeError(f"masked_scatter: expected self and source to have same dtypes but got {input.dtype.legacy} and {source.dtype.legacy}")
    shape = np.broadcast_shapes(input._data.shape, mask._data.shape)
    data, chosen = np.array(np.broadcast_to(input._data, shape)), np.broadcast_to(mask._data, shape)
    count = int(chosen.sum())
    if source.numel() < count:
        raise RuntimeError("Number of elements of source < number of ones in mask")
    data[chosen] = source._data.reshape(-1)[:count]
    return operation(MASKED_SCATTER, (input, source), data, (mask,), shape=source._data.shape)


def nonzero(input: Tensor, *, as_tuple: bool = False):
    """The places of what is not zero: one row each, or with ``as_tuple`` one vector per axis."""
    x = input._data
    if as_tuple:
        return unbind(nonzero(input if x.ndim else reshape(input, 1)), 1)
    return made_of(np.argwhere(x).astype(np.int64) if x.ndim else np.zeros((int(bool(x)), 0), np.int64))


def argwhere(input: Tensor) -> Tensor:
    """The places of what is not zero, one row each."""
    return nonzero(input)


# Parts replaced -----------------------------------------------------------------------------------------------------------------------

def _replacing(name: str, grad_fn: str, part):
    def backward(node, g):
        view = part(g, *node.options)
        cleared = None
        if node.edges[0] is not None:
            mask = made_of(np.zeros(g._data.shape, bool))
            part(mask, *node.options).fill_(True)
            cleared = masked_fill(g, mask, 0)
        return cleared, view
    cls = kind(grad_fn, backward)

    def function(input: Tensor, src: Tensor, *options, **named) -> Tensor:
        options = (*options, *named.values())
        made = made_of(np.array(input._data))
        view = part(made, *options)
        if view._data.shape != src._data.shape:
            raise RuntimeError(f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = {list(view.shape)}")
        view.copy_(src.detach())
        return operation(cls, (input, src), made._data, options=options)
    function.__name__ = name
    function.__doc__ = "A copy with one part replaced."
    return function


def _slice_of(x: Tensor, dim: int = 0, start=None, end=None, step: int = 1) -> Tensor:
    return x[(slice(None),) * wrapped_dim(dim, x.ndim) + (slice(start, end, step),)]


select_scatter = _replacing("select_scatter", "SelectScatterBackward0", lambda x, *a: x.select(*a))
diagonal_scatter = _replacing("diagonal_scatter", "DiagonalScatterBackward0", lambda x, *a: x.diagonal(*a))
slice_scatter = _replacing("slice_scatter", "SliceScatterBackward0", _slice_of)

FUNCTIONS = {f.__name__: f for f in (gather, take_along_dim, scatter, scatter_add, scatter_reduce, index_select, index_add, index_copy, index_fill,
                                     index_put, take, put,
                                     masked_select, masked_scatter, nonzero, argwhere, select_scatter, diagonal_scatter, slice_scatter)}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
for _function in (scatter, scatter_add, scatter_reduce, index_add, index_copy, index_fill, put, masked_scatter):
    setattr(Tensor, f"{_function.__name__}_", in_place(f"{_function.__name__}_", _function))
Tensor.index_put_ = index_put_
__all__ = ["FUNCTIONS"]
