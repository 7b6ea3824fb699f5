"""Comparisons, and the operations of logic and of bits: no gradient goes through them."""

from __future__ import annotations

import numpy as np

from ..geometry import in_layout_of
from ..record import broadcast_shape, data_of, in_common
from ..tensor import Tensor, made_of
from .arithmetic import is_number
from .elementwise import RECORDED
from .operands import check_operands


def _comparison(name: str, ufunc):
    def function(input, other, *, out=None) -> Tensor:
        if not isinstance(input, Tensor) or not (isinstance(other, Tensor) or is_number(other)):
            check_operands(name, input, other)
        a, b = input, other
        if isinstance(b, Tensor):
            broadcast_shape(a._data.shape, b._data.shape)
        _, (x, y) = in_common(a, b)
        return made_of(in_layout_of(ufunc(x, y), data_of(a), data_of(b)))
    function.__name__ = name
    function.__doc__ = f"``{ufunc.__name__}`` of the elements, as bools."
    return function


COMPARISONS = {name: _comparison(name, ufunc) for name, ufunc in {"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
                                                                  "eq": np.equal, "ne": np.not_equal}.items()}


def _compared(name: str):
    function = COMPARISONS[name]

    def operator(self, other):
        return function(self, other) if isinstance(other, Tensor) or is_number(other) else NotImplemented
    return operator


def _logical(name: str, ufunc):
    def function(input, other=None, *, out=None) -> Tensor:
        if ufunc.nin == 2:
            check_operands(name, input, other)
        given = [input._data] if other is None else [input._data, other._data if isinstance(other, Tensor) else other]
        return made_of(in_layout_of(ufunc(*given), *given))
    function.__name__ = name
    function.__doc__ = f"``{ufunc.__name__}`` of the elements."
    return function


LOGICAL = {f.__name__: f for f in (_logical("logical_and", np.logical_and), _logical("logical_or", np.logical_or), _logical("logical_xor", np.logical_xor),
                                   _logical("logical_not", np.logical_not), _logical("isnan", np.isnan), _logical("isinf", np.isinf),
                                   _logical("isfinite", np.isfinite), _logical("signbit", np.signbit))}


def _bitwise(name: str, ufunc):
    shift = f"{name[8]}shift" if name.endswith("shift") else ""  # the name of the kernel
    def function(input, other, *, out=None) -> Tensor:
        check_operands(name, input, other)
        dtype, (x, y) = in_common(input, other)
        if dtype.is_floating_point or (shift and dtype.numpy.kind == "b"):
            raise NotImplementedError(f'"{shift or name}_cpu" not implemented for \'{dtype.legacy}\'')
        return made_of(in_layout_of(ufunc(x, y), data_of(input), data_of(other)))
    function.__name__ = name
    function.__doc__ = f"``{ufunc.__name__}`` of integers or bools."
    return function


BITWISE = {name: _bitwise(name, ufunc) for name, ufunc in {"bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor,
                                                           "bitwise_left_shift": np.left_shift, "bitwise_right_shift": np.right_shift}.items()}


def bitwise_not(input, *, out=None) -> Tensor:
    """The bits inverted; ``not`` of bools."""
    if input._data.dtype.kind == "f":
        raise NotImplementedError(f"\"bitwise_not_cpu\" not implemented for '{input.dtype.legacy}'")
    return made_of(np.invert(input._data))


FUNCTIONS = COMPARISONS | LOGICAL | BITWISE | {"bitwise_not": bitwise_not, "greater": COMPARISONS["gt"], "greater_equal": COMPARISONS["ge"],
                                               "less": COMPARISONS["lt"], "less_equal": COMPARISONS["le"], "not_equal": COMPARISONS["ne"]}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
for _name in COMPARISONS:
    setattr(Tensor, f"__{_name}__", _compared(_name))


def _inverted(self: Tensor) -> Tensor:
    if self._data.dtype.kind == "f":
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return bitwise_not(self)


Tensor.__invert__ = _inverted
RECORDED.update({np.equal: lambda a, b: a == b, np.less: lambda a, b: a < b, np.greater: lambda a, b: a > b, np.isnan: LOGICAL["isnan"]})
