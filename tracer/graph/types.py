"""Array types: a dtype and a shape, interned so that identity is equality."""

from __future__ import annotations

import math

import numpy as np

FLOATS = ("float64", "float32")
INTEGERS = ("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8")
SUPPORTED = frozenset((*FLOATS, *INTEGERS, "bool"))
NATIVE = frozenset(map(np.dtype, SUPPORTED))   # asked for itself: a dtype's name is made anew each time (1 µs)


class ArrayType:
    """The type of a node: ``dtype`` (a :class:`numpy.dtype`) and ``shape`` (a tuple of ints).

    Made by :func:`array_type` only; two types are equal exactly when they are the same object.
    """

    __slots__ = ("dtype", "shape", "ndim", "size", "is_float", "is_bool", "is_integer")

    def __init__(self, dtype: np.dtype, shape: tuple[int, ...]):
        self.dtype = dtype
        self.shape = shape
        self.ndim = len(shape)
        self.size = math.prod(shape)
        self.is_float = dtype.kind == "f"
        self.is_bool = dtype.kind == "b"
        self.is_integer = dtype.kind in "iu"

    def __repr__(self) -> str:
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]"

    def __reduce__(self):
        return array_type, (self.dtype.str, self.shape)

    def with_shape(self, shape: tuple[int, ...]) -> ArrayType:
        """The same dtype with another shape."""
        return array_type(self.dtype, shape)

    def with_dtype(self, dtype) -> ArrayType:
        """The same shape with another dtype."""
        return array_type(dtype, self.shape)


_interned: dict[tuple, ArrayType] = {}


def array_type(dtype, shape: tuple[int, ...] = ()) -> ArrayType:
    """The one ArrayType of this dtype and shape."""
    key = (dtype, shape)
    found = _interned.get(key)
    if found is None:
        dtype = np.dtype(dtype)
        if dtype.name not in SUPPORTED:
            raise TypeError(f"dtype {dtype} is not supported; use one of {', '.join(sorted(SUPPORTED))}")
        canonical = (dtype, tuple(int(n) for n in shape))
        found = _interned.setdefault(canonical, ArrayType(*canonical))
        _interned[key] = found
    return found


FLOAT64 = array_type("float64")
FLOAT32 = array_type("float32")
INT64 = array_type("int64")
BOOL = array_type("bool")
