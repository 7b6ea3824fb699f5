"""Largest and smallest elements, and their positions."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from ..node import Node
from ..record import recorded, result, saved_result, updated
from ..tensor import Tensor, made_of, unsigned, wrapped_dim
from .arithmetic import constant, operand
from .choices import masked_fill
from .gathering import scatter
from .indexing import along
from .pairwise import EXTREMES
from .reductions import Reduction, axes_of, noted


class _EvenlyShared(Reduction):
    """Backward of an extreme that all its positions share."""

    names = ("self", "result")
    multiplies = False

    def backward(self, g):
        x, out = self.unpack()
        return (shared_along(g, x, out, self.axes or (), self.keepdim) if self.multiplies else shared_by_equal(g, x, out),)

    def fast(self, g):
        x, out = [e._data if isinstance(e, Tensor) else e.data for e in self.checked_saved()]
        self.check()
        best = self.spread(out)
        mask = x == best if self.multiplies else (x == best) | ((x != x) & (best != best))
        count = mask.sum(axis=self.axes, keepdims=True)
        return (self.shared(g, mask, count.astype(x.dtype)),)

    def shared(self, g, mask, count):
        """The gradient where the mask holds. That of amax and amin is multiplied by the mask, which leaves zeros with a sign, and NaN if NaN is the extreme."""
        g = self.spread(g)
        return g / count * mask if self.multiplies else np.where(mask, g / count, g.dtype.type(0))


def shared_by_equal(g: Tensor, x: Tensor, out: Tensor) -> Tensor:
    """The gradient of one element of all, shared evenly by those that equal it."""
    mask = x.isnan() if bool(np.isnan(out._data)) else x == out
    return updated(masked_fill(made_of(np.zeros_like(x._data)), mask, g / mask.sum()), 1)


def shared_along(g: Tensor, x: Tensor, out: Tensor, axes: tuple, keepdim: bool) -> Tensor:
    """The gradient of extremes over axes, shared evenly by the elements that equal them."""
    g, out = [each if keepdim else each.reshape(*_restored(each._data.shape, axes)) for each in (g, out)]
    mask = out == x
    found = g / mask.sum(axes, keepdim=True) * mask
    return found if found._data.shape == x._data.shape else found.sum_to_size(x._data.shape)


def _restored(shape: tuple, axes: tuple) -> list[int]:
    """A shape with axes of extent 1 where it was reduced; PyTorch gives even a single number one."""
    ndim, extents = len(shape) + len(axes), iter(shape)
    return [1 if k in axes else next(extents) for k in range(ndim)]


MaxBackward1, MinBackward1 = (type(name, (_EvenlyShared,), {"arguments": {}, "written": 1, "__doc__": f"{name} of PyTorch."}) for name in (
    "MaxBackward1", "MinBackward1"))
AmaxBackward0, AminBackward0 = (type(name, (_EvenlyShared,), {"multiplies": True, "__doc__": f"{name} of PyTorch."}) for name in (
    "AmaxBackward0", "AminBackward0"))


class ByIndex(Node):
    """Backward of an extreme along an axis: all goes to the position that was returned."""

    arguments = {"dim": "given", "keepdim": "keepdim", "self_sym_sizes": "shape"}
    names = ("indices",)
    written = 2
    scatter = scatter

    def backward(self, g):
        indices = self.unpack_one(0)
        if g is None:
            return (None,)
        if not self.keepdim and self.shape:
            g, indices = g.unsqueeze(self.dim), indices.unsqueeze(self.dim)
        zeros = made_of(np.zeros(self.shape, g._data.dtype)[()])
        return (updated(type(self).scatter(zeros, self.dim, indices, g), 2),)

    def fast(self, g):
        indices, *_ = self.plain()
        if not self.shape:
            return (g.reshape(()),)
        if not self.keepdim:
            g, indices = np.expand_dims(g, self.dim), np.expand_dims(indices, self.dim)
        zeros = np.zeros(self.shape, g.dtype)
        np.add.at(zeros, along(indices, self.dim), g)
        return (zeros,)


class WholeLine(ByIndex):
    """Of what keeps the axis in any case."""

    arguments = {"dim": "given", "self_sym_sizes": "shape"}


MaxBackward0, MinBackward0 = (type(name, (ByIndex,), {"__doc__": f"{name} of PyTorch."}) for name in ("MaxBackward0", "MinBackward0"))


def pair_type(name: str):
    """The named tuple of values and indices that ``name`` returns, which prints as PyTorch's."""
    base = namedtuple(name, ["values", "indices"])

    def text(self):
        return f"torch.return_types.{name}(\nvalues={self.values!r},\nindices={self.indices!r})"
    return type(name, (base,), {"__repr__": text, "__slots__": ()})


def values_and_indices(input: Tensor, kind: type, pair, dim: int, keepdim: bool, values, indices, given: int | None = None):
    """The two results of an operation along an axis, the values recorded."""
    node = recorded(kind, (input,))
    positions = made_of(np.asarray(indices, np.int64)[()])
    made = result(node, np.asarray(values)[()])
    if node is not None:
        node.shape, node.dim, node.keepdim, node.given = input._data.shape, dim, keepdim, unsigned(dim if given is None else given)
        node.save(positions, *((input,) if len(node.names) > 1 else ()))
    return pair(made, positions)


RETURN_TYPES = {name: pair_type(name) for name in ("max", "min", "sort", "topk", "median", "cummax", "cummin", "kthvalue", "mode")}


def _extreme(name: str, whole: type, along: type, reduce, arg):
    pairwise = "maximum" if name == "max" else "minimum"

    def function(input, dim=None, keepdim: bool = False, *, other=None, out=None):
        if isinstance(dim, Tensor) or other is not None:
            return EXTREMES[pairwise](input, dim if other is None else other)
        x = operand(input, name)._data
        if dim is None:
            if not x.size:
                raise RuntimeError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' "
                                   f"argument.")
            node = noted(recorded(whole, (input,)), input, None, False)
            made = result(node, reduce(x) if x.ndim else x[()])
            if node is not None:
                node.save(input, saved_result(made))
            return made
        axis = wrapped_dim(dim, x.ndim)
        if x.ndim == 0:
            return values_and_indices(input, along, RETURN_TYPES[name], 0, keepdim, x, np.int64(0), dim)
        if not x.shape[axis]:
            raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
        indices = arg(x, axis)
        if x.ndim == 1:
            values = np.array(x[indices:indices + 1]) if keepdim else x[indices]
        else:
            values = np.take_along_axis(x, np.expand_dims(indices, axis), axis)
            values = np.asarray(values if keepdim else np.squeeze(values, axis), order="C")
        return values_and_indices(input, along, RETURN_TYPES[name], axis, keepdim, values, np.expand_dims(indices, axis) if keepdim else indices, dim)
    function.__name__ = name
    function.__doc__ = f"The {name}imum of everything, shared at ties; values and first indices along an axis; or of two tensors."
    return function


max_ = _extreme("max", MaxBackward1, MaxBackward0, lambda x: np.maximum.reduce(x, axis=None), np.argmax)
min_ = _extreme("min", MinBackward1, MinBackward0, lambda x: np.minimum.reduce(x, axis=None), np.argmin)


def _among(name: str, kind: type, reduce):
    def function(input, dim=(), keepdim: bool = False, *, out=None) -> Tensor:
        x = operand(input, name)._data
        axes = axes_of(dim, x.ndim)
        if axes is None and not x.size:
            raise RuntimeError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.")
        for axis in axes or ():
            if not x.shape[axis]:
                raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
        node = noted(recorded(kind, (input,)), input, axes, keepdim, (dim,) if isinstance(dim, int) else dim)
        made = result(node, np.asarray(reduce(x, axis=axes, keepdims=keepdim), order="C")[()] if x.ndim else x[()])
        if node is not None:
            node.save(input, saved_result(made))
        return made
    function.__name__ = name
    function.__doc__ = f"The extreme over axes; its gradient is shared at ties. ``torch.{name}``."
    return function


amax, amin = _among("amax", AmaxBackward0, np.max), _among("amin", AminBackward0, np.min)


def _position(name: str, arg):
    def function(input, dim: int | None = None, keepdim: bool = False, *, out=None) -> Tensor:
        x = constant(input, name)._data
        if x.dtype.kind == "b":
            raise RuntimeError(f"{name}(): does not support bool input")
        if dim is None:
            if not x.size:
                raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
            at = np.int64(arg(x))
            return made_of(np.full((1,) * x.ndim, at) if keepdim and x.ndim else at)
        axis = wrapped_dim(dim, x.ndim)
        if x.ndim and not x.shape[axis]:
            raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
        return made_of(np.asarray(arg(x, axis=axis, keepdims=keepdim), np.int64)[()] if x.ndim else np.int64(0))
    function.__name__ = name
    function.__doc__ = "The position of the extreme, flat or along an axis."
    return function


argmax, argmin = _position("argmax", np.argmax), _position("argmin", np.argmin)


FUNCTIONS = {"max": max_, "min": min_, "amax": amax, "amin": amin, "argmax": argmax, "argmin": argmin}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
