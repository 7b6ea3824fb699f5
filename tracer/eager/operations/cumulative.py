"""Running sums and products along an axis."""

from __future__ import annotations

import numpy as np

from ..dtypes import Dtype, int64
from ..modes import state
from ..node import Node
from ..record import recorded, result, saved_result
from ..tensor import Tensor, made_of, unsigned, wrapped_dim
from .arithmetic import operand
from .choices import where


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

    def fast(self, g):
        """To those before the first zero as ever, to that zero what the others up to the second one make, to those behind it nothing."""
        x, out = self.plain()
        if not x.ndim:
            return (g,)
        axis, zero = self.dim, x == 0
        count = np.cumsum(zero, axis)
        before, between = count == 0, count == 1
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            found = np.where(before, _from_behind(np.where(before, g * out, 0), axis) / x, g.dtype.type(0))
            if before.all():
                return (found,)
            first = zero & between
            others = np.cumprod(np.where(first, 1, np.where(before | between, x, 1)), axis)
            return (np.where(first, np.where(between, g * others, 0).sum(axis, keepdims=True), found).astype(g.dtype),)

    def backward(self, g):
        x, out = self.unpack()
        if not state.recording:  # nobody asks for a graph
            return (made_of(self.fast(g._data)[0]),)
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


def _from_behind(x, axis: int):
    return np.flip(np.cumsum(np.flip(x, axis), axis), axis)


def cumsum(input, dim: int, *, dtype: Dtype | None = None, out=None) -> Tensor:
    """Running sums along an axis."""
    x = operand(input, "cumsum")._data
    axis = wrapped_dim(dim, x.ndim)
    goal = dtype.numpy if dtype is not None else x.dtype if x.dtype.kind == "f" else int64.numpy
    node = recorded(CumsumBackward0, (input,))
    if node is not None:
        node.dim, node.given = axis, unsigned(dim)
    return result(node, np.ascontiguousarray(np.add.accumulate(x, axis, goal)) if x.ndim else x.astype(goal))


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
