"""Copies with the elements in other places: reversed, rolled, repeated."""

from __future__ import annotations

import numpy as np

from ..geometry import in_layout_of
from ..tensor import Tensor, made_of, unsigned, wrapped_dim
from .by_index import index_select
from .define import kind, operation
from .shaping import reshape, unsqueeze

FLIP = kind("FlipBackward0", lambda node, g: flip(g, node.dims), keeps="dims:given")


def one_by_one(arguments: tuple) -> tuple:
    """Arguments given one by one, or as one sequence."""
    return tuple(arguments[0]) if len(arguments) == 1 and isinstance(arguments[0], (tuple, list)) else arguments


def flip(input: Tensor, *given, dims=None) -> Tensor:
    """The order along axes reversed."""
    if not given and dims is None:
        raise TypeError('flip() missing 1 required positional arguments: "dims"')
    x, dims = input._data, one_by_one(given) if given else (dims,) if isinstance(dims, int) else tuple(dims)
    axes = tuple([wrapped_dim(d, x.ndim) for d in dims])
    for axis in axes:
        if axes.count(axis) > 1:
            raise RuntimeError(f"dim {axis} appears multiple times in the list of dims")
    return operation(FLIP, (input,), in_layout_of(np.array(np.flip(x, axes)), x) if x.ndim else x, dims=axes,
                     given=unsigned(tuple(one_by_one(dims))))


def fliplr(input: Tensor) -> Tensor:
    """The second axis reversed."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """The first axis reversed."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


ROT90 = kind("Rot90Backward0", lambda node, g: rot90(g, -node.turns, node.dims), keeps="k:given_turns dims:given")


def rot90(input: Tensor, k: int = 1, dims=(0, 1)) -> Tensor:
    """Quarter turns in the plane of two axes."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == input.ndim:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    return operation(ROT90, (input,), np.array(np.rot90(input._data, k, dims)), turns=k, dims=tuple(dims), given_turns=unsigned(k),
                     given=unsigned(dims))


ROLL = kind("RollBackward0", lambda node, g: roll(g, [-s for s in node.shifts], node.dims), keeps="shifts:given_shifts dims:given")


def roll(input: Tensor, shifts, dims=()) -> Tensor:
    """Elements moved along axes, those at the end to the front."""
    shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    dims = (dims,) if isinstance(dims, int) else tuple(dims if dims is not None else ())
    if not shifts:
        raise RuntimeError("`shifts` required")
    if dims and not input.ndim:
        raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
    if not dims and len(shifts) == 1:
        flat = input._data.reshape(-1)
        at = -shifts[0] % max(flat.size, 1)
        data = np.concatenate((flat[at:], flat[:at])).reshape(input._data.shape)
    elif len(shifts) != len(dims):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    else:
        if not input.ndim:
            raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
        data = np.roll(input._data, shifts, tuple([wrapped_dim(d, input.ndim) for d in dims]))
    return operation(ROLL, (input,), np.asarray(data, order="C"), shifts=shifts, dims=dims, given_shifts=unsigned(shifts),
                     given=unsigned(dims))


def _repeat_backward(node, g):
    if 0 in node.repeats:
        return made_of(np.zeros(node.shape, g._data.dtype))
    lead = len(node.repeats) - len(node.shape)
    for _ in range(lead):
        g = g.sum(0)
    extents = [n for repeats, extent in zip(node.repeats[lead:], node.shape) for n in ((repeats, extent) if repeats != 1 else (extent,))]
    axes = [k + sum(n != 1 for n in node.repeats[lead:lead + k]) for k, repeats in enumerate(node.repeats[lead:]) if repeats != 1]
    g = g.reshape(extents)
    return g.sum(axes) if axes else g


REPEAT = kind("RepeatBackward0", _repeat_backward, keeps="repeats self_sym_sizes:shape")


def repeat(self: Tensor, *repeats) -> Tensor:
    """Copies of the tensor side by side."""
    repeats = tuple(one_by_one(repeats))
    if len(repeats) < self.ndim:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    if any(n < 0 for n in repeats):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(repeats)}: {[n * m for n, m in zip(repeats, self._data.shape)]}")
    return operation(REPEAT, (self,), np.asarray(np.tile(self._data, repeats), order="C") if repeats else self._data, repeats=repeats, shape=self._data.shape)


def tile(input: Tensor, *dims) -> Tensor:
    """As :meth:`repeat`, with 1 for the axes in front that are not named."""
    dims = tuple(one_by_one(dims))
    return repeat(input, (1,) * (input.ndim - len(dims)) + dims)


def _check_counts(repeats: Tensor) -> None:
    if repeats.ndim > 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if repeats._data.dtype not in (np.int64, np.int32):
        raise NotImplementedError(f"\"repeat_interleave_cpu\" not implemented for '{repeats.dtype.legacy}'")
    if (repeats._data < 0).any():
        raise RuntimeError("repeats can not be negative")


def repeat_interleave(input: Tensor, repeats=None, dim: int | None = None, *, output_size: int | None = None) -> Tensor:
    """Each element so many times, one behind the other."""
    if repeats is None:
        _check_counts(input)
        return made_of(np.repeat(np.arange(input.numel()), input._data))
    if isinstance(repeats, int):
        flat = reshape(input, -1) if dim is None else input
        axis = 0 if dim is None else wrapped_dim(dim, flat.ndim)
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        if flat.ndim == 0:
            flat = reshape(flat, 1)
        shape = flat._data.shape
        wide = unsqueeze(flat, axis + 1).expand(*shape[:axis + 1], repeats, *shape[axis + 1:]).clone()
        return wide.view(*shape[:axis], shape[axis] * repeats, *shape[axis + 1:])
    flat = reshape(input, -1) if dim is None else input
    axis = 0 if dim is None else wrapped_dim(dim, flat.ndim)
    _check_counts(repeats)
    counts = np.broadcast_to(repeats._data, (flat._data.shape[axis],)) if repeats._data.size == 1 else repeats._data
    if counts.shape != (flat._data.shape[axis],):
        raise RuntimeError(f"repeats must have the same size as input along dim, but got repeats.size(0) = {counts.shape[0]} and input.size({axis}) = "
                           f"{flat._data.shape[axis]}")
    return index_select(flat, axis, made_of(np.repeat(np.arange(len(counts)), counts)))


FUNCTIONS = {f.__name__: f for f in (flip, fliplr, flipud, rot90, roll, tile, repeat_interleave)}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
Tensor.repeat = repeat
