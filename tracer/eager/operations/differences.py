"""Differences along an axis, and integrals by trapezoids."""

from __future__ import annotations

import numpy as np

from ..tensor import Tensor, made_of, wrapped_dim
from .joining import cat
from .numbers import over, times
from .shaping import reshape
from .slicing import narrow


def diff(input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None, *, out=None) -> Tensor:
    """Differences of neighbours along an axis, ``n`` times."""
    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    axis = wrapped_dim(dim, input.ndim)
    if n == 0:
        return made_of(np.zeros_like(input._data)).copy_(input)
    parts = [x for x in (prepend, input, append) if x is not None]
    made = cat(parts, axis) if len(parts) > 1 else input
    for _ in range(n):
        extent = made._data.shape[axis]
        below, above = narrow(made, axis, 0, max(extent - 1, 0)), narrow(made, axis, min(1, extent), max(extent - 1, 0))
        made = above.logical_xor(below) if made._data.dtype.kind == "b" else above - below
    return made


def _refuse_bools(name: str, *given) -> None:
    if any([each is not None and each._data.dtype.kind == "b" for each in given]):
        which = "`x` or `y`" if given[1] is not None else "`y`"
        raise RuntimeError(f"{name}: received a bool input for {which}, but bool is not supported")


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """The integral by the trapezoidal rule along an axis."""
    _refuse_bools("trapezoid", y, x)
    axis = wrapped_dim(dim, y.ndim)
    extent = y._data.shape[axis]
    if extent == 0:
        return made_of(np.zeros([n for k, n in enumerate(y._data.shape) if k != axis], y._data.dtype))
    if x is None:
        return times(y.sum(dim) - times(y.select(dim, 0) + y.select(dim, -1), 0.5), float(dx))
    step = diff(x, 1, -1 if x.ndim == 1 else axis)
    step = reshape(step, *[-1 if k == axis else 1 for k in range(y.ndim)]) if x.ndim == 1 else step
    return over((step * (narrow(y, dim, 1, extent - 1) + narrow(y, dim, 0, extent - 1))).sum(dim), 2.0)


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """Running integrals by the trapezoidal rule."""
    _refuse_bools("cumulative_trapezoid", y, x)
    axis = wrapped_dim(dim, y.ndim)
    extent = y._data.shape[axis]
    pairs = narrow(y, dim, 1, extent - 1) + narrow(y, dim, 0, extent - 1)
    if x is None:
        return times(pairs, dx / 2.0).cumsum(dim)
    step = diff(x, 1, -1 if x.ndim == 1 else axis)
    step = reshape(step, *[-1 if k == axis else 1 for k in range(y.ndim)]) if x.ndim == 1 else step
    return over((pairs * step).cumsum(dim), 2.0)


FUNCTIONS = {"diff": diff, "trapezoid": trapezoid, "cumulative_trapezoid": cumulative_trapezoid, "trapz": trapezoid}
Tensor.diff = diff
