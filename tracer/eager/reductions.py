"""Sums, means, extremes and what else goes over axes."""

from __future__ import annotations

import warnings
from collections import namedtuple

import numpy as np

from .arithmetic import operand
from .dtypes import DTYPES, Dtype, int64
from .indexing import put, taken
from .node import Node
from .numbers import over
from .record import recorded, result, saved_result, updated
from .selection import FUNCTIONS as CHOICES
from .selection import where
from .shaping import cat, narrow
from .tensor import Tensor, made_of, wrapped_dim


def axes_of(dim, ndim: int) -> tuple[int, ...] | None:
    """The axes that a ``dim`` argument names, counted from the front; None for all."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return None
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    axes = tuple([wrapped_dim(d, ndim) for d in dims])
    for axis in axes:
        if axes.count(axis) > 1:
            raise RuntimeError(f"dim {axis} appears multiple times in the list of dims")
    return tuple([a for a in axes if a < ndim])


def spread(g, shape: tuple, axes, keepdim: bool):
    """A gradient of a reduction over the shape that was reduced; NumPy data or tensors."""
    if isinstance(g, Tensor):
        if axes is not None and not keepdim:
            for axis in sorted(axes):
                g = g.unsqueeze(axis)
        return g.expand(*shape) if shape else g
    if axes is not None and not keepdim and axes:
        g = np.expand_dims(g, axes)
    return np.broadcast_to(g, shape) if shape else g


class _Reduction(Node):
    arguments = {"dim": "given", "keepdim": "keepdim"}
    given = None  # the dims as they were given
    shape: tuple = ()
    axes: tuple | None = None
    keepdim = False

    def spread(self, g):
        return spread(g, self.shape, self.axes, self.keepdim)


class SumBackward0(_Reduction):
    """Backward of a sum over everything."""

    arguments = {"self_sym_sizes": "shape"}

    def fast(self, g):
        return (self.cast(self.spread(g)),)

    def backward(self, g):
        g = self.spread(g)
        return (g if g._data.dtype == self.source else g.to(DTYPES[self.source]),)

    def cast(self, g):
        return g if g.dtype == self.source else g.astype(self.source)


class SumBackward1(SumBackward0):
    """Backward of a sum over axes."""

    arguments = {**_Reduction.arguments, **SumBackward0.arguments}


class MeanBackward0(SumBackward0):
    """Backward of a mean over everything."""

    arguments = {"self_sym_numel": "count", "self_sym_sizes": "shape"}

    def fast(self, g):
        return (self.cast(self.spread(g / g.dtype.type(self.count))),)

    def backward(self, g):
        g = over(self.spread(g), self.count)
        return (g if g._data.dtype == self.source else g.to(DTYPES[self.source]),)


class MeanBackward1(MeanBackward0):
    """Backward of a mean over axes."""

    arguments = {**_Reduction.arguments, **MeanBackward0.arguments}


def unsigned(dim):
    """A dim, or several, as PyTorch keeps them: -1 as 2**64 - 1."""
    return dim if dim is None else dim % 2**64 if isinstance(dim, int) else tuple([each % 2**64 for each in dim])


def _noted(node: Node | None, input: Tensor, axes, keepdim: bool, dim=None) -> Node | None:
    if node is not None:
        node.given = unsigned(dim)
        node.shape, node.axes, node.keepdim, node.source = input._data.shape, axes, keepdim, input._data.dtype
    return node


def sum_(input, dim=None, keepdim: bool = False, *, axis=None, dtype: Dtype | None = None, out=None) -> Tensor:
    """The sum over axes, or over everything; integers and bools as int64."""
    dim = axis if axis is not None else dim
    x = operand(input, "sum")._data
    axes = axes_of(dim, x.ndim)
    goal = dtype.numpy if dtype is not None else x.dtype if x.dtype.kind == "f" else int64.numpy
    node = _noted(recorded(SumBackward0 if dim is None else SumBackward1, (input,)), input, axes, keepdim, (dim,) if isinstance(dim, int) else dim)
    return result(node, _summed(x if x.dtype == goal else x.astype(goal), axes, keepdim))


def _summed(x, axes, keepdim: bool):
    if axes == () or x.ndim == 0:
        return x if not isinstance(x, np.ndarray) else np.array(x)
    total = np.add.reduce(x, axis=axes, keepdims=keepdim and axes is not None)
    return total if total.ndim < 2 else np.ascontiguousarray(total)


def mean(input, dim=None, keepdim: bool = False, *, axis=None, dtype: Dtype | None = None, out=None) -> Tensor:
    """The mean over axes, or over everything; floats only."""
    dim = axis if axis is not None else dim
    x = operand(input, "mean")._data
    if dtype is None and x.dtype.kind != "f":
        raise RuntimeError(f"mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: {input.dtype.legacy}")
    axes = axes_of(dim, x.ndim)
    x = x if dtype is None else x.astype(dtype.numpy)
    count = x.size if axes is None else int(np.prod([x.shape[a] for a in axes]))
    node = _noted(recorded(MeanBackward0 if dim is None else MeanBackward1, (input,)), input, axes, keepdim, (dim,) if isinstance(dim, int) else dim)
    if node is not None:
        node.count = count
    total = _summed(x, axes, keepdim)
    return result(node, total / total.dtype.type(count))


class ProdBackward0(_Reduction):
    """Backward of a product: the products of all other elements, whatever zeros there are."""

    arguments: dict[str, str] = {}

    names = ("self", "result")

    def backward(self, g):
        x, out = self.unpack()
        if not x.ndim:
            return (g.clone(),)
        if self.axes is None and not (x._data == 0).any():
            return (g * (out / x),)
        if self.axes is None:
            return ((g * _products_of_others(x.contiguous().view(-1), 0)).view_as(x),)
        g = self.spread(g)
        if not (x._data == 0).any():
            return (g * (self.spread(out) / x),)
        return (g * _products_of_others(x, self.axes[0]),)


class ProdBackward1(ProdBackward0):
    """Backward of a product over an axis."""

    arguments = _Reduction.arguments


def _products_of_others(x: Tensor, axis: int) -> Tensor:
    extent = x._data.shape[axis]
    one = made_of(np.ones([1 if k == axis else n for k, n in enumerate(x._data.shape)], x._data.dtype))
    before = cumprod(cat([one, narrow(x, axis, 0, extent - 1)], axis), axis)
    after = cumprod(cat([one, narrow(x, axis, 1, extent - 1).flip(axis)], axis), axis).flip(axis)
    return before * after


def prod(input, dim: int | None = None, keepdim: bool = False, *, dtype: Dtype | None = None, out=None) -> Tensor:
    """The product over an axis, or over everything."""
    x = operand(input, "prod")._data
    axes = axes_of(dim, x.ndim)
    goal = dtype.numpy if dtype is not None else x.dtype if x.dtype.kind == "f" else int64.numpy
    node = _noted(recorded(ProdBackward0 if dim is None else ProdBackward1, (input,)), input, axes, keepdim, dim)
    made = result(node, np.asarray(np.multiply.reduce(x.astype(goal), axis=axes, keepdims=keepdim and axes is not None), order="C")[()])
    if node is not None:
        node.save(input, saved_result(made))
    return made


# Variance ------------------------------------------------------------------------------------------------------------------------

class VarBackward0(_Reduction):
    """Backward of a variance."""

    arguments = {"correction": "given_correction", **_Reduction.arguments}
    names = ("self",)
    correction = 1

    def backward(self, g):
        return (self.slope(g, self.unpack()[0]),)

    def slope(self, g, x):
        """The gradient of the variance with respect to x."""
        count = x.numel() if self.axes is None else int(np.prod([self.shape[a] for a in self.axes]))
        centred = x - x.mean(self.axes if self.axes is not None else None, keepdim=True) if self.axes is not None else x - x.mean()
        free = count - self.correction
        return self.spread(g) * centred * (2.0 / free if free > 0 else float("nan"))


class StdBackward0(VarBackward0):
    """Backward of a standard deviation: zero where it is zero."""

    names = ("self", "result")

    def backward(self, g):
        x, deviation = self.unpack()
        return (self.slope(where(deviation == 0, 0.0, g / (deviation * 2)), x),)


def _correction(unbiased, correction) -> float:
    return (1 if unbiased is None else int(unbiased)) if correction is None else correction


def _spread_function(name: str, kind: type[VarBackward0]):
    def function(input, dim=None, unbiased: bool | None = None, keepdim: bool = False, *, correction=None, out=None) -> Tensor:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        x = operand(input, name)._data
        if x.dtype.kind != "f":
            raise RuntimeError("std and var only support floating point and complex dtypes")
        axes, less = axes_of(dim, x.ndim), _correction(unbiased, correction)
        count = x.size if axes is None else int(np.prod([x.shape[a] for a in axes]))
        if count - less <= 0:
            warnings.warn(f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor (input numel divided by "
                          "output numel).", UserWarning, stacklevel=2)
        centre = x.mean(axis=axes, keepdims=True) if x.size else np.full_like(x.sum(axis=axes, keepdims=True), np.nan)
        total = np.asarray(((x - centre) ** 2).sum(axis=axes, keepdims=keepdim and axes is not None))
        data = (total / x.dtype.type(max(count - less, 0))).astype(x.dtype)[()]
        data = np.sqrt(data) if kind is StdBackward0 else data
        node = _noted(recorded(kind, (input,)), input, axes, keepdim, (dim,) if isinstance(dim, int) else dim)
        made = result(node, np.asarray(data, order="C")[()])
        if node is not None:
            node.correction, node.given_correction = less, None if unbiased is None and correction is None and dim is None else less
            node.save(*((input, saved_result(made)) if kind is StdBackward0 else (input,)))
        return made
    function.__name__ = name
    function.__doc__ = f"``torch.{name}``: with n - 1 below, or n - correction."
    return function


var, std = _spread_function("var", VarBackward0), _spread_function("std", StdBackward0)


# Extremes ---------------------------------------------------------------------------------------------------------------------------

class _EvenlyShared(_Reduction):
    """Backward of an extreme that all its positions share."""

    names = ("self", "result")
    multiplies = False

    def backward(self, g):
        x, out = self.unpack()
        best = self.spread(out)
        mask = x == best if self.multiplies or not np.isnan(out._data).any() else (x == best) | (x.isnan() & best.isnan())
        count = mask.sum() if self.axes is None else mask.sum(self.axes, keepdim=True)
        return (self.shared(g, mask, count),)

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
        if self.multiplies:
            return g * mask / count
        return where(mask, g / count, 0.0) if isinstance(g, Tensor) else np.where(mask, g / count, g.dtype.type(0))


MaxBackward1, MinBackward1 = (type(name, (_EvenlyShared,), {"arguments": {}, "__doc__": f"{name} of PyTorch."}) for name in ("MaxBackward1", "MinBackward1"))
AmaxBackward0, AminBackward0 = (type(name, (_EvenlyShared,), {"multiplies": True, "__doc__": f"{name} of PyTorch."}) for name in (
    "AmaxBackward0", "AminBackward0"))


class _ByIndex(Node):
    """Backward of an extreme along an axis: all goes to the position that was returned."""

    arguments = {"dim": "given", "keepdim": "keepdim", "self_sym_sizes": "shape"}

    names = ("indices",)

    def backward(self, g):
        indices = self.unpack_one(0)
        if g is None:
            return (None,)
        if not self.keepdim:
            g, indices = g.unsqueeze(self.dim), indices.unsqueeze(self.dim)
        return (updated(scattered_along(g, self.shape, self.dim, indices._data), 2),)


def scattered_along(g: Tensor, shape: tuple, dim: int, indices) -> Tensor:
    """Zeros with ``g`` added at indices along an axis."""
    if not shape:
        return g.reshape(())
    place = tuple([indices if k == dim else np.arange(n).reshape([-1 if j == k else 1 for j in range(len(shape))])
                   for k, n in enumerate(indices.shape)])
    return put(g, shape, place)


MaxBackward0, MinBackward0 = (type(name, (_ByIndex,), {"__doc__": f"{name} of PyTorch."}) for name in ("MaxBackward0", "MinBackward0"))


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


_PAIRS = {name: pair_type(name) for name in ("max", "min", "sort", "topk", "median", "cummax", "cummin", "kthvalue", "mode")}


def _extreme(name: str, whole: type, along: type, reduce, arg):
    pairwise = "maximum" if name == "max" else "minimum"

    def function(input, dim=None, keepdim: bool = False, *, other=None, out=None):
        if isinstance(dim, Tensor) or other is not None:
            return CHOICES[pairwise](input, dim if other is None else other)
        x = operand(input, name)._data
        if dim is None:
            if not x.size:
                raise RuntimeError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' "
                                   f"argument.")
            node = _noted(recorded(whole, (input,)), input, None, False)
            made = result(node, reduce(x) if x.ndim else x[()])
            if node is not None:
                node.save(input, saved_result(made))
            return made
        axis = wrapped_dim(dim, x.ndim)
        if x.ndim == 0:
            return values_and_indices(input, along, _PAIRS[name], 0, True, x, np.int64(0))
        if not x.shape[axis]:
            raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
        indices = arg(x, axis)
        values = np.take_along_axis(x, np.expand_dims(indices, axis), axis)
        values = np.asarray(values if keepdim else np.squeeze(values, axis), order="C")
        return values_and_indices(input, along, _PAIRS[name], axis, keepdim, values, np.expand_dims(indices, axis) if keepdim else indices, dim)
    function.__name__ = name
    function.__doc__ = f"The {name}imum of everything, shared at ties; values and first indices along an axis; or of two tensors."
    return function


max_ = _extreme("max", MaxBackward1, MaxBackward0, np.maximum.reduce if False else (lambda x: x.max()), np.argmax)
min_ = _extreme("min", MinBackward1, MinBackward0, lambda x: x.min(), np.argmin)


def _among(name: str, kind: type, reduce):
    def function(input, dim=(), keepdim: bool = False, *, out=None) -> Tensor:
        x = operand(input, name)._data
        axes = axes_of(dim, x.ndim)
        if axes is None and not x.size:
            raise RuntimeError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.")
        for axis in axes or ():
            if not x.shape[axis]:
                raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
        node = _noted(recorded(kind, (input,)), input, axes, keepdim, (dim,) if isinstance(dim, int) else dim)
        made = result(node, np.asarray(reduce(x, axis=axes, keepdims=keepdim), order="C")[()] if x.ndim else x[()])
        if node is not None:
            node.save(input, saved_result(made))
        return made
    function.__name__ = name
    function.__doc__ = f"The extreme over axes; its gradient is shared at ties. ``torch.{name}``."
    return function


amax, amin = _among("amax", AmaxBackward0, np.max), _among("amin", AminBackward0, np.min)


def _position(name: str, arg):
    def function(input, dim: int | None = None, keepdim: bool = False) -> Tensor:
        x = operand(input, name)._data
        if x.dtype.kind == "b":
            raise RuntimeError(f"{name}(): does not support bool input")
        if dim is None:
            if not x.size:
                raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
            return made_of(np.int64(arg(x)))
        axis = wrapped_dim(dim, x.ndim)
        if x.ndim and not x.shape[axis]:
            raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
        return made_of(np.asarray(arg(x, axis=axis, keepdims=keepdim), np.int64)[()] if x.ndim else np.int64(0))
    function.__name__ = name
    function.__doc__ = "The position of the extreme, flat or along an axis."
    return function


argmax, argmin = _position("argmax", np.argmax), _position("argmin", np.argmin)


# Running sums and products -------------------------------------------------------------------------------------------------------------

class CumsumBackward0(Node):
    """Backward of cumsum: sums from behind."""

    arguments = {"dim": "given"}

    def fast(self, g):
        return (np.flip(np.cumsum(np.flip(g, self.dim), self.dim), self.dim) if g.ndim else g,)

    def backward(self, g):
        return (g.flip(self.dim).cumsum(self.dim).flip(self.dim) if g.ndim else g,)


class CumprodBackward0(Node):
    """Backward of cumprod."""

    arguments = {"dim": "given"}

    names = ("self", "result")

    def backward(self, g):
        x, out = self.unpack()
        if not x.ndim:
            return (g,)
        dim = self.dim
        if not (x._data == 0).any():
            return ((g * out).flip(dim).cumsum(dim).flip(dim) / x,)
        total = None
        for k in range(x._data.shape[dim]):  # d out_j / d x_k for j >= k: the product of the others up to j
            ones = np.ones_like(x._data)
            ones[(slice(None),) * dim + (k,)] = 0
            others = where(made_of(ones != 0), x, 1.0)
            tail = (g * cumprod(others, dim)).narrow(dim, k, x._data.shape[dim] - k).sum(dim, keepdim=True)
            place = np.zeros_like(x._data)
            place[(slice(None),) * dim + (k,)] = 1
            each = tail * made_of(place)
            total = each if total is None else total + each
        return (total,)


def cumsum(input, dim: int, *, dtype: Dtype | None = None, out=None) -> Tensor:
    """Running sums along an axis."""
    x = operand(input, "cumsum")._data
    axis = wrapped_dim(dim, x.ndim)
    goal = dtype.numpy if dtype is not None else x.dtype if x.dtype.kind == "f" else int64.numpy
    node = recorded(CumsumBackward0, (input,))
    if node is not None:
        node.dim, node.given = axis, unsigned(dim)
    return result(node, np.ascontiguousarray(np.cumsum(x, axis, dtype=goal)) if x.ndim else x.astype(goal))


def cumprod(input, dim: int, *, dtype: Dtype | None = None, out=None) -> Tensor:
    """Running products along an axis."""
    x = operand(input, "cumprod")._data
    axis = wrapped_dim(dim, x.ndim)
    goal = dtype.numpy if dtype is not None else x.dtype if x.dtype.kind == "f" else int64.numpy
    node = recorded(CumprodBackward0, (input,))
    if node is not None:
        node.dim, node.given = axis, unsigned(dim)
    made = result(node, np.ascontiguousarray(np.cumprod(x, axis, dtype=goal)) if x.ndim else x.astype(goal))
    if node is not None:
        node.save(input, saved_result(made))
    return made


def _logical(name: str, function):
    def reduce(input, dim=None, keepdim: bool = False) -> Tensor:
        axes = axes_of(dim, input.ndim)
        found = np.asarray(function(input._data.astype(bool), axis=axes, keepdims=keepdim and axes is not None))
        return made_of(np.asarray(found, np.uint8 if input._data.dtype == np.uint8 else bool, order="C")[()])
    reduce.__name__ = name
    reduce.__doc__ = f"``{name}`` of the elements over axes."
    return reduce


FUNCTIONS = {f.__name__: f for f in (mean, prod, var, std, amax, amin, argmax, argmin, cumsum, cumprod, _logical("any", np.any), _logical("all", np.all))}
FUNCTIONS |= {"sum": sum_, "max": max_, "min": min_}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
__all__ = ["FUNCTIONS", "spread", "taken"]
