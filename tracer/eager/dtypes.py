"""PyTorch's dtypes and the promotion between them.

Dtypes are objects of our own, which print as PyTorch's do. Promotion follows ``torch.result_type``: tensors with dimensions count before 0-d
tensors, these before Python numbers; a lower kind never widens a higher one (int64 and float32 give float32, where NumPy gives float64).
"""

from __future__ import annotations

import numpy as np


class Dtype:
    """``torch.float32`` and its like. ``numpy`` is the NumPy dtype, ``legacy`` the name in messages (``Float``), ``c_name`` that in others (``float``)."""

    __slots__ = ("name", "numpy", "legacy", "c_name", "is_floating_point", "itemsize", "is_complex", "is_signed")

    def __init__(self, name: str, numpy_name: str, legacy: str, c_name: str):
        self.name = name
        self.numpy = np.dtype(numpy_name)
        self.legacy = legacy
        self.c_name = c_name
        self.is_floating_point = self.numpy.kind == "f"
        self.is_complex = False
        self.is_signed = self.numpy.kind in "fi"
        self.itemsize = self.numpy.itemsize

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self):
        return of_numpy, (self.numpy,)


float32, float64, float16 = Dtype("float32", "f4", "Float", "float"), Dtype("float64", "f8", "Double", "double"), Dtype("float16", "f2", "Half", "c10::Half")
int64, int32 = Dtype("int64", "i8", "Long", "long int"), Dtype("int32", "i4", "Int", "int")
int16, int8 = Dtype("int16", "i2", "Short", "short int"), Dtype("int8", "i1", "Char", "signed char")
uint8, bool_ = Dtype("uint8", "u1", "Byte", "unsigned char"), Dtype("bool", "?", "Bool", "bool")

DTYPES = {dtype.numpy: dtype for dtype in (float32, float64, float16, int64, int32, int16, int8, uint8, bool_)}
_KIND = {"b": 0, "u": 1, "i": 1, "f": 2}


class _Default:
    """The dtype of floats that say nothing else, as torch.set_default_dtype sets it for the process."""

    dtype = float32


_default = _Default()


def get_default_dtype() -> Dtype:
    """The dtype that Python floats become."""
    return _default.dtype


def set_default_dtype(dtype: Dtype) -> None:
    """Set what :func:`get_default_dtype` returns; floating-point dtypes only (TypeError)."""
    if not isinstance(dtype, Dtype):
        raise TypeError("invalid dtype object: only floating-point types are supported as the default type")
    if not dtype.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    _default.dtype = dtype


def of_numpy(dtype) -> Dtype:
    """The dtype for a NumPy dtype; TypeError for those that there is none for."""
    found = DTYPES.get(np.dtype(dtype))
    if found is None:
        raise TypeError(f"can't convert np.ndarray of type numpy.{np.dtype(dtype).type.__name__}. The only supported types are: float64, float32, float16, "
                        "complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool.")
    return found


def of_number(value) -> Dtype:
    """The dtype that a Python number has by itself."""
    if isinstance(value, bool):
        return bool_
    return int64 if isinstance(value, int) else _default.dtype


def promote_types(a: Dtype, b: Dtype) -> Dtype:
    """The smallest dtype of the higher kind that holds both."""
    if a is b:
        return a
    kind_a, kind_b = _KIND[a.numpy.kind], _KIND[b.numpy.kind]
    if kind_a != kind_b:
        return a if kind_a > kind_b else b
    return DTYPES[np.promote_types(a.numpy, b.numpy)]


def _combine(higher: Dtype | None, lower: Dtype | None) -> Dtype | None:
    if higher is None or lower is None:
        return higher or lower
    if higher.is_floating_point:
        return higher
    if higher is bool_ or lower.is_floating_point:
        return promote_types(higher, lower)
    return higher


def promoted(operands) -> Dtype:
    """The dtype of an operation on tensors (anything with ``_data``) and Python numbers."""
    wide = flat = number = None
    for operand in operands:
        data = getattr(operand, "_data", None)
        if data is None:
            dtype = of_number(operand)
            number = dtype if number is None else promote_types(number, dtype)
        elif data.ndim:
            dtype = DTYPES[data.dtype]
            wide = dtype if wide is None else promote_types(wide, dtype)
        else:
            dtype = DTYPES[data.dtype]
            flat = dtype if flat is None else promote_types(flat, dtype)
    return _combine(wide, _combine(flat, number))


OF_PYTHON = {float: float64, int: int64, bool: bool_}


def dtype_of(value):
    """The dtype for one of Python's types; anything else as it is."""
    return OF_PYTHON.get(value, value) if isinstance(value, type) else value


def scalar_of(value, dtype: Dtype):
    """A number as an operand in a dtype; integers lose their high bits, as in PyTorch's arithmetic. OverflowError beyond 64 bits."""
    if dtype.numpy.kind not in "iu" or not isinstance(value, int):
        return dtype.numpy.type(value)
    if not -(1 << 63) <= value < 1 << 64:
        raise OverflowError("int too big to convert")
    return np.uint64(value % (1 << 64)).astype(dtype.numpy)


def filled(shape, value, numpy) -> np.ndarray:
    """An array of one number; PyTorch's RuntimeError where an integer does not fit."""
    try:
        return np.full(shape, value, numpy)
    except OverflowError:
        name = {"int64": "int64_t", "int32": "int"}.get(np.dtype(numpy).name, f"{np.dtype(numpy).name}_t")
        raise RuntimeError(f"value cannot be converted to type {name} without overflow") from None
