"""Elements in another place: mirrored, rolled, repeated, tiled, padded."""

from __future__ import annotations

import operator

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ...errors import UnsupportedError
from ..functions import implements, nearest
from ..value import Traced
from .common import axes_of, axis_of, broadcast, cast, operand, reshaped, static_value, strong
from .indexing import piece, placed, read
from .joining import concatenate
from .picking import take
from .shaping import index_of, swapaxes


@implements(np.flip)
def flip(m, axis=None):
    """Backwards along axes."""
    x = operand(m)
    axes = axes_of(axis, x.ndim)
    return read(x, tuple([(n - 1, n, -1) if k in axes and n > 1 else (0, n, 1) for k, n in enumerate(x.shape)]))


@implements(np.fliplr)
def fliplr(m):
    """Columns backwards."""
    x = operand(m)
    if x.ndim < 2:
        raise ValueError("Input must be >= 2-d.")
    return flip(x, 1)


@implements(np.flipud)
def flipud(m):
    """Rows backwards."""
    x = operand(m)
    if x.ndim < 1:
        raise ValueError("Input must be >= 1-d.")
    return flip(x, 0)


@implements(np.rot90)
def rot90(m, k=1, axes=(0, 1)):
    """Turned by 90 degrees in a plane."""
    x = operand(m)
    if len(axes) != 2 or axes[0] == axes[1] or abs(axes[0] - axes[1]) == x.ndim:
        raise ValueError("Axes must be different." if len(axes) == 2 else "len(axes) must be 2.")
    first, second = axis_of(axes[0], x.ndim), axis_of(axes[1], x.ndim)
    turns = index_of(k) % 4
    if turns == 0:
        return strong(x)
    if turns == 2:
        return flip(flip(x, first), second)
    return swapaxes(flip(x, second), first, second) if turns == 1 else flip(swapaxes(x, first, second), second)


@implements(np.roll)
def roll(a, shift, axis=None):
    """Shifted along axes, what leaves at one end coming in at the other."""
    x = operand(a)
    if axis is None:
        return reshaped(roll(reshaped(x, (x.size,)), shift, 0), x.shape)
    axes = normalize_axis_tuple(axis, x.ndim, allow_duplicate=True)
    shifts = np.broadcast_to([index_of(s) for s in shift] if np.ndim(shift) else index_of(shift), len(axes)) if len(axes) != 1 or not np.ndim(shift) \
        else [sum(index_of(s) for s in shift)]
    for axis, by in zip(axes, shifts):
        length = x.shape[axis]
        by = int(by) % length if length else 0
        if by:
            x = concatenate([piece(x, axis, slice(length - by, None)), piece(x, axis, slice(None, length - by))], axis)
    return strong(x)


@implements(np.repeat)
def repeat(a, repeats, axis=None):
    """Each element several times."""
    x = operand(a, repeats)
    if axis is None:
        x, axis = reshaped(x, (x.size,)), 0
    axis = axis_of(axis, x.ndim)
    if isinstance(repeats, Traced) and not repeats.shape:
        repeats = operator.index(repeats)
    times = static_value(repeats)
    if times is None:
        raise UnsupportedError("np.repeat with traced repeats: how long the result is, is not known while the graph is built. Pass Python ints.")
    if (times < 0).any():
        raise ValueError("repeats may not contain negative values.")
    length = x.shape[axis]
    if times.size == 1:
        each = int(times.reshape(())[()])
        wide = reshaped(x, (*x.shape[:axis + 1], 1, *x.shape[axis + 1:]))
        wide = broadcast(wide, (*x.shape[:axis + 1], each, *x.shape[axis + 1:]))
        return reshaped(wide, (*x.shape[:axis], length * each, *x.shape[axis + 1:]))
    return take(x, np.repeat(np.arange(length), times), axis)


@implements(np.tile)
def tile(A, reps):
    """The whole array several times along each axis."""
    x = operand(A, reps)
    times = [index_of(n) for n in reps] if np.ndim(reps) else [index_of(reps)]
    if any(n < 0 for n in times):
        raise ValueError("negative dimensions are not allowed")
    rank = max(x.ndim, len(times))
    times = [1] * (rank - len(times)) + times
    shape = (1,) * (rank - x.ndim) + x.shape
    apart = reshaped(x, tuple([m for n in shape for m in (1, n)]))
    wide = broadcast(apart, tuple([m for k, n in zip(times, shape) for m in (k, n)]))
    return reshaped(wide, tuple([k * n for k, n in zip(times, shape)]))


# Padding ----------------------------------------------------------------------------------------------------------------

_MIRRORS = ("edge", "wrap", "reflect", "symmetric")


@implements(np.pad)
def pad(array, pad_width, mode="constant", **keywords):
    """Wider at the borders: with constants, or with elements of the array itself."""
    x = strong(operand(array))
    if isinstance(pad_width, dict):
        given = {axis_of(axis, x.ndim): widths for axis, widths in pad_width.items()}
        pad_width = [given.get(axis, (0, 0)) for axis in range(x.ndim)]
    widths = _pairs(pad_width, x.ndim)
    if mode in _MIRRORS:
        if keywords.get("reflect_type", "even") != "even":
            raise UnsupportedError("np.pad(..., reflect_type='odd') is not supported on traced values. Use np.concatenate of 2 * edge - mirrored.")
        for axis, (before, after) in enumerate(widths):
            x = take(x, np.pad(np.arange(x.shape[axis]), (before, after), mode), axis) if before or after else x
        return x
    if mode != "constant":
        raise UnsupportedError(f"np.pad(..., mode={mode!r}) is not supported on traced values. "
                               f"Modes that are: 'constant', {', '.join(map(repr, _MIRRORS))}.")
    return _padded_with(x, widths, keywords.get("constant_values", 0))


def _pairs(widths, ndim: int) -> list[tuple[int, int]]:
    """(before, after) per axis, from any form that NumPy takes."""
    if isinstance(widths, (tuple, list)):
        widths = [[index_of(n) for n in each] if np.ndim(each) else index_of(each) for each in widths]
    else:
        widths = np.asarray(widths).tolist() if isinstance(widths, np.ndarray) else index_of(widths)
    pairs = np.broadcast_to(np.asarray(widths), (ndim, 2)).tolist()
    if any(n < 0 for pair in pairs for n in pair):
        raise ValueError("index can't contain negative values")
    return [tuple(pair) for pair in pairs]


def _padded_with(x: Traced, widths, values) -> Traced:
    static = static_value(values)
    if static is not None and not static.any():
        shape = tuple([n + sum(pair) for n, pair in zip(x.shape, widths)])
        if shape == x.shape:
            return x
        return placed(x, shape, tuple([(pair[0] if n else 0, n, 1) for n, pair in zip(x.shape, widths)]))
    fills = broadcast(operand(values, x), (x.ndim, 2)) if np.ndim(values) or isinstance(values, Traced) else None
    for axis, pair in enumerate(widths):
        parts = [_border(x, axis, pair[side], values if fills is None else fills[axis, side]) for side in (0, 1)]
        x = concatenate([parts[0], x, parts[1]], axis, dtype=x.dtype)
    return x


def _border(x: Traced, axis: int, width: int, value) -> Traced:
    shape = tuple([width if k == axis else n for k, n in enumerate(x.shape)])
    return broadcast(cast(operand(value, x), x.dtype), shape)


@implements(np.apply_along_axis)
def apply_along_axis(func1d, axis, arr, *args, **kwargs):
    """A function of vectors, on all of them along an axis."""
    x = operand(arr)
    axis = axis_of(axis, x.ndim)
    lines = np.moveaxis(x, axis, -1)
    made = [func1d(lines[at], *args, **kwargs) for at in np.ndindex(lines.shape[:-1])]
    result = np.stack(made)
    result = np.reshape(result, (*lines.shape[:-1], *result.shape[1:]))
    return np.moveaxis(result, tuple(range(x.ndim - 1, result.ndim)), tuple(range(axis, axis + result.ndim - x.ndim + 1))) if result.ndim >= x.ndim else result


nearest({"trim_zeros": "How long the result is depends on the values. Cut with a slice."})
