"""Arrays from nested sequences of numbers, and the dtypes that PyTorch infers for them."""

from __future__ import annotations

import warnings

import numpy as np

from ..dtypes import Dtype, bool_, get_default_dtype, int64, of_numpy, promote_types
from ..tensor import Tensor
from ..words import type_name

_SLOW = ("Creating a tensor from a list of numpy.ndarrays is extremely slow. Please consider converting the list to a single numpy.ndarray with numpy.array() "
         "before converting to a tensor.")


def array_of(data, dtype: Dtype | None = None):
    """The array of nested sequences, and its dtype: the one asked for, else what PyTorch infers."""
    shape, leaf = [], data
    while _is_sequence(leaf):
        shape.append(len(leaf))
        if not len(leaf):
            break
        if isinstance(leaf, (list, tuple)) and isinstance(leaf[0], np.ndarray):
            warnings.warn(_SLOW, UserWarning, stacklevel=4)
        leaf = leaf[0]
    if shape and isinstance(leaf, str):
        raise ValueError("too many dimensions 'str'")
    flat: list = []
    _flatten(data, tuple(shape), 0, flat)
    found = None
    for value in flat:
        each = dtype_of_value(value)
        found = each if found is None else promote_types(found, each)
    found = dtype or found or get_default_dtype()
    try:
        return _array(flat, found).reshape(shape), found
    except OverflowError:
        if found is int64:
            raise ValueError("Overflow when unpacking long long") from None
        raise RuntimeError(f"value cannot be converted to type {found.name} without overflow") from None
    except ValueError:
        raise RuntimeError(f"value cannot be converted to type {found.name} without overflow") from None


def _array(flat: list, dtype: Dtype) -> np.ndarray:
    if dtype.numpy.kind == "u" and all(isinstance(each, int) for each in flat):
        flat = [each + 256 if -256 < each < 0 else each for each in flat]  # these wrap around there
    return np.array(flat, dtype=dtype.numpy)


def _is_sequence(data) -> bool:
    if isinstance(data, Tensor):
        return False
    return hasattr(data, "__len__") and hasattr(data, "__getitem__") and not isinstance(data, (str, bytes, dict, np.generic))


def _flatten(data, shape: tuple, depth: int, flat: list) -> None:
    if depth == len(shape):
        if isinstance(data, (list, tuple)):
            raise TypeError(f"'{type(data).__name__}' object cannot be interpreted as an integer" if all(isinstance(each, int) for each in flat) else
                            f"must be real number, not {type(data).__name__}")
        if isinstance(data, Tensor) and data._data.size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        flat.append(data._data.reshape(())[()] if isinstance(data, Tensor) else data)
        return
    if not _is_sequence(data):
        raise TypeError("not a sequence")
    if len(data) != shape[depth]:
        raise ValueError(f"expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})")
    for each in data:
        _flatten(each, shape, depth + 1, flat)


def dtype_of_value(value) -> Dtype:
    """What PyTorch takes a number for."""
    if isinstance(value, np.generic):
        return of_numpy(value.dtype)
    if isinstance(value, bool):
        return bool_
    if isinstance(value, int):
        return int64
    if isinstance(value, float):
        return get_default_dtype()
    if isinstance(value, complex):
        raise TypeError("complex tensors are not there: use two real ones")
    if isinstance(value, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(value).__name__}'")
    raise RuntimeError(f"Could not infer dtype of {type_name(value)}")
