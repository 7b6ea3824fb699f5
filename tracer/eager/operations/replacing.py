"""Copies with one part replaced: select_scatter, diagonal_scatter, slice_scatter."""

from __future__ import annotations

import numpy as np

from ..tensor import Tensor, made_of, unsigned, wrapped_dim
from .choices import masked_fill
from .define import kind, operation


def _replacing(name: str, grad_fn: str, part, defaults: dict):
    def backward(node, g):
        view = part(g, *node.options)
        cleared = None
        if node.edges[0] is not None:
            mask = made_of(np.zeros(g._data.shape, bool))
            part(mask, *node.options).fill_(True)
            cleared = masked_fill(g, mask, 0)
        return cleared, view
    cls = kind(grad_fn, backward, keeps=" ".join(defaults))

    def function(input: Tensor, src: Tensor, *options, out=None, **named) -> Tensor:
        kept = defaults | dict(zip(defaults, options)) | named
        options = tuple(kept.values())
        made = made_of(np.array(input._data))
        view = part(made, *options)
        if view._data.shape != src._data.shape:
            raise RuntimeError(f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = {list(view.shape)}")
        view.copy_(src.detach())
        return operation(cls, (input, src), made._data, options=options, **{each: unsigned(value) for each, value in kept.items()})
    function.__name__ = name
    function.__doc__ = "A copy with one part replaced."
    return function


def _slice_of(x: Tensor, dim: int = 0, start=None, end=None, step: int = 1) -> Tensor:
    return x[(slice(None),) * wrapped_dim(dim, x.ndim) + (slice(start, end, step),)]


select_scatter = _replacing("select_scatter", "SelectScatterBackward0", lambda x, *a: x.select(*a), {"dim": None, "index": None})
diagonal_scatter = _replacing("diagonal_scatter", "DiagonalScatterBackward0", lambda x, *a: x.diagonal(*a), {"offset": 0, "dim1": 0, "dim2": 1})
slice_scatter = _replacing("slice_scatter", "SliceScatterBackward0", _slice_of, {"dim": 0, "start": None, "end": None, "step": 1})


def fill_diagonal_(self: Tensor, fill_value, wrap: bool = False) -> Tensor:
    """Overwrite the diagonal with a number; with ``wrap`` a tall matrix has another one below the first."""
    shape, steps = self._data.shape, self.stride()
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    start, step, count = self.storage_offset(), sum(steps), min(shape)
    self.as_strided((count,), (step,), start).fill_(fill_value)
    height, width = shape[:2]
    if wrap and len(shape) == 2 and height > width + 1:
        rest = -(-self.numel() // (width + 1)) - count
        self.as_strided((rest,), (step,), start + steps[0] * (width + 1)).fill_(fill_value)
    return self


FUNCTIONS = {f.__name__: f for f in (select_scatter, diagonal_scatter, slice_scatter)}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
Tensor.fill_diagonal_ = fill_diagonal_
