"""Python's built-in functions on traced values. Each does what Python does when nothing traced comes in."""

from __future__ import annotations

import builtins
import functools
import sys
import types
from collections.abc import Callable

import numpy as np

from ..errors import TracedConversionError, UnsupportedError
from ..graph.node import user_line
from .buffers import Buffer
from .context import user_line_of, user_location
from .functions import FUNCTIONS
from .math_functions import any_traced
from .numpy_api.common import find_trace
from .static import SEEN_CLASS
from .value import Traced, as_traced, cast

FLOAT64 = np.dtype(np.float64)


class _Like(type):
    """The class of what stands for a builtin type: to everyone who asks, it is that type."""

    stands_for: type

    def __instancecheck__(cls, value):
        return builtins.isinstance(value, cls.stands_for)

    def __subclasscheck__(cls, other):
        return issubclass(other, cls.stands_for)

    def __repr__(cls):
        return repr(cls.stands_for)

    def __eq__(cls, other):
        return other is cls or other is cls.stands_for

    def __hash__(cls):
        return hash(cls.stands_for)


class Float(float, metaclass=_Like):
    """``float``: of a traced number the number itself, which stays in the graph."""

    stands_for = float
    dtype = FLOAT64

    def __new__(cls, value=0.0, /):
        if type(value) is Traced:
            _check_is_number(value, "float")
            return Traced(cast(value, FLOAT64).node, value.owner, float)
        return float(value)


class Int(int, metaclass=_Like):
    """``int``: of a traced integer that the arguments tell its value, of one that the data tell the integer itself; floats are refused."""

    stands_for = int
    dtype = np.dtype(np.int64)

    def __new__(cls, value=0, /, *base):
        if type(value) is Traced and value.weak is int and value.node.type.is_float:
            return value  # what math.floor gives
        if type(value) is Traced and not value.node.type.is_float:
            _check_is_number(value, "int")
            if value.owner.depends_on_integers_only(value.node):
                return int(value)
            return Traced(cast(value, cls.dtype).node, value.owner, int)
        return int(value, *base)


def _check_is_number(value: Traced, name: str) -> None:
    if value.size != 1:
        raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
    if value.ndim:
        raise TracedConversionError(f"{name}() of a traced array of shape {value.shape} ({user_line(value.node) or user_line_of(user_location(2))}): "
                                    f"NumPy deprecates it. Take the element: x[0].")


def _extreme(original: Callable, better: Callable) -> Callable:
    def implementation(*values, key=None, **default):
        values = list(values[0]) if len(values) == 1 else list(values)
        if not values or not any_traced(values):
            return original(values, key=key, **default)
        keys = values if key is None else [key(value) for value in values]
        best, best_key = values[0], keys[0]
        for value, each in zip(values[1:], keys[1:]):
            # As Python has it: the first stays unless a later one is better.
            is_better = better(each, best_key)
            if type(is_better) is not Traced:
                best, best_key = (value, each) if is_better else (best, best_key)
                continue
            best, best_key = np.where(is_better, value, best), np.where(is_better, each, best_key)
            if type(best) is Traced and all(type(v) in (int, float) or (type(v) is Traced and v.weak) for v in values):
                best = Traced(best.node, best.owner, float if best.node.type.is_float else int)
        return best

    @functools.wraps(original)
    def call(*args, **kwargs):
        if len(args) == 1 and type(args[0]) not in (Traced, list, tuple) and hasattr(args[0], "__next__"):
            args = (list(args[0]),)
        return (implementation if any_traced(args) else original)(*args, **kwargs)
    return call


def _sum(values, /, start=0):
    """``sum``: of a traced vector NumPy's."""
    if type(values) is Traced and values.ndim == 1:
        return np.sum(values) + start if type(start) is Traced or start != 0 else np.sum(values)
    return builtins.sum(values, start)


def _quantified(original: Callable, ufunc) -> Callable:
    """``any``, ``all``: of traced conditions one traced condition."""
    @functools.wraps(original)
    def call(values, /):
        values = list(values)
        if not any_traced(values):
            return original(values)
        total = original([v for v in values if type(v) is not Traced])
        for value in values:
            if type(value) is Traced:
                total = ufunc(total, value)
        return total
    return call


def _sample(value):
    """Something of the kind that stands behind a traced value."""
    if type(value) is Buffer:
        return value.memory.array
    if value.weak is not None:
        return value.weak(1)
    return np.empty((0,) * value.ndim, value.dtype) if value.ndim else value.dtype.type(1)


def _isinstance(value, kinds, /) -> bool:
    """``isinstance``: traced values are what they stand for."""
    return builtins.isinstance(_sample(value) if type(value) in (Traced, Buffer) else value, _original(kinds))


def _original(kinds):
    if builtins.isinstance(kinds, tuple):
        return tuple(map(_original, kinds))
    return vars(kinds).get(SEEN_CLASS, kinds) if builtins.isinstance(kinds, type) else kinds


class _LikeType(_Like):
    def __call__(cls, *args, **kwargs):
        return type_of(*args) if len(args) == 1 and not kwargs else type(*args, **kwargs)


class Type(type, metaclass=_LikeType):
    """``type``: that of a traced value is the type of what it stands for."""

    stands_for = type


_STAND_INS = {float: Float, int: Int}
for _kind, _stand_in in _STAND_INS.items():
    _stand_in.__name__ = _stand_in.__qualname__ = _kind.__name__


def type_of(value) -> type:
    """The type that a traced function sees: for numbers the one that their names mean there."""
    kind = type(_sample(value)) if type(value) in (Traced, Buffer) else type(value)
    return _STAND_INS.get(kind, kind)


def _sorted(values, /, *, key=None, reverse=False):
    """``sorted``: of traced numbers by an order that is found when the graph runs."""
    values = list(values)
    keys = values if key is None else [key(each) for each in values]
    if not any(type(each) is Traced for each in keys) or len(keys) < 2:
        return sorted(values, key=key, reverse=reverse)  # also pairs, of which the first parts are known and differ
    if any(np.ndim(each) for each in (*keys, *values)):
        raise UnsupportedError(f"sorted() by traced keys of anything but numbers ({user_line_of(user_location(2))}): which element comes first is not known "
                               f"while the graph is built. Sort arrays: order = np.argsort(keys), then x[order] for each of them.")
    order = FUNCTIONS[np.argsort](as_traced(keys, find_trace(keys))) if not reverse else FUNCTIONS[np.argsort](-as_traced(keys, find_trace(keys)))
    picked = as_traced(values, order.owner)[order]
    weak = {each.weak if type(each) is Traced else type(each) for each in values}
    return [Traced(each.node, each.owner, float) if weak <= {float, int} and each.dtype.kind == "f" else each for each in picked]


class Super:
    """``super`` in methods that are seen through: the methods of base classes are seen through too. ``see``: what stands for a function."""

    def __init__(self, see: Callable):
        self.see = see

    def __call__(self, *args):
        if not args:
            frame = sys._getframe(1)  # as Python's own finds the class and the instance
            args = frame.f_locals["__class__"], frame.f_locals[frame.f_code.co_varnames[0]]
        return _Bases.__new__(_Bases, self.see, super(*args))


class _Bases:
    """What ``super()`` returns."""

    __slots__ = ("found", "see")

    def __new__(cls, see: Callable, found: super):
        self = object.__new__(cls)
        _Bases.see.__set__(self, see)
        _Bases.found.__set__(self, found)
        return self

    def __getattribute__(self, name: str):
        value = getattr(_Bases.found.__get__(self), name)
        if builtins.isinstance(value, types.MethodType) and builtins.isinstance(value.__func__, types.FunctionType):
            return types.MethodType(_Bases.see.__get__(self)(value.__func__), value.__self__)
        return value


BUILTINS: dict[str, Callable] = {
    "float": Float, "int": Int, "isinstance": _isinstance, "sum": _sum,
    "max": _extreme(max, lambda a, b: a > b), "min": _extreme(min, lambda a, b: a < b),
    "sorted": _sorted, "type": Type,
    "any": _quantified(any, np.logical_or), "all": _quantified(all, np.logical_and),
}
