"""Python's operators on tensors: their operands are tensors and numbers, and anything else is asked for its own operator, NumPy's arrays first.

Sums, differences, products, quotients and powers with a tensor on the left are written for speed, in ``operations/arithmetic.py`` and ``powers.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .dtypes import of_numpy
from .inplace import FUNCTIONS as IN_PLACE
from .operations import FUNCTIONS
from .operations.basics import numpy
from .tensor import Tensor, made_of

OPERANDS = (Tensor, int, float, np.number, np.bool_)


def _from_left(function: Callable) -> Callable:
    def operator(self, other):
        return function(self, other) if isinstance(other, OPERANDS) else NotImplemented
    return operator


def _from_right(function: Callable) -> Callable:
    def operator(self, other):
        return function(other, self) if isinstance(other, OPERANDS) else NotImplemented
    return operator


def _with_number_first(function: Callable) -> Callable:
    """For functions whose first operand is a tensor."""
    def operator(self, other):
        if not isinstance(other, OPERANDS):
            return NotImplemented
        return function(other if isinstance(other, Tensor) else made_of(np.asarray(other)[()]), self)
    return operator


def _array_wrap(self: Tensor, array: np.ndarray, context=None, return_scalar: bool = False) -> Tensor:
    """What NumPy's functions make of a tensor is a tensor again; there are no bools among these."""
    array = array.astype(np.uint8) if array.dtype == bool else np.asarray(array)
    of_numpy(array.dtype)
    return made_of(array if array.ndim else array[()])


def _array(self: Tensor, dtype=None, copy=None) -> np.ndarray:
    array = numpy(self)
    return array if dtype is None else array.astype(dtype, copy=False)


def _equal(self: Tensor, other):
    """Arrays are compared with like tensors; the other comparisons leave them to NumPy."""
    if isinstance(other, np.ndarray):
        other = made_of(np.array(other)[()])
    return FUNCTIONS["eq"](self, other) if isinstance(other, OPERANDS) else NotImplemented


def _reversed(self: Tensor) -> Tensor:
    return self.flip(0) if self._data.ndim else self


def _not_deleted(self: Tensor, index) -> None:
    raise TypeError("Tensor does not support deleting items")


for _symbol, _name in {"floordiv": "floor_divide", "mod": "remainder", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
                       "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift"}.items():
    setattr(Tensor, f"__{_symbol}__", _from_left(FUNCTIONS[_name]))
for _symbol, _name in {"rmod": "remainder", "rpow": "pow"}.items():
    setattr(Tensor, f"__{_symbol}__", _from_right(FUNCTIONS[_name]))
for _symbol, _name in {"rfloordiv": "floor_divide", "rlshift": "bitwise_left_shift", "rrshift": "bitwise_right_shift"}.items():
    setattr(Tensor, f"__{_symbol}__", _with_number_first(FUNCTIONS[_name]))
Tensor.__rand__, Tensor.__ror__, Tensor.__rxor__ = Tensor.__and__, Tensor.__or__, Tensor.__xor__
for _symbol, _name in {"iadd": "add_", "isub": "sub_", "imul": "mul_", "itruediv": "div_", "ipow": "pow_", "ifloordiv": "floor_divide_", "imod": "remainder_",
                       "iand": "bitwise_and_", "ior": "bitwise_or_", "ixor": "bitwise_xor_"}.items():
    setattr(Tensor, f"__{_symbol}__", _from_left(IN_PLACE[_name]))
Tensor.__eq__, Tensor.__array__, Tensor.__array_wrap__ = _equal, _array, _array_wrap
Tensor.__delitem__, Tensor.__reversed__ = _not_deleted, _reversed
