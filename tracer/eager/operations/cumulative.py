"""Running sums and products along an axis."""

from __future__ import annotations

import numpy as np

from ..dtypes import DTYPES, Dtype, int64
from ..modes import state
from ..node import Node
from ..record import recorded, result, saved_result
from ..tensor import Tensor, made_of, unsigned, wrapped_dim
from .arithmetic import operand
from .joining import cat


class CumsumBackward0(Node):
    """Backward of cumsum: sums from behind."""

    arguments = {"dim": "given"}

    def fast(self, g):
        found = g if _single(g, self.dim) else np.ascontiguousarray(_from_behind(g, self.dim))
        return (found if found.dtype == self.source else found.astype(self.source),)

    def backward(self, g):
        found = g if _single(g._data, self.dim) else _sums_from_behind(g, self.dim)
        return (found if found._data.dtype == self.source else found.to(DTYPES[self.source]),)


class CumprodBackward0(Node):
    """Backward of cumprod."""

    arguments = {"dim": "given"}

    names = ("self", "result")

    def fast(self, g):
        x, out = self.plain()
        found = self._slopes(g, x if x.dtype == g.dtype else x.astype(g.dtype), out)
        return (found if found.dtype == x.dtype else found.astype(x.dtype),)

    def _slopes(self, g, x, out):
        """To those before the first zero as ever, to that zero what the others up to the second one make, to those behind it nothing."""
        if _single(x, self.dim):
            return g
        axis, zero = self.dim, x == 0
        count = np.cumsum(zero, axis)
        before, between = count == 0, count == 1
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            found = np.where(before, _from_behind(np.where(before, g * out, 0), axis) / x, g.dtype.type(0))
            if before.all():
                return np.ascontiguousarray(found)
            first = zero & between
            others = np.cumprod(np.where(first, 1, np.where(before | between, x, 1)), axis)
            return np.where(first, np.where(between, g * others, 0).sum(axis, keepdims=True), found).astype(g.dtype)

    def backward(self, g):
        x, out = self.unpack()
        if not state.recording:  # nobody asks for a graph
            return (made_of(self.fast(g._data)[0]),)
        found = self._recorded(g, x if x.dtype is g.dtype else x.to(g.dtype), out)
        return (found if found.dtype is x.dtype else found.to(x.dtype),)

    def _recorded(self, g, x, out):
        dim = self.dim
        if _single(x._data, dim):
            return g
        if not (x._data == 0).any():
            return _sums_from_behind(out * g, dim) / x
        found = made_of(np.zeros(x._data.shape, g._data.dtype))
        extent = x._data.shape[dim]
        for k in range(extent):  # d out_j / d x_k for j >= k: the product of the others up to j
            slope = (g.narrow(dim, k, extent - k) * _products_without(x, dim, k)).sum(dim)
            found.select(dim, k).copy_(slope)
        return found


def _single(data, dim: int) -> bool:
    """Is there nothing that runs?"""
    return data.size <= 1 or data.shape[dim] == 1


def _sums_from_behind(x: Tensor, dim: int) -> Tensor:
    return x.flip(dim).cumsum(dim).flip(dim)


def _products_without(x: Tensor, dim: int, k: int) -> Tensor:
    """Running products along an axis from position ``k`` on, in which the element there counts as 1."""
    extent = x._data.shape[dim]
    before = x.narrow(dim, 0, k).prod(dim, True) if k else made_of(np.ones([1 if axis == dim else n for axis, n in enumerate(x._data.shape)], x._data.dtype))
    if k == extent - 1:
        return before
    behind = cumprod(x.narrow(dim, k + 1, extent - k - 1), dim)
    return cat([before, before.expand_as(behind) * behind if k else behind], dim)


def _from_behind(x, axis: int):
    return np.flip(np.cumsum(np.flip(x, axis), axis), axis)


def cumsum(input, dim: int, *, dtype: Dtype | None = None, out=None) -> Tensor:
    """Running sums along an axis."""
    x = operand(input, "cumsum")._data
    axis = wrapped_dim(dim, x.ndim)
    goal = dtype.numpy if dtype is not None else x.dtype if x.dtype.kind == "f" else int64.numpy
    node = recorded(CumsumBackward0, (input,))
    if node is not None:
        node.dim, node.given, node.source = axis, unsigned(dim), x.dtype
    return result(node, np.ascontiguousarray(np.add.accumulate(x, axis, goal)) + goal.type(0) if x.ndim else x.astype(goal))  # 0 of -0


def cumprod(input, dim: int, *, dtype: Dtype | None = None, out=None) -> Tensor:
    """Running products along an axis."""
    x = operand(input, "cumprod")._data
    axis = wrapped_dim(dim, x.ndim)
    goal = dtype.numpy if dtype is not None else x.dtype if x.dtype.kind == "f" else int64.numpy
    node = recorded(CumprodBackward0, (input,))
    if node is not None:
        node.dim, node.given = axis, unsigned(dim)
    made = result(node, np.ascontiguousarray(np.multiply.accumulate(x, axis, goal)) if x.ndim else x.astype(goal))
    if node is not None:
        node.save(input, saved_result(made))
    return made


FUNCTIONS = {"cumsum": cumsum, "cumprod": cumprod}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
