"""What may stand in an index, and what it means: the steps of an index one by one."""

from __future__ import annotations

import operator
import warnings

import numpy as np

from ..tensor import Tensor, made_of

_NOT_A_TUPLE = ("Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in pytorch 2.9; use x[tuple(seq)] instead of "
                "x[seq]. In "
                "pytorch 2.9 this will be interpreted as tensor index, x[torch.tensor(seq)], which will result either in an error or a different result")


def parts_of(input: Tensor, index) -> list:
    """The index as a list with one entry per step, the ellipsis written out: (where it stood, step)."""
    if isinstance(index, list):
        if any(isinstance(each, (slice, type(None), type(...), Tensor, list, str)) for each in index):
            warnings.warn(_NOT_A_TUPLE, UserWarning, stacklevel=3)
            index = tuple(index)
        else:
            index = (index,)
    if isinstance(index, str):
        warnings.warn(_NOT_A_TUPLE, UserWarning, stacklevel=3)  # a sequence too
    parts = [_part(part) for part in (index if isinstance(index, tuple) else (index,))]
    used = sum([part._data.ndim if isinstance(part, Tensor) and part._data.dtype.kind == "b" else 1 for part in parts
                if part is not None and part is not Ellipsis and not isinstance(part, bool)])
    if used > input.ndim:
        raise IndexError(_too_many(input, index, parts))
    numbered = list(enumerate(parts))
    if any([part is Ellipsis for part in parts]):
        at = next(k for k, part in enumerate(parts) if part is Ellipsis)
        numbered[at:at + 1] = [(at, slice(None))] * (input.ndim - used)
        numbered = [(k, slice(None) if part is Ellipsis else part) for k, part in numbered]
    return numbered


def _too_many(input: Tensor, index, parts: list) -> str:
    if input.ndim == 0 and not isinstance(index, tuple):
        if isinstance(parts[0], slice):
            return "slice() cannot be applied to a 0-dim tensor."
        if isinstance(parts[0], int) and parts[0] and not isinstance(index, Tensor):
            return f"index {parts[0]} is out of bounds for dimension 0 with size 0"
        if isinstance(parts[0], int) and not isinstance(index, Tensor):
            return "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim tensor to a number"
    return f"too many indices for tensor of dimension {input.ndim}"


def _part(part):
    if part is None or part is Ellipsis or isinstance(part, (bool, int)):
        return part
    if isinstance(part, slice):
        return slice(*map(_bound, (part.start, part.stop, part.step)))
    if isinstance(part, Tensor):
        return _of_tensor(part)
    if isinstance(part, np.integer):
        return int(part)
    if isinstance(part, (list, tuple, range, np.ndarray)):
        array = np.asarray(part)
        return made_of(array.astype(np.int64) if array.dtype.kind in "iuf" and array.size == 0 else array)
    if isinstance(part, float):
        raise IndexError("only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got float)")
    raise TypeError("new(): invalid data type 'str'") if isinstance(part, str) else IndexError(
        f"only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got {type(part).__name__})")


def _bound(bound) -> int | None:
    if bound is None or bound.__class__ is int:
        return bound
    if not hasattr(bound, "__index__"):
        raise TypeError("slice indices must be integers or None or have an __index__ method")
    return operator.index(bound)


def _of_tensor(part: Tensor):
    """An index given as a tensor: an integer if it is one, a mask if it is one of bytes."""
    array = part._data
    if array.dtype.kind == "f" or (array.ndim and array.dtype.itemsize < 4 and array.dtype.kind == "i"):
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    if array.dtype == np.uint8:
        return mask_of_bytes(part)
    return int(array) if array.ndim == 0 and array.dtype.kind == "i" and not part._rg else part


def mask_of_bytes(part: Tensor) -> Tensor:
    """The mask that a tensor of bytes stands for."""
    if part.ndim:
        warnings.warn("indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.", UserWarning, stacklevel=6)
    return made_of(part._data.astype(bool))
