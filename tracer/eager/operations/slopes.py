"""``torch.gradient``: slopes of samples, by central differences inside and one-sided ones at the ends."""

from __future__ import annotations

import numpy as np

from ..dtypes import get_default_dtype
from ..tensor import Tensor, made_of, wrapped_dim
from .joining import cat
from .numbers import over, times
from .shaping import reshape
from .slicing import narrow


def gradient(input: Tensor, *, spacing=1, dim=None, edge_order: int = 1) -> tuple:
    """The slope along each axis of ``dim``. ``spacing``: the step, one step an axis, or the coordinates as a tensor an axis."""
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    dims = list(range(input.ndim)) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    axes = [wrapped_dim(each, input.ndim) for each in dims]
    if len(set(axes)) != len(axes):
        repeated = next(each for each in axes if axes.count(each) > 1)
        raise RuntimeError(f"dim {repeated} appears multiple times in the list of dims")
    spacing = 1 if spacing is None else spacing
    steps = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing] * len(axes)
    if len(steps) != len(axes) and dim is not None:
        raise RuntimeError("torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim arguments to have the same length, but got a "
                           f"spacing argument of length {len(steps)} and a dim argument of length {len(axes)}.")
    if len(steps) != len(axes):
        raise RuntimeError(f"torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal to 'self.dim() = {input.ndim}', since dim "
                           f"argument was not given, but got a list of length {len(steps)}")
    for axis in axes:
        if input._data.shape[axis] < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
    return tuple([_uneven(input, axis, step, edge_order) if isinstance(step, Tensor) and step.ndim else _even(input, axis, float(step), edge_order)
                  for axis, step in zip(axes, steps)])


def _even(x: Tensor, axis: int, step: float, edge_order: int) -> Tensor:
    n = x._data.shape[axis]
    inside = over(narrow(x, axis, 2, n - 2) - narrow(x, axis, 0, n - 2), 2 * step) if n > 2 else None
    first, second, last, before = (narrow(x, axis, at, 1) for at in (0, 1, n - 1, n - 2))
    if edge_order == 1:
        ends = over(second - first, step), over(last - before, step)
    else:
        third, earlier = narrow(x, axis, 2, 1), narrow(x, axis, n - 3, 1)
        ends = (over(times(first, -1.5) + times(second, 2.0) - times(third, 0.5), step),
                over(times(last, 1.5) - times(before, 2.0) + times(earlier, 0.5), step))
    return cat([each for each in (ends[0], inside, ends[1]) if each is not None], axis)


def _uneven(x: Tensor, axis: int, places: Tensor, edge_order: int) -> Tensor:
    """Weights of three neighbours make the parabola through them."""
    n = x._data.shape[axis]
    h = np.diff(places._data)
    h = h if h.dtype.kind == "f" else h.astype(get_default_dtype().numpy)
    parts = []
    if n > 2:
        a, b = h[:-1], h[1:]
        parts.append(_weighted(x, axis, 0, n - 2, -b / (a * (a + b)), (b - a) / (a * b), a / (b * (a + b))))
    if edge_order == 1:
        first, last = _two(x, axis, 0, h[0]), _two(x, axis, n - 2, h[-1])
    else:
        a, b, c, d = h[:1], h[1:2], h[-2:-1], h[-1:]
        first = _weighted(x, axis, 0, 1, -(2 * a + b) / (a * (a + b)), (a + b) / (a * b), -a / (b * (a + b)))
        last = _weighted(x, axis, n - 3, 1, d / (c * (c + d)), -(c + d) / (c * d), (2 * d + c) / (d * (c + d)))
    return cat([first, *parts, last], axis)


def _two(x: Tensor, axis: int, at: int, step) -> Tensor:
    return (narrow(x, axis, at + 1, 1) - narrow(x, axis, at, 1)) / made_of(step)


def _weighted(x: Tensor, axis: int, start: int, count: int, *weights) -> Tensor:
    shape = [-1 if k == axis else 1 for k in range(x.ndim)]
    terms = [narrow(x, axis, start + k, count) * reshape(made_of(np.ascontiguousarray(each)), *shape) for k, each in enumerate(weights)]
    return terms[0] + terms[1] + terms[2]


FUNCTIONS = {"gradient": gradient}
