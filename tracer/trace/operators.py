"""Operators and methods of traced values: ufuncs, except that Python scalars stay weak. Importing this module installs them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..graph.op import Op
from ..ops import UFUNCS
from .context import user_location
from .functions import FUNCTIONS, call, unsupported
from .value import PYTHON, WEAK, Traced, cast, elementwise


def _of_floats(op: Op, ufunc) -> type | None:
    """The Python type of the result on two Python floats; None where NumPy has no such loop."""
    try:
        return PYTHON[np.asarray(ufunc(1.0, 1.0)).dtype.kind]
    except TypeError:
        return None


def _binary(ufunc, reflected: bool = False):
    op = UFUNCS[ufunc]
    of_floats = _of_floats(op, ufunc)
    of_bits = of_floats is None

    def operator(self, other):
        kind = type(other)
        if self.weak is int or (of_bits and kind is Traced):
            self, other = _whole(self), _whole(other)  # what math.floor gives computes as the integer that it is
        node, trace, weak = self.node, self.owner, self.weak
        # Most operations of most programs: two floats of one dtype, or one and a Python number. Half the time of the way below.
        if node.type.is_float and of_floats is not None and weak is not int and trace.active:
            partner = None
            if kind is float or kind is int:
                partner = trace.builder.constant(other, node.type.dtype)
            elif kind is Traced and other.node.type.dtype is node.type.dtype and other.owner is trace:
                partner, weak = other.node, weak and other.weak
            if partner is not None:
                nodes = (partner, node) if reflected else (node, partner)
                return Traced(trace.builder.node(op, nodes, (), trace.location or user_location()), trace, weak and of_floats)
        if kind not in (Traced, float, int, bool) and not isinstance(other, (np.ndarray, np.generic, list, tuple, int, float, complex)):
            if not hasattr(kind, "to_numpy"):
                return NotImplemented
            other, kind = other.to_numpy(), np.ndarray  # of a table that the function holds, as a Series of pandas
        if weak is int and ufunc is np.multiply and kind in (list, tuple):
            return NotImplemented  # Python then repeats the sequence, by __index__
        result = None
        if weak and (kind in WEAK or (kind is Traced and other.weak)):
            other_weak = other.weak if kind is Traced else kind
            result = PYTHON[np.asarray(op.evaluate(weak(1), other_weak(1))).dtype.kind]
        return elementwise(op, (other, self) if reflected else (self, other), result)
    return operator


def _whole(value):
    """What math.floor gives as an integer that has bits; anything else as it is."""
    if type(value) is Traced and value.weak is int and value.node.type.is_float:
        return Traced(cast(value, np.dtype(np.int64)).node, value.owner, int)
    return value


# What NumPy's arrays make of these exponents in `x ** n` (but not in np.power). On scalars a root is C's pow, which differs at -inf and -0.0.
_FAST_POWERS = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal}


def _power(self, exponent):
    if type(exponent) in (int, float) and self.node.type.is_float and exponent in _FAST_POWERS and (exponent != 0.5 or self.node.type.shape):
        return elementwise(UFUNCS[_FAST_POWERS[exponent]], (self,), self.weak)
    return _general_power(self, exponent)


_general_power = _binary(np.power)


def _in_place(ufunc, operator: Callable) -> Callable:
    """``x += y``: another number for a number; for an array a write, which whoever holds the array sees."""
    def in_place(self, other):
        if self.memory is None and not self.node.type.shape:
            return operator(self, other)
        return FUNCTIONS["in_place"](self, ufunc, other)
    return in_place


def _unary(ufunc):
    op = UFUNCS[ufunc]
    return lambda self: elementwise(op, (self,), self.weak)


def _numbers(value):
    return value.to_numpy() if hasattr(type(value), "to_numpy") else value


def _install_operators():
    Traced.__matmul__ = lambda self, other: FUNCTIONS[np.matmul](self, _numbers(other))
    Traced.__rmatmul__ = lambda self, other: FUNCTIONS[np.matmul](_numbers(other), self)
    binary = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "floordiv": np.floor_divide,
              "mod": np.remainder, "pow": np.power, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
              "lshift": np.left_shift, "rshift": np.right_shift}
    for name, ufunc in binary.items():
        setattr(Traced, f"__{name}__", _binary(ufunc))
        setattr(Traced, f"__r{name}__", _binary(ufunc, reflected=True))
    Traced.__pow__ = _power
    for name, ufunc in {"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
                        "eq": np.equal, "ne": np.not_equal}.items():
        setattr(Traced, f"__{name}__", _binary(ufunc))
    for name, ufunc in {"neg": np.negative, "abs": np.absolute, "invert": np.invert}.items():
        setattr(Traced, f"__{name}__", _unary(ufunc))
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift", "matmul"):
        setattr(Traced, f"__i{name}__", _in_place(binary.get(name, np.matmul), getattr(Traced, f"__{name}__")))
    Traced.__pos__ = lambda self: FUNCTIONS["copy"](self)
    Traced.__divmod__ = lambda self, other: (self // other, self % other)
    Traced.__rdivmod__ = lambda self, other: (other // self, other % self)
    Traced.__round__ = _rounded
    methods = ("sum", "prod", "mean", "max", "min", "var", "std", "argmax", "argmin", "argsort", "any", "all", "cumsum", "cumprod", "ravel", "reshape",
               "transpose", "squeeze", "swapaxes", "dot", "clip", "round", "repeat", "take", "diagonal", "trace", "ptp", "nonzero")
    for name in methods:
        setattr(Traced, name, _method(name))
    Traced.flatten = lambda self, order="C": FUNCTIONS["copy"](FUNCTIONS[np.ravel](self, order))
    Traced.conj = Traced.conjugate = lambda self: self


def _rounded(value: Traced, digits=None):
    """``round``: of a number, without digits, a whole one that indexes, as math.floor gives it."""
    rounded = FUNCTIONS[np.round](value, digits or 0)
    return Traced(rounded.node, rounded.owner, int) if digits is None and not value.shape and value.node.type.is_float else rounded


def _method(name: str):
    function = getattr(np, name)

    def method(self, *args, **kwargs):
        implementation = FUNCTIONS.get(function)
        if implementation is None:
            raise unsupported(function)
        if name in ("reshape", "transpose") and len(args) > 1:
            args = (args,)
        return call(function, (self, *args), kwargs)
    method.__name__ = name
    return method


_install_operators()
