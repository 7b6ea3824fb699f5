"""Constructors of old: ``torch.Tensor(2, 3)``, ``torch.FloatTensor([1, 2])``; and dtypes by their names."""

from __future__ import annotations

import re

import numpy as np

from ..dtypes import DTYPES, Dtype, get_default_dtype
from ..tensor import Size, Tensor
from ..words import type_name
from .basics import to
from .creation import check_sizes
from .sequences import array_of

_NAME = re.compile(r"torch\.(\w+Tensor)")


def _filled(self: Tensor, *given, dtype: Dtype | None = None, device=None) -> None:
    """``torch.Tensor(...)``: extents, a sequence of numbers, or a tensor whose memory is shared."""
    numpy = (dtype or get_default_dtype()).numpy
    if len(given) == 1 and isinstance(given[0], Tensor):
        self._data = given[0]._data
    elif not given:
        self._data = np.zeros(0, numpy)
    elif isinstance(given[0], int) or isinstance(given[0], Size):
        self._data = np.zeros(check_sizes("new", given), numpy)
    elif len(given) > 1:
        kinds = ", ".join([type_name(each) for each in given])
        raise TypeError(f"new() received an invalid combination of arguments - got ({kinds}), but expected (tuple of ints size) or (object data)")
    elif isinstance(given[0], str):
        raise TypeError("new(): invalid data type 'str'")
    elif not hasattr(given[0], "__len__"):
        raise TypeError(f"new(): data must be a sequence (got {type_name(given[0])})")
    else:
        self._data = array_of(given[0], dtype or get_default_dtype())[0]


class TensorType(type):
    """The type of ``torch.FloatTensor``, of which a tensor is an instance if it has the dtype."""

    dtype: Dtype

    def __call__(cls, *given, device=None) -> Tensor:
        made = object.__new__(Tensor)
        _filled(made, *given, dtype=cls.dtype)
        if made.dtype is not cls.dtype:
            raise TypeError(f"expected a tensor of {cls.dtype} (got one of {made.dtype})")
        return made

    def __instancecheck__(cls, value) -> bool:
        return isinstance(value, Tensor) and value.dtype is cls.dtype

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


def type_of(input: Tensor, dtype=None, non_blocking: bool = False):
    """The name of the tensor's type, or the tensor in another dtype: one of ours, a name, a constructor."""
    if dtype is None:
        return f"torch.{input.dtype.legacy}Tensor"
    if isinstance(dtype, TensorType):
        return to(input, dtype.dtype)
    if isinstance(dtype, Dtype):
        return to(input, dtype)
    if dtype is Tensor:
        return to(input, get_default_dtype())
    if not isinstance(dtype, (str, type)):
        raise TypeError("dtype must be a type, str, or dtype object")
    name = dtype if isinstance(dtype, str) else dtype.__name__
    found = _NAME.fullmatch(name)
    if found is None or found[1] not in TYPES:
        raise ValueError(f"invalid type: '{name}'")
    return to(input, TYPES[found[1]].dtype)


TYPES = {f"{dtype.legacy}Tensor": TensorType(f"{dtype.legacy}Tensor", (), {"dtype": dtype, "__doc__": f"A tensor of {dtype}."}) for dtype in DTYPES.values()}
def _new(self: Tensor, *given) -> Tensor:
    """The constructor of this tensor's dtype: extents, a sequence of numbers, or a tensor."""
    return TYPES[f"{self.dtype.legacy}Tensor"](*given)


Tensor.__init__, Tensor.new, Tensor.type = _filled, _new, type_of
FUNCTIONS: dict = {}
