"""A tensor of indices along an axis or into the flat tensor: gather, scatter, take, put."""

from __future__ import annotations

import warnings

import numpy as np

from ..record import updated
from ..tensor import Tensor, made_of, unsigned, wrapped_dim
from ..updates import in_place
from .choices import masked_fill, where
from .define import RESULT, IfNeeded, kind, operation
from .indexing import along
from .operands import check_kernel
from .shaping import broadcast_to, reshape

_REDUCE = ("The reduce argument of torch.scatter with Tensor src is deprecated and will be removed in a future PyTorch release. Use torch.scatter_reduce "
           "instead for "
           "more reduction options.")


def _check_along(name: str, input: Tensor, dim: int, index: Tensor, src: Tensor | None = None) -> int:
    axis = wrapped_dim(dim, input.ndim)
    if index._data.size == 0:
        return axis
    if index.dtype.name not in ("int64", "int32"):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
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
    if not (indices.view(f"u{indices.itemsize}") >= extent).any():  # one comparison: what is negative is huge
        return
    wrong = (indices < 0) | (indices >= extent)
    raise RuntimeError(f"index {np.asarray(indices)[wrong].flat[0]} is out of bounds for dimension {axis} with size {extent}")


def _gather_backward(node, g, index, _):
    zeros = made_of(np.zeros(node.shape, g._data.dtype)[()])
    return updated(scatter_add(zeros, node.dim, index, g), 1)


def _gather_plain(node, g, index, _):
    if not node.shape or not index.ndim:
        return NotImplemented
    zeros = np.zeros(node.shape, g.dtype)
    np.add.at(zeros, along(index, node.dim), g)
    return zeros


GATHER = kind("GatherBackward0", _gather_backward, ("index", "self"), plain=_gather_plain, keeps="dim:given sparse_grad")
GATHER.written = 1


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False, out=None) -> Tensor:
    """The elements at indices along an axis; the result has the shape of ``index``."""
    axis = _check_along("gather", input, dim, index)
    x, places = input._data, index._data
    if x.ndim and places.ndim:
        data = x[along(places, axis)]
    else:
        data = np.reshape(np.atleast_1d(x)[along(np.atleast_1d(places), axis)], places.shape)
    return operation(GATHER, (input,), np.asarray(data), (index, input), shape=x.shape, dim=axis, given=unsigned(dim), sparse_grad=sparse_grad)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None, *, out=None) -> Tensor:
    """As :func:`gather`, the other axes broadcast; of the flattened tensor without ``dim``."""
    if indices.dtype.name != "int64":
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {indices.dtype.legacy}")
    if dim is None:
        return gather(reshape(input, -1), 0, reshape(indices, -1))
    if input.ndim != indices.ndim:
        raise RuntimeError("torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
                           f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices")
    axis = wrapped_dim(dim, input.ndim)
    if indices._data.size and indices._data.min() < 0:
        indices = made_of(np.where(indices._data < 0, indices._data + input._data.shape[axis], indices._data))
    lead = np.broadcast_shapes(*[tuple([1 if k == axis else n for k, n in enumerate(t._data.shape)]) for t in (input, indices)])
    wide = [broadcast_to(t, [t._data.shape[axis] if k == axis else n for k, n in enumerate(lead)]) for t in (input, indices)]
    return gather(wide[0], axis, wide[1])


def _scatter_backward(node, g, index):
    cleared = scatter(g, node.dim, index, 0) if node.edges[0] is not None else None
    return cleared, gather(g, node.dim, index) if len(node.edges) > 1 and node.edges[1] is not None else None


SCATTER0, SCATTER1 = (kind(f"ScatterBackward{k}", _scatter_backward, ("index",), keeps="dim:given") for k in (0, 1))


def scatter(input: Tensor, dim: int, index: Tensor, src=None, *, value=None, reduce: str | None = None, out=None) -> Tensor:
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
        flat[along(places, axis)] = np.atleast_1d(src._data)[tuple([slice(n) for n in places.shape])] if tensor else src
    inputs = (input, src) if tensor else (input,)
    return operation(SCATTER0 if tensor else SCATTER1, inputs, data, (index,), dim=axis, given=unsigned(dim))


def _scatter_add_backward(node, g, index):
    if node.edges[1] is None:
        return g, None
    if index._data.shape != node.shape:
        raise RuntimeError(f"Function ScatterAddBackward0 returned an invalid gradient at index 1 - got {list(index.shape)} but expected shape compatible with "
                           f"{list(node.shape)}")
    return g, gather(g, node.dim, index)


SCATTER_ADD = kind("ScatterAddBackward0", _scatter_add_backward, ("index",), keeps="dim:given")


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor, *, out=None) -> Tensor:
    """``src`` added at indices along an axis; what meets adds up."""
    axis = _check_along("scatter_add", input, dim, index, src)
    if src.dtype is not input.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    data = np.array(input._data, order="C")
    if index._data.size:
        places = np.atleast_1d(index._data)
        np.add.at(np.atleast_1d(data) if data.ndim else data.reshape(1), along(places, axis),
                  np.atleast_1d(src._data)[tuple([slice(n) for n in places.shape])])
    return operation(SCATTER_ADD, (input, src), data, (IfNeeded(index, 1),), dim=axis, given=unsigned(dim), shape=src._data.shape)


def lowest_and_highest(dtype) -> tuple:
    """Of integers or bools."""
    return (False, True) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)


_REDUCERS = {"sum": (np.add, 0), "prod": (np.multiply, 1), "amax": (np.maximum, -np.inf), "amin": (np.minimum, np.inf), "mean": (np.add, 0)}


def scatter_reduce_gradients(node, g, x, index, src, out):
    """Those of the tensor and of the source; of a product also where there are zeros."""
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
        to_self = _factor_of_self(node, g, x, index, src) if node.include_self else None
        to_source = _factors_of_source(node, g, x, index, src, out)
    else:
        best = gather(out, dim, index)
        own, others = (x == out).to(g.dtype), (src == best).to(g.dtype)
        count = scatter_add(own, dim, index, others)  # what is equal counts even where it was not included, as in PyTorch
        count = masked_fill(count, count == 0, 1)
        to_self, to_source = own * g / count, others * gather(g / count, dim, index)
    if not node.include_self:
        to_self = scatter(g if to_self is None else to_self, dim, index, 0)
    return to_self, to_source


def _factor_of_self(node, g: Tensor, x: Tensor, index: Tensor, src: Tensor) -> Tensor:
    one = masked_fill(x, x == 0, 1)
    return g * scatter_reduce(one, node.dim, index, src, "prod", include_self=True) / one


def _factors_of_source(node, g: Tensor, x: Tensor, index: Tensor, src: Tensor, out: Tensor) -> Tensor:
    dim, zero = node.dim, src == 0
    count = gather(scatter_add(made_of(np.zeros_like(g._data)), dim, index, zero.to(g.dtype)), dim, index)
    alone = zero & (count == 1)
    others = scatter_reduce(x, dim, index, masked_fill(src, alone, 1), "prod", include_self=node.include_self)
    return where(alone, gather(g * others, dim, index), gather(g * out, dim, index) / masked_fill(src, zero, 1))


SCATTER_REDUCE = kind("ScatterReduceBackward0", scatter_reduce_gradients, ("self", "index", "src", "result"), keeps="dim:given include_self reduce")


def scatter_reduce(input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True, out=None) -> Tensor:
    """``src`` brought together with what is at indices along an axis: sum, prod, mean, amax or amin."""
    if reduce not in _REDUCERS:
        raise RuntimeError("reduce argument must be either sum, prod, mean, amax or amin, got " + reduce)
    axis = _check_along("scatter_reduce", input, dim, index, src)
    if src.dtype is not input.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    if reduce == "mean":
        check_kernel("scatter_gather_tensor_cpu_reduce_mean", input, "fiu")
    function, start = _REDUCERS[reduce]
    data, places = np.atleast_1d(np.array(input._data, order="C")), np.atleast_1d(index._data)
    at, source = along(places, axis), np.atleast_1d(src._data)[tuple([slice(n) for n in places.shape])]
    if not include_self:
        data[at] = start if np.isfinite(start) or data.dtype.kind == "f" else lowest_and_highest(data.dtype)[int(start > 0)]
    function.at(data, at, source)
    if reduce == "mean":
        count = np.full(data.shape, int(include_self))
        np.add.at(count, at, 1)
        count[count == 0] = 1
        data = data / count.astype(data.dtype) if data.dtype.kind == "f" else data // count
    return operation(SCATTER_REDUCE, (input, src), data.reshape(input._data.shape), (input, index, src, RESULT), dim=axis, reduce=reduce,
                     include_self=include_self, given=unsigned(dim))


def _take_backward(node, g, index, _):
    zeros = made_of(np.zeros(node.shape, g._data.dtype)[()])
    return updated(put(zeros, index, g, True), 1)


TAKE = kind("TakeBackward0", _take_backward, ("index", "self"))


def take(input: Tensor, index: Tensor, *, out=None) -> Tensor:
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


def _put_backward(node, g, index, _):
    to_self = g if node.accumulate else put(g, index, made_of(np.zeros(index._data.shape, g._data.dtype)[()]))
    return to_self, reshape(take(g, index), *node.shape) if node.edges[1] is not None else None


PUT = kind("PutBackward0", _put_backward, ("index", "source"), keeps="accumulate")


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """``source`` written, or added, at indices into the flattened tensor."""
    _check_flat(input, index)
    data = np.array(input._data, order="C")
    flat = data.reshape(-1)
    if accumulate:
        np.add.at(flat, np.ravel(index._data), np.ravel(source._data))
    else:
        flat[np.ravel(index._data)] = np.ravel(source._data)
    return operation(PUT, (input, source), data, (index, source), accumulate=accumulate, shape=source._data.shape)


FUNCTIONS = {f.__name__: f for f in (gather, take_along_dim, scatter, scatter_add, scatter_reduce, take, put)}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
scatter.is_apart = scatter_add.is_apart = scatter_reduce.is_apart = put.is_apart = True
for _function in (scatter, scatter_add, scatter_reduce, put):
    setattr(Tensor, f"{_function.__name__}_", in_place(f"{_function.__name__}_", _function))
