"""``x[mask]`` with a traced mask: elements of which nobody knows how many there are while the graph is built.

They stay at their places, with the mask beside them: what is computed with each of them is computed everywhere, a reduction takes those
that the mask picks, and a write with the same mask puts each where it came from.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np

from ...errors import UnsupportedError, VaryingLengthError
from ...graph.node import user_line
from ..value import Traced, as_traced
from .common import axes_of, cast, reshaped

_ELEMENTWISE = frozenset((np.clip, np.where, np.round, np.nan_to_num, np.real, np.sinc, np.zeros_like, np.ones_like))
_REDUCE = {np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min, np.logical_or: np.any, np.logical_and: np.all}
_PRODUCTS = frozenset((np.dot, np.vdot, np.inner, np.matmul))


class Picked(np.lib.mixins.NDArrayOperatorsMixin):
    """The elements of ``values`` that ``mask``, over its leading axes, picks: one axis of them, then the axes that are left."""

    __slots__ = ("mask", "values")
    __hash__ = None

    def __init__(self, mask: Traced, values: Traced):
        self.mask = mask
        self.values = values

    @property
    def dtype(self) -> np.dtype:
        return self.values.dtype

    @property
    def ndim(self) -> int:
        return 1 + self.values.ndim - self.mask.ndim

    @property
    def shape(self) -> tuple:
        return (self.count, *self.values.shape[self.mask.ndim:])

    @property
    def size(self) -> Traced:
        """How many elements, as a traced integer."""
        return self.count * int(np.prod(self.values.shape[self.mask.ndim:]))

    @property
    def count(self) -> Traced:
        return np.sum(self.mask)

    def everywhere(self) -> Traced:
        """The mask, of the shape of the values."""
        return np.broadcast_to(reshaped(self.mask, self.mask.shape + (1,) * (self.ndim - 1)), self.values.shape)

    def __repr__(self) -> str:
        return f"Picked<{self.values.node.type} by {self.mask.node.op.name}>"

    def refuse(self, what: str) -> VaryingLengthError:
        line = user_line(self.mask.node)
        return VaryingLengthError(
            f"{what} of x[mask] with a traced mask{f' ({line})' if line else ''}: how many elements it picks is not known while the graph is built. "
            f"Element-wise functions and reductions of it work, and writes with the same mask; np.where(mask, x, 0.0) keeps the shape.")

    def __array__(self, dtype=None, copy=None):
        raise self.refuse("the array")

    def __len__(self) -> int:
        raise self.refuse("len() (np.count_nonzero(mask) is traced)")

    def __iter__(self):
        raise self.refuse("iteration")

    def __bool__(self) -> bool:
        raise self.refuse("the truth")

    def __getitem__(self, index):
        if type(index) is Picked and index.dtype == np.bool_ and index.values.ndim == self.mask.ndim and _same(index, self):
            return Picked(np.logical_and(self.mask, index.values), self.values)
        raise self.refuse("an element")

    def __setitem__(self, index, value):
        raise self.refuse("an element")

    def __getattr__(self, name: str):
        function = _METHODS.get(name)
        if function is not None:
            return lambda *args, **kwargs: function(self, *args, **kwargs)
        if hasattr(np.ndarray, name):
            raise self.refuse(f".{name}")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def astype(self, dtype, **_):
        return Picked(self.mask, self.values.astype(dtype))

    def copy(self, order="C"):
        return Picked(self.mask, self.values)

    # -- NumPy's protocols -----------------------------------------------------------------------------------------
    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        picked = next(each for each in inputs if isinstance(each, Picked))
        if method == "reduce" and ufunc in _REDUCE and out is None:
            return _REDUCE[ufunc](picked, **({"axis": 0} | kwargs))
        if ufunc is np.matmul and not kwargs and out is None:
            return _product(*inputs)
        if method != "__call__" or kwargs or not (out is None or (len(out) == 1 and type(out[0]) is Picked)):
            raise self.refuse(f"np.{ufunc.__name__}{'' if method == '__call__' else '.' + method}")
        operands = [picked.partner(each) for each in inputs]
        result = operator.pow(*operands) if ufunc is np.power else ufunc(*operands)
        if out is None:
            return tuple([Picked(picked.mask, each) for each in result]) if type(result) is tuple else Picked(picked.mask, result)
        target, = out
        target.partner(picked)
        if not np.can_cast(result.dtype, target.dtype, "same_kind"):
            raise TypeError(f"Cannot cast ufunc '{ufunc.__name__}' output from {result.dtype!r} to {target.dtype!r} with casting rule 'same_kind'")
        target.values = cast(result, target.dtype)
        return target

    def __array_function__(self, function, types, args, kwargs):
        implementation = FUNCTIONS_OF_PICKED.get(function)
        if implementation is not None:
            return implementation(*args, **kwargs)
        picked = next((each for each in args if isinstance(each, Picked)), None)
        if picked is None or function not in _ELEMENTWISE:
            raise self.refuse(f"np.{function.__name__}")
        result = function(*map(picked.partner, args), **{name: picked.partner(value) for name, value in kwargs.items()})
        return Picked(picked.mask, result)

    def partner(self, other):
        """What stands beside the values in an element-wise operation."""
        if isinstance(other, Picked):
            if _same(other, self) and other.values.ndim == self.values.ndim:
                return other.values
            raise self.refuse("an operation with the elements that another mask picks")
        if np.ndim(other) < self.ndim:
            return other
        raise self.refuse("an operation with an array")


class Places(Picked):
    """Along one axis, the places that a mask picks: what ``np.where(mask)`` and ``np.nonzero`` give."""

    __slots__ = ("axis",)

    def __getitem__(self, index):
        if index == 0 and self.mask.ndim == 1:
            return np.argmax(self.mask)
        if index == -1 and self.mask.ndim == 1:
            return self.mask.shape[0] - 1 - np.argmax(self.mask[::-1])
        raise self.refuse("an element")


def places(mask: Traced) -> tuple[Places, ...]:
    """``np.nonzero``: for each axis the places where something is not zero."""
    mask = mask if mask.dtype == np.bool_ else mask != 0
    found = []
    for axis, n in enumerate(mask.shape):
        line = np.arange(n).reshape(tuple([n if k == axis else 1 for k in range(mask.ndim)]))
        found.append(Places(mask, as_traced(np.broadcast_to(line, mask.shape), mask.owner)))
        found[-1].axis = axis
    return tuple(found)


def without_places(index):
    """An index with the mask itself where it is the places that a mask picks."""
    entries = index if type(index) is tuple else (index,)
    if not entries or any(type(each) is not Places for each in entries):
        return index
    first = entries[0]
    is_whole = [each.axis for each in entries] == list(range(first.mask.ndim)) and all(_same(each, first) for each in entries)
    if not is_whole:
        raise first.refuse("an index of some of the places")
    return first.mask


def _same(a: Picked, b: Picked) -> bool:
    return a.mask.node is b.mask.node


def pick(x: Traced, mask: Traced) -> Picked:
    """``x[mask]``."""
    check_mask(mask.shape, x.shape)
    return Picked(Traced(mask.node, mask.owner), Traced(x.node, x.owner))


def check_mask(shape: tuple[int, ...], of: tuple[int, ...]) -> None:
    """Refuse, as NumPy does, a mask that does not fit the leading axes of an array."""
    if len(shape) > len(of):
        raise IndexError(f"too many indices for array: array is {len(of)}-dimensional, but {len(shape)} were indexed")
    for axis, (n, m) in enumerate(zip(shape, of)):
        if n != m:
            raise IndexError(f"boolean index did not match indexed array along axis {axis}; size of axis is {m} "
                             f"but size of corresponding boolean axis is {n}")


def values_for(value: Picked, mask: Traced) -> Traced:
    """What ``x[mask] = value`` writes: values at all places, of which the mask takes some."""
    if value.mask.node is not mask.node or value.ndim > 1 + value.values.ndim - mask.ndim:
        raise UnsupportedError("x[mask] = y[other] with two traced masks: whether they pick equally many elements is not known while the graph is built. "
                               "Use one mask for both, or np.where.")
    return value.values


# Reductions -------------------------------------------------------------------------------------------------------------

def _axes(picked: Picked, axis) -> tuple[tuple[int, ...], bool]:
    """The axes of the values, and whether the picked one is among them."""
    axes, masked = axes_of(axis, picked.ndim), picked.mask.ndim
    inner = tuple([a - 1 + masked for a in axes if a])
    return (tuple(range(masked)) + inner, True) if 0 in axes else (inner, False)


def _reduction(function: Callable, of_all: Callable) -> Callable:
    def reduce(a, axis=None, **kwargs):
        if any([kwargs.pop(name, default) not in (default, np._NoValue) for name, default in (("keepdims", False), ("out", None))]) or "where" in kwargs:
            raise a.refuse(f"np.{function.__name__} with keepdims=, out= or where=")
        axes, is_whole = _axes(a, axis)
        if not is_whole:
            return Picked(a.mask, function(a.values, axis=axes, **kwargs))
        return of_all(a, axes, kwargs)
    return reduce


def _with_where(function: Callable) -> Callable:
    return _reduction(function, lambda a, axes, kwargs: function(a.values, axis=axes, where=a.everywhere(), **kwargs))


def _extreme(function: Callable, last: float) -> Callable:
    """Largest or smallest; of no elements, where NumPy has an error, NaN (of integers the last that there is)."""
    def of_all(a, axes, kwargs):
        is_float = a.dtype.kind == "f"
        if a.dtype.kind == "b" or kwargs:
            raise a.refuse(f"np.{function.__name__} of bools, or with initial=,")
        limits = np.iinfo(a.dtype) if not is_float else None
        least = last if is_float else (limits.max if last > 0 else limits.min)
        found = function(np.where(a.everywhere(), a.values, a.dtype.type(least)), axis=axes)
        return np.where(np.any(a.mask), found, a.dtype.type(np.nan)) if is_float else found
    return _reduction(function, of_all)


def _product(a, b) -> Traced:
    """The inner product of two vectors."""
    picked = a if type(a) is Picked else b
    if type(a) is not Picked or type(b) is not Picked or a.ndim != 1 or b.ndim != 1:
        raise picked.refuse("a product with an array")
    return np.sum(a * b)


def _norm(x, ord=None, axis=None, keepdims=False):
    if ord not in (None, 2) or axis is not None or keepdims:
        raise x.refuse("np.linalg.norm with ord=, axis= or keepdims=")
    return np.linalg.norm(np.where(x.everywhere(), x.values, 0.0).ravel())


FUNCTIONS_OF_PICKED: dict[Callable, Callable] = {
    **{f: _with_where(f) for f in (np.sum, np.prod, np.mean, np.var, np.std, np.any, np.all)},
    **{f: _extreme(f, -np.inf) for f in (np.max, np.amax)},
    **{f: _extreme(f, np.inf) for f in (np.min, np.amin)},
    np.count_nonzero: lambda a: np.sum(a != 0),
    np.size: lambda a: a.size,
    np.ptp: lambda a, axis=None: np.max(a, axis=axis) - np.min(a, axis=axis),
    np.copy: lambda a, order="K", subok=False: a.copy(),
    np.linalg.norm: _norm,
    **{f: _product for f in _PRODUCTS},
}
_METHODS = {name: getattr(np, name) for name in ("sum", "prod", "mean", "var", "std", "any", "all", "max", "min", "ptp", "clip", "round", "dot")}
