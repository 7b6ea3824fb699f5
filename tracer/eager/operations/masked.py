"""Elements where a mask holds, and where elements are not zero."""

from __future__ import annotations

import numpy as np

from ..dtypes import bool_
from ..record import broadcast_shape, fitted, updated
from ..tensor import Tensor, made_of
from ..updates import in_place
from .choices import masked_fill
from .define import kind, operation
from .joining import cat
from .shaping import reshape
from .splitting import unbind


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
    return fitted(masked_fill(g, mask, 0), (node.own, g._data.dtype)), to_source


MASKED_SCATTER = kind("MaskedScatterBackward0", _masked_scatter_backward, ("mask",), keeps="source_sym_sizes:shape")


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The elements of ``source``, one after the other, where the mask holds."""
    if mask.dtype is not bool_:
        raise RuntimeError(f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype.legacy}")
    if source.dtype is not input.dtype:
        raise RuntimeError(f"masked_scatter: expected self and source to have same dtypes but got {input.dtype.legacy} and {source.dtype.legacy}")
    shape = broadcast_shape(input._data.shape, mask._data.shape)
    data, chosen = np.array(np.broadcast_to(input._data, shape), order="C"), np.broadcast_to(mask._data, shape)
    count = int(chosen.sum())
    if source.numel() < count:
        raise RuntimeError("Number of elements of source < number of ones in mask")
    data[chosen] = source._data.reshape(-1)[:count]
    return operation(MASKED_SCATTER, (input, source), data, (mask,), shape=source._data.shape, own=input._data.shape)


def nonzero(input: Tensor, *, as_tuple: bool = False, out=None):
    """The places of what is not zero: one row each, or with ``as_tuple`` one vector per axis."""
    x = input._data
    if as_tuple:
        return unbind(nonzero(input if x.ndim else reshape(input, 1)), 1)
    return made_of(np.stack(np.nonzero(x)).T if x.ndim else np.zeros((int(bool(x)), 0), np.int64))


def argwhere(input: Tensor) -> Tensor:
    """The places of what is not zero, one row each."""
    return nonzero(input)


FUNCTIONS = {f.__name__: f for f in (masked_select, masked_scatter, nonzero, argwhere)}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
Tensor.masked_scatter_ = in_place("masked_scatter_", masked_scatter)
