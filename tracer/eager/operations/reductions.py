"""Sums, means, products and variances over axes."""

from __future__ import annotations

import math
import operator
import warnings

import numpy as np

from ..dtypes import DTYPES, Dtype, int64
from ..modes import state
from ..node import Node
from ..record import recorded, result, saved_result
from ..tensor import Tensor, made_of, unsigned, wrapped_dim
from ..words import type_name
from .arithmetic import operand
from .choices import masked_fill, where
from .cumulative import cumprod
from .define import gate
from .joining import cat
from .numbers import over, times
from .slicing import narrow


def axes_of(dim, ndim: int) -> tuple[int, ...] | None:
    """The axes that a ``dim`` argument names, counted from the front; None for all."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return None
    dims = (dim,) if isinstance(dim, int) else tuple(dim) if isinstance(dim, (tuple, list)) else (operator.index(dim),)
    for each in dims:
        if not isinstance(each, (int, np.integer)):
            raise TypeError(f"argument 'dim' must be tuple of ints, but found element of type {type_name(each)}")
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
        return g.expand(*shape)
    if axes is not None and not keepdim and axes:
        g = np.expand_dims(g, axes)
    return np.broadcast_to(g, shape) if shape else g


class Reduction(Node):
    """Backward of what goes over axes.

    ``axes``: counted from the front, None for all; ``shape``: of the operand.
    """
    arguments = {"dim": "given", "keepdim": "keepdim"}
    given = None  # the dims as they were given
    shape: tuple = ()
    axes: tuple | None = None
    keepdim = False

    def spread(self, g):
        return spread(g, self.shape, self.axes, self.keepdim)


class SumBackward0(Reduction):
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

    arguments = {**Reduction.arguments, **SumBackward0.arguments}


class MeanBackward0(SumBackward0):
    """Backward of a mean over everything."""

    arguments = {"self_sym_numel": "numel", "self_sym_sizes": "shape"}
    numel = property(lambda node: math.prod(node.shape))

    def fast(self, g):
        g = self.cast(g / g.dtype.type(self.count))
        return (np.full(self.shape, g)[()] if self.axes is None else np.array(self.spread(g))[()],)

    def backward(self, g):
        g = over(self.spread(g), self.count)
        return (g if g._data.dtype == self.source else g.to(DTYPES[self.source]),)


class MeanBackward1(MeanBackward0):
    """Backward of a mean over axes."""

    arguments = {**Reduction.arguments, **MeanBackward0.arguments, "self_sym_numel": "numel"}


def noted(node: Node | None, input: Tensor, axes, keepdim: bool, dim=None) -> Node | None:
    """The node with what a reduction's backward needs."""
    if node is not None:
        node.given = unsigned(dim)
        node.shape, node.axes, node.keepdim, node.source = input._data.shape, axes, keepdim, input._data.dtype
    return node


def sum_(input, dim=None, keepdim: bool = False, *, axis=None, keepdims: bool = False, dtype: Dtype | None = None, out=None) -> Tensor:
    """The sum over axes, or over everything; integers and bools as int64."""
    dim, keepdim = axis if axis is not None else dim, keepdim or keepdims
    x = operand(input, "sum")._data
    axes = axes_of(dim, x.ndim)
    goal = dtype.numpy if dtype is not None else x.dtype if x.dtype.kind == "f" else int64.numpy
    node = noted(recorded(SumBackward0 if dim is None else SumBackward1, (input,)), input, axes, keepdim, (dim,) if isinstance(dim, int) else dim)
    total = _summed(x if x.dtype == goal else x.astype(goal), axes, keepdim)
    return result(node, total if total.dtype == goal else total.astype(goal))  # NumPy adds narrow integers as wide ones


def _summed(x, axes, keepdim: bool):
    if axes == () or x.ndim == 0:
        return x + x.dtype.type(0) if not isinstance(x, np.ndarray) else np.array(x)
    total = np.add.reduce(x, axis=axes, keepdims=keepdim, initial=0)  # 0 of -0
    return total if total.ndim < 2 else np.ascontiguousarray(total)


def mean(input, dim=None, keepdim: bool = False, *, axis=None, keepdims: bool = False, dtype: Dtype | None = None, out=None) -> Tensor:
    """The mean over axes, or over everything; floats only."""
    dim, keepdim = axis if axis is not None else dim, keepdim or keepdims
    x = operand(input, "mean")._data
    if dtype is None and x.dtype.kind != "f":
        raise RuntimeError(f"mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: {input.dtype.legacy}")
    if dtype is not None and not dtype.is_floating_point:
        raise RuntimeError(f"mean(): could not infer output dtype. Optional dtype must be either a floating point or complex dtype. Got: {dtype.legacy}")
    axes = axes_of(dim, x.ndim)
    x = x if dtype is None else x.astype(dtype.numpy)
    count = x.size if axes is None else math.prod([x.shape[a] for a in axes])
    node = noted(recorded(MeanBackward0 if dim is None else MeanBackward1, (input,)), input, axes, keepdim, (dim,) if isinstance(dim, int) else dim)
    if node is not None:
        node.count = count
    total = _summed(x, axes, keepdim)
    return result(node, total / total.dtype.type(count))


_VANISHED = gate("ViewBackward0")  # zeros that hang on what they come from


class ProdBackward0(Reduction):
    """Backward of a product: the products of all other elements, whatever zeros there are."""

    arguments: dict[str, str] = {}

    names = ("self", "result")

    def backward(self, g):
        x, out = self.unpack()
        if x.dtype is g.dtype:
            return (self._to_factors(g, x, out),)
        return (self._to_factors(g, x.to(g.dtype), out).to(x.dtype),)

    def _to_factors(self, g, x, out):
        if not x.ndim:
            return g.clone()
        if self.axes is not None and not self.keepdim:
            g, out = g.unsqueeze(self.axes[0]), out.unsqueeze(self.axes[0])
        if not (x._data == 0).any():
            return g * (out / x)
        if self.axes is None and not state.recording and (x._data == 0).sum() > 1:
            return made_of(np.zeros_like(x._data))  # also where the gradient is infinite
        if self.axes is None:
            return _with_others(g, x.contiguous().view(-1), 0).view_as(x)
        return _with_others(g, x, self.axes[0])


class ProdBackward1(ProdBackward0):
    """Backward of a product over an axis."""

    arguments = Reduction.arguments


def _with_others(g: Tensor, x: Tensor, axis: int) -> Tensor:
    return g if x._data.shape[axis] == 1 else g * products_of_others(x, axis)


def products_of_others(x: Tensor, axis: int) -> Tensor:
    """For each element the product of all others along an axis."""
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
    reduce = np.logical_and if goal.kind == "b" else np.multiply
    node = noted(recorded(ProdBackward0 if dim is None else ProdBackward1, (input,)), input, axes, keepdim, dim)
    made = result(node, np.asarray(reduce.reduce(x.astype(goal), axis=axes, dtype=goal, keepdims=keepdim), order="C")[()])
    if node is not None:
        node.save(input, saved_result(made))
    return made


class VarBackward0(Reduction):
    """Backward of a variance."""

    arguments = {"correction": "given_correction", **Reduction.arguments}
    names = ("self",)
    correction = 1

    def backward(self, g):
        x, = self.unpack()
        return (by_variance(g, x, self.axes, self.keepdim, self.correction),)

    def fast(self, g):
        return (self.plain_slope(g, self.plain()[0]),)

    def plain_slope(self, g, x):
        """The gradient of the variance, on NumPy data."""
        count = x.size if self.axes is None else math.prod([self.shape[a] for a in self.axes])
        centred = x - np.add.reduce(x, axis=self.axes, keepdims=True) / x.dtype.type(count)
        free = count - self.correction
        if free <= 0:
            return self.backward(made_of(g))[0]._data
        return self.spread(g) * centred * x.dtype.type(2.0 / free)


class StdBackward0(VarBackward0):
    """Backward of a standard deviation: zero where it is zero."""

    names = ("self", "result")

    def backward(self, g):
        x, deviation = self.unpack()
        return (by_variance(by_root(g, deviation), x, self.axes, self.keepdim, self.correction),)

    def fast(self, g):
        x, deviation = self.plain()
        return (self.plain_slope(np.where(deviation == 0, g.dtype.type(0), g / (deviation * 2)), x),)


def by_variance(g: Tensor, x: Tensor, axes, keepdim: bool, correction: float) -> Tensor:
    """The gradient of a variance with respect to x."""
    if axes is None or not x.ndim:
        free = x.numel() - correction
        if free <= 0:
            return g * where(x == x.mean(), float("nan"), float("inf"))
        return times(g, 2.0 / free) * (x - x.mean())
    if not keepdim and x.ndim > 1:
        for axis in sorted(axes):
            g = g.unsqueeze(axis)
    free = int(np.prod([x._data.shape[a] for a in axes])) - correction
    return times(g, 2.0 / free if free else float("inf")) * (x - x.mean(axes, keepdim=True))


def by_root(g: Tensor, deviation: Tensor) -> Tensor:
    """The gradient of a standard deviation with respect to the variance."""
    return masked_fill(g / times(deviation, 2), deviation == 0, 0)

def correction_of(unbiased, correction) -> float:
    """What is taken off the count: 1 by default."""
    return (1 if unbiased is None else int(unbiased)) if correction is None else correction


def _spread_function(name: str, kind: type[VarBackward0]):
    def function(input, dim=None, unbiased: bool | None = None, keepdim: bool = False, *, correction=None, out=None) -> Tensor:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        x = operand(input, name)._data
        if x.dtype.kind != "f":
            raise RuntimeError("std and var only support floating point and complex dtypes")
        axes, less = axes_of(dim, x.ndim), correction_of(unbiased, correction)
        count = x.size if axes is None else math.prod([x.shape[a] for a in axes])
        if count - less <= 0:
            warnings.warn(f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor (input numel divided by "
                          "output numel).", UserWarning, stacklevel=2)
        centred = x - np.add.reduce(x, axis=axes, keepdims=True) / x.dtype.type(count)
        total = np.add.reduce(centred * centred, axis=axes, keepdims=keepdim)
        data = total / x.dtype.type(max(count - less, 0))
        data = np.sqrt(data) if kind is StdBackward0 else data
        node = noted(recorded(kind, (input,)), input, axes, keepdim, (dim,) if isinstance(dim, int) else dim)
        made = result(node, data if data.ndim < 2 else np.ascontiguousarray(data))
        if node is not None:
            node.correction, node.given_correction = less, None if unbiased is None and correction is None and dim is None else less
            node.save(*((input, saved_result(made)) if kind is StdBackward0 else (input,)))
        return made
    function.__name__ = name
    function.__doc__ = f"``torch.{name}``: with n - 1 below, or n - correction."
    return function


var, std = _spread_function("var", VarBackward0), _spread_function("std", StdBackward0)


def _logical(name: str, function):
    def reduce(input, dim=None, keepdim: bool = False, *, out=None) -> Tensor:
        axes = axes_of(dim, input.ndim)
        found = np.asarray(function(input._data.astype(bool), axis=axes, keepdims=keepdim))
        return made_of(np.asarray(found, np.uint8 if input._data.dtype == np.uint8 else bool, order="C")[()])
    reduce.__name__ = name
    reduce.__doc__ = f"``{name}`` of the elements over axes."
    return reduce


FUNCTIONS = {f.__name__: f for f in (mean, prod, var, std, _logical("any", np.any), _logical("all", np.all))} | {"sum": sum_}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
