"""Sorting, searching and counting."""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from ..geometry import in_layout_of
from ..record import recorded, result, saved_result, updated
from ..tensor import Tensor, made_of, unsigned, wrapped_dim
from .define import kind, operation, operations
from .extremes import RETURN_TYPES, ByIndex, WholeLine, pair_type, shared_along, shared_by_equal, values_and_indices
from .gathering import gather, lowest_and_highest, scatter_add
from .indexing import along
from .numeric import lerp
from .operands import check_kernel
from .products import without_axis
from .reductions import Reduction, noted

KTHVALUE, MEDIAN, NANMEDIAN, MODE = (type(name, (ByIndex,), {"__doc__": f"{name} of PyTorch."}) for name in (
    "KthvalueBackward0", "MedianBackward1", "NanmedianBackward1", "ModeBackward0"))
SORT0, SORT1, TOPK = (type(name, (WholeLine,), {"__doc__": f"{name} of PyTorch."}) for name in ("SortBackward0", "SortBackward1", "TopkBackward0"))
CUMMAX, CUMMIN = (type(name, (WholeLine,), {"names": ("indices", "self"), "arguments": {"dim": "given"}, "scatter": scatter_add,
                                             "__doc__": f"{name} of PyTorch."}) for name in ("CummaxBackward0", "CumminBackward0"))
_NANMEDIAN_PAIR = pair_type("nanmedian")


def _ordered(x, axis: int, descending: bool):
    """The stable order along an axis, NaN counted as the largest."""
    if not descending:
        return x.argsort(axis, kind="stable")
    return np.flip(x.shape[axis] - 1 - np.argsort(np.flip(x, axis), axis, kind="stable"), axis)


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool | None = None, *, out=None):
    """Values in order along an axis, and where they were; equal ones keep their order."""
    x = input._data
    axis = wrapped_dim(dim, x.ndim)
    cls = SORT0 if stable is None else SORT1
    if x.ndim == 0:
        return values_and_indices(input, cls, RETURN_TYPES["sort"], 0, True, x, np.int64(0), dim)
    places = _ordered(x, axis, descending)
    return values_and_indices(input, cls, RETURN_TYPES["sort"], axis, True, in_layout_of(x[along(places, axis)], x), in_layout_of(places, x), dim)


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool | None = None) -> Tensor:
    """Where the values in order along an axis were."""
    axis = wrapped_dim(dim, input.ndim)
    return made_of(np.ascontiguousarray(_ordered(input._data, axis, descending)) if input.ndim else np.int64(0))


def msort(input: Tensor, *, out=None) -> Tensor:
    """Values in order along the first axis."""
    return sort(input, 0)[0]


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True, *, out=None):
    """The ``k`` largest or smallest values along an axis, and where they were."""
    x = input._data
    axis = wrapped_dim(dim, x.ndim)
    if not 0 <= k <= (x.shape[axis] if x.ndim else 1):
        raise RuntimeError("selected index k out of range")
    if x.dtype.kind == "b":
        raise RuntimeError("topk does not support bool dtypes on CPU")
    if x.ndim == 0:
        return values_and_indices(input, TOPK, RETURN_TYPES["topk"], 0, True, x, np.int64(0), dim)
    places = np.take(_ordered(x, axis, largest), np.arange(k), axis)
    return values_and_indices(input, TOPK, RETURN_TYPES["topk"], axis, True, np.take_along_axis(x, places, axis), places, dim)


def _along(input: Tensor, cls, pair, dim: int, keepdim: bool, places):
    """Values and indices for one position per line."""
    x, axis = input._data, wrapped_dim(dim, input.ndim)
    if x.ndim == 0:
        return values_and_indices(input, cls, pair, 0, keepdim, x, np.int64(0), dim)
    places = np.expand_dims(places, axis)
    values = np.take_along_axis(x, places, axis)
    if not keepdim:
        values, places = np.squeeze(values, axis), np.squeeze(places, axis)
    return values_and_indices(input, cls, pair, axis, keepdim, values, places, dim)


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False, *, out=None):
    """The ``k``-th smallest value along an axis, counted from 1, and where it was."""
    check_kernel("kthvalue_cpu", input, "fiu")
    x = input._data
    axis = wrapped_dim(dim, x.ndim)
    extent = x.shape[axis] if x.ndim else 1
    if not extent:
        raise IndexError(f"kthvalue(): Expected reduction dim {axis} to have non-zero size.")
    if not 1 <= k <= extent:
        raise RuntimeError("kthvalue(): selected number k out of range for dimension " + str(axis))
    return _along(input, KTHVALUE, RETURN_TYPES["kthvalue"], dim, keepdim, np.take(_ordered(x, axis, False), k - 1, axis) if x.ndim else None)


class MedianBackward0(Reduction):
    """Backward of the median of everything: shared evenly by all that equal it."""

    arguments: dict[str, str] = {}

    names = ("self", "result")
    arguments: dict[str, str] = {}

    def backward(self, g):
        return (shared_by_equal(g, *self.unpack()),)


class NanmedianBackward0(MedianBackward0):
    """Backward of the median of all numbers."""


def _median(name: str, whole: type, along: type, pair, skip_nan: bool):
    def place(x, axis: int):
        """The lower of the middle positions; of the first NaN, unless they are left out."""
        order = _ordered(x, axis, False)
        missing = np.isnan(x).sum(axis) if x.dtype.kind == "f" else np.zeros(np.delete(x.shape, axis), np.int64)
        extent = x.shape[axis]
        middle = (np.maximum(extent - missing, 1) - 1) // 2 if skip_nan else np.where(missing > 0, extent - missing, (extent - 1) // 2)
        return np.squeeze(np.take_along_axis(order, np.expand_dims(middle, axis), axis), axis)

    def function(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out=None):
        x = input._data
        check_kernel("median_cpu" if dim is None else "median_out", input, "fiu")
        if dim is None:
            flat = x.reshape(-1)
            data = flat[place(flat, 0)] if flat.size else x.dtype.type(np.nan)
            node = noted(recorded(whole, (input,)), input, None, False)
            made = result(node, data)
            if node is not None:
                node.save(input, saved_result(made))
            return made
        axis = wrapped_dim(dim, x.ndim)
        if x.ndim and not x.shape[axis]:
            raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
        return _along(input, along, pair, dim, keepdim, place(x, axis) if x.ndim else None)
    function.__name__ = name
    function.__doc__ = "The lower median, of everything or along an axis."
    return function


median = _median("median", MedianBackward0, MEDIAN, RETURN_TYPES["median"], False)
nanmedian = _median("nanmedian", NanmedianBackward0, NANMEDIAN, _NANMEDIAN_PAIR, True)


def mode(input: Tensor, dim: int = -1, keepdim: bool = False, *, out=None):
    """The most frequent value along an axis, the smallest of several, and its last place."""
    x = input._data
    axis = wrapped_dim(dim, x.ndim)
    if x.ndim == 0:
        return _along(input, MODE, RETURN_TYPES["mode"], dim, keepdim, None)
    if not x.shape[axis]:
        raise IndexError(f"mode(): Expected reduction dim {axis} to have non-zero size.")
    counts = (np.expand_dims(x, axis) == np.expand_dims(x, axis + 1)).sum(axis)
    often = np.where(counts == counts.max(axis, keepdims=True), x, np.inf if x.dtype.kind == "f" else lowest_and_highest(x.dtype)[1])
    best = often.min(axis, keepdims=True)
    last = x.shape[axis] - 1 - np.argmax(np.flip(x == best, axis), axis)
    return _along(input, MODE, RETURN_TYPES["mode"], dim, keepdim, last)


def _running(name: str, cls: type, keeps):
    def function(input: Tensor, dim: int, *, out=None):
        x = input._data
        axis = wrapped_dim(dim, x.ndim)
        if x.ndim == 0:
            return values_and_indices(input, cls, RETURN_TYPES[name], 0, True, x, np.int64(0), dim)
        lines = np.moveaxis(x, axis, 0)
        places = np.zeros(lines.shape, np.int64)
        best = lines[0].copy() if len(lines) else None
        for k in range(1, len(lines)):
            better = keeps(lines[k], best) | (np.isnan(lines[k]) if x.dtype.kind == "f" else False)
            best = np.where(better, lines[k], best)
            places[k] = np.where(better, k, places[k - 1])
        places = np.moveaxis(places, 0, axis)
        return values_and_indices(input, cls, RETURN_TYPES[name], axis, True, np.ascontiguousarray(np.take_along_axis(x, places, axis)),
                                  np.ascontiguousarray(places), dim)
    function.__name__ = name
    function.__doc__ = "Running extremes along an axis and their places, the last of equal ones."
    return function


cummax, cummin = _running("cummax", CUMMAX, np.greater_equal), _running("cummin", CUMMIN, np.less_equal)

AMINMAX = namedtuple("aminmax", ["min", "max"])
AMINMAX.__repr__ = lambda self: f"torch.return_types.aminmax(\nmin={self.min!r},\nmax={self.max!r})"


def _aminmax_backward(node, low_g, high_g, x, low, high):
    axes = () if node.dim is None else (node.dim,)
    parts = [shared_along(g, x, out, axes, node.keepdim) for g, out in ((low_g, low), (high_g, high)) if g is not None]
    return None if not parts else parts[0] if len(parts) == 1 else parts[0] + parts[1]


AMINMAX_BACKWARD = kind("AminmaxBackward0", _aminmax_backward, ("self", "min", "max"), outputs=2, keeps="dim:given keepdim")


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False, out=None):
    """The least and the largest element, of everything or along an axis."""
    x = input._data
    if not x.size and dim is None:
        raise RuntimeError("aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.")
    axis = None if dim is None else wrapped_dim(dim, x.ndim)
    if axis is not None and x.ndim and not x.shape[axis]:
        raise IndexError(f"aminmax: Expected reduction dim {axis} to have non-zero size.")
    data = (x, x) if x.ndim == 0 else (np.min(x, axis=axis, keepdims=keepdim), np.max(x, axis=axis, keepdims=keepdim))
    return AMINMAX(*operations(AMINMAX_BACKWARD, (input,), data, (input, 0, 1), dim=axis, keepdim=keepdim, given=unsigned(dim)))


# Sets and counts ---------------------------------------------------------------------------------------------------------------------

def unique(input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None):
    """The different elements, or parts along an axis, in order."""
    _check_extents(input, dim)
    found = np.unique(input._data, return_inverse=True, return_counts=True, axis=dim, equal_nan=False)
    values, inverse, counts = found
    inverse = inverse.reshape(input._data.shape if dim is None else (-1,))
    made = [operation(_UNIQUE, (input,), values), *([made_of(inverse[()])] if return_inverse else []), *([made_of(counts)] if return_counts else [])]
    return made[0] if len(made) == 1 else tuple(made)


def _check_extents(input: Tensor, dim: int | None) -> None:
    if dim is None or input._data.size:
        return
    empty = [k for k, n in enumerate(input._data.shape) if not n]
    if len(empty) > 1:
        raise RuntimeError("Number of zero sized dimensions is more than one, so unique cannot be applied ")
    if empty[0] != wrapped_dim(dim, input.ndim):
        raise RuntimeError("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")


def _no_derivative(name: str, grad_fn: str):
    def backward(node, *_):
        raise NotImplementedError(f"the derivative for '{name}' is not implemented.")
    return kind(grad_fn, backward)


_UNIQUE, _UNIQUE_CONSECUTIVE = _no_derivative("_unique2", "Unique2Backward0"), _no_derivative("unique_consecutive", "UniqueConsecutiveBackward0")


def unique_consecutive(input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None):
    """The elements, or parts along an axis, without those that equal the one before."""
    _check_extents(input, dim)
    x = input._data.reshape(-1) if dim is None else np.moveaxis(input._data, dim, 0)
    changed = np.ones(len(x), bool)
    changed[1:] = (x[1:] != x[:-1]).any(tuple(range(1, x.ndim)))
    values = x[changed] if dim is None else np.moveaxis(x[changed], 0, dim)
    starts = np.flatnonzero(changed)
    inverse = (np.cumsum(changed) - 1).reshape(input._data.shape if dim is None else (-1,))
    made = [operation(_UNIQUE_CONSECUTIVE, (input,), np.ascontiguousarray(values)), *([made_of(inverse)] if return_inverse else []),
            *([made_of(np.diff(np.append(starts, len(x))))] if return_counts else [])]
    return made[0] if len(made) == 1 else tuple(made)


def searchsorted(sorted_sequence: Tensor, input, *, out_int32: bool = False, right: bool = False, side: str | None = None, sorter=None, out=None) -> Tensor:
    """Where values would be put into sorted lines, before or behind equal ones."""
    line, values = sorted_sequence._data, np.asarray(input._data if isinstance(input, Tensor) else input)
    right = right if side is None else side == "right"
    if sorter is not None:
        line = np.take_along_axis(line, sorter._data, -1)
    if line.ndim > 1 and line.shape[:-1] != values.shape[:-1]:
        raise RuntimeError("torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input "
                           "value tensor "
                           f"must match, but we got boundaries tensor {list(line.shape)} and input value tensor {list(values.shape)}")
    if line.dtype.kind == "b":
        raise NotImplementedError("\"searchsorted_out_cpu\" not implemented for 'Bool'")
    return made_of(np.asarray(_bisected(line, values, right), np.int32 if out_int32 else np.int64)[()])


def _bisected(line, values, right: bool):
    """By halves, as PyTorch, so that NaN goes to the same places, and so do numbers in lines that are not in order."""
    count = line.shape[-1]
    start, end = np.zeros(values.shape, np.int64), np.full(values.shape, count, np.int64)
    for _ in range(count.bit_length()):
        middle = start + (end - start) // 2
        places = np.minimum(middle, count - 1)
        at = line[places] if line.ndim == 1 else np.take_along_axis(line, places, -1)
        open_, behind = start < end, ~(at > values) if right else ~(at >= values)
        start, end = np.where(open_ & behind, middle + 1, start), np.where(open_ & ~behind, middle, end)
    return start


def bucketize(input, boundaries: Tensor, *, out_int32: bool = False, right: bool = False, out=None) -> Tensor:
    """Which interval between boundaries each value falls into."""
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each integer occurs, or the sum of its weights."""
    check_kernel("bincount_cpu", input, "iu")
    if input.ndim != 1 or (input._data < 0).any():
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if weights is not None and weights._data.shape != input._data.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    counted = np.bincount(input._data, None if weights is None else weights._data, minlength)
    return made_of(counted if weights is None else counted.astype(weights._data.dtype if weights._data.dtype.kind == "f" else np.float64))


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0, *, out=None) -> Tensor:
    """Counts in so many equal intervals."""
    x = input._data
    if x.dtype.kind == "b":
        check_kernel("linspace_cpu", input)
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    low, high = (x.min(), x.max()) if min == max and x.size else (min, max)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"torch.histc: range of [{low:g}, {high:g}] is not finite")
    if low > high:
        raise RuntimeError("torch.histc: max must be larger than min")
    check_kernel("histogram_cpu", input)
    low, high = (low - 1, high + 1) if low == high else (low, high)
    inside = x[(x >= low) & (x <= high)]
    places = np.minimum(((inside - low) * bins / (high - low)).astype(np.int64), bins - 1)
    return made_of(np.bincount(places, minlength=bins).astype(x.dtype))


def isin(elements, test_elements, *, assume_unique: bool = False, invert: bool = False, out=None) -> Tensor:
    """Which elements are among others."""
    for each in (elements, test_elements):
        if isinstance(each, Tensor) and each._data.dtype.kind == "b":
            raise RuntimeError("Unsupported input type encountered for isin(): Bool")
    given = [each._data if isinstance(each, Tensor) else each for each in (elements, test_elements)]
    return made_of(np.isin(*given, invert=invert)[()])


def _count_nonzero(input: Tensor, dim=None) -> Tensor:
    axes = None if dim is None else tuple([wrapped_dim(d, input.ndim) for d in ((dim,) if isinstance(dim, int) else dim)])
    return made_of(np.asarray(np.count_nonzero(input._data, axis=axes if input.ndim else None), np.int64)[()])


_count_nonzero.__name__, _count_nonzero.__doc__ = "count_nonzero", "How many elements are not zero, of all or along axes."


# Quantiles ------------------------------------------------------------------------------------------------------------------------------

def _quantile(name: str, skip_nan: bool):
    def function(input: Tensor, q, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear", out=None) -> Tensor:
        fractions = q._data if isinstance(q, Tensor) else np.asarray(q, input._data.dtype)
        _check_quantile(name, input, q, fractions, interpolation)
        axis = 0 if dim is None else wrapped_dim(dim, input.ndim)
        shape = list(input._data.shape)
        lines = input.flatten() if dim is None else input.unsqueeze(-1).transpose(axis, -1).squeeze(axis) if input.ndim > 1 else input
        lines = lines if lines.ndim else lines.reshape(1)
        ordered = sort(lines, -1)[0]
        extent = ordered._data.shape[-1]
        missing = np.isnan(ordered._data).sum(-1, keepdims=True)
        wanted = np.asarray(fractions).reshape(-1)
        last = extent - 1 - missing if skip_nan else np.full(missing.shape, extent - 1)
        places = wanted * np.maximum(last, 0).astype(wanted.dtype) + 0.0 * missing
        places = places if skip_nan else np.where(missing > 0, extent - 1, places)
        places = {"lower": np.floor, "higher": np.ceil, "nearest": np.rint}.get(interpolation, lambda p: p)(places)
        low = np.floor(places).astype(np.int64)
        made = gather(ordered, -1, made_of(low))
        if interpolation in ("linear", "midpoint"):
            weight = np.full(places.shape, 0.5) if interpolation == "midpoint" else places - low
            made = lerp(made, gather(ordered, -1, made_of(np.ceil(places).astype(np.int64))), made_of(weight.astype(input._data.dtype)))
        if keepdim:
            kept = [1] * len(shape) if dim is None else [1 if k == axis else n for k, n in enumerate(shape)]
            made = without_axis(made.unsqueeze(0).transpose(0, -1).reshape(wanted.size, *kept, 1), -1)
        elif not np.ndim(fractions):
            return updated(without_axis(made, -1), 2)
        else:
            made = without_axis(made.unsqueeze(0).transpose(0, -1), -1)
        return made if np.ndim(fractions) else without_axis(made, 0)
    function.__name__ = name
    function.__doc__ = "Quantiles of everything or along an axis, interpolated."
    return function


def _check_quantile(name: str, input: Tensor, q, fractions, interpolation: str) -> None:
    if input._data.dtype.kind != "f":
        raise RuntimeError("quantile() input tensor must be either float or double dtype")
    if not input._data.size:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if np.ndim(fractions) > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if isinstance(q, Tensor) and q.dtype is not input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if np.any((fractions < 0) | (fractions > 1)):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]" if np.ndim(fractions) else f"{name}() q must be in the range [0, 1] but got "
                                                                                                       f"{float(fractions):g}")
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise RuntimeError(f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}")


quantile, nanquantile = _quantile("quantile", False), _quantile("nanquantile", True)

FUNCTIONS = {f.__name__: f for f in (sort, argsort, msort, topk, kthvalue, median, nanmedian, mode, cummax, cummin, aminmax, unique, unique_consecutive,
                                     bincount, histc,
                                     _count_nonzero, quantile, nanquantile)}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
FUNCTIONS |= {f.__name__: f for f in (searchsorted, bucketize, isin)}
__all__ = ["FUNCTIONS"]
