"""Tensors on memory that is given, or laid out by hand: asarray, frombuffer, empty_strided."""

from __future__ import annotations

import warnings

import numpy as np

from ..devices import check_device
from ..dtypes import Dtype, get_default_dtype
from ..geometry import Geometry
from ..tensor import Tensor, made_of
from .creation import from_numpy, tensor

_NOT_WRITABLE = ("The given buffer is not writable, and PyTorch does not support non-writable tensors. This means you can write to the underlying (supposedly "
                 "non-writable) buffer using the tensor. You may want to copy the buffer to protect its data or make it writable before converting it to a "
                 "tensor. This type of warning will be suppressed for the rest of this program.")
_KEEPS = ("torch.asarray: unspecified requires_grad now defaults to obj.requires_grad instead of False. Pass requires_grad=False explicitly to get the old "
          "behavior and silence this warning.")


def asarray(obj, *, dtype: Dtype | None = None, device=None, copy: bool | None = None, requires_grad: bool | None = None) -> Tensor:
    """The tensor itself, or one that shares the memory of an array or buffer, where dtype and ``copy`` allow; else a copy."""
    check_device(device, "asarray")
    made = _shared(obj, dtype)
    if made is None:
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        made = tensor(obj, dtype=dtype)
    elif dtype is not None and made.dtype is not dtype:
        if copy is False:
            raise ValueError(f"can't alias tensor with dtype '{made.dtype.legacy}' into dtype '{dtype.legacy}'.")
        made = made.to(dtype)
    elif copy:
        made = made.clone()
    elif copy is False and isinstance(obj, np.generic):
        raise RuntimeError("can't alias NumPy scalars. Either remove copy=False or transform it in a ndarray. ")
    if requires_grad is None:
        if made._rg:
            warnings.warn(_KEEPS, UserWarning, stacklevel=2)
    elif not requires_grad and made._rg:
        made = made.detach()
    elif requires_grad and not made._rg:
        made.requires_grad = True
    return made


def _shared(obj, dtype: Dtype | None) -> Tensor | None:
    """A tensor on the memory of an object that has some."""
    if isinstance(obj, Tensor):
        return obj
    if isinstance(obj, (np.ndarray, np.generic)):
        return from_numpy(np.asarray(obj))
    if isinstance(obj, (bytes, bytearray, memoryview)):
        return frombuffer(obj, dtype=dtype or get_default_dtype())
    return None


def frombuffer(buffer, *, dtype: Dtype, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """One axis of elements on the memory of an object with Python's buffer protocol: ``count`` of them, or all behind ``offset`` bytes."""
    try:
        view = memoryview(buffer)
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    _check_extent(view.nbytes, dtype.itemsize, count, offset)
    if view.readonly:
        warnings.warn(_NOT_WRITABLE, UserWarning, stacklevel=2)
    made = made_of(np.frombuffer(buffer, dtype.numpy, count, offset))
    return made.requires_grad_() if requires_grad else made


def _check_extent(length: int, size: int, count: int, offset: int) -> None:
    if not length or not count:
        raise ValueError(f"both buffer length ({length}) and count ({count}) must not be 0")
    if not 0 <= offset < length:
        raise ValueError(f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({length} bytes) minus 1")
    if count < 0 and (length - offset) % size:
        raise ValueError(f"buffer length ({length - offset} bytes) after offset ({offset} bytes) must be a multiple of element size ({size})")
    if count > 0 and offset + count * size > length:
        raise ValueError(f"requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) must not be greater than actual buffer length "
                         f"({length} bytes)")


def empty_strided(size, stride, *, dtype: Dtype | None = None, layout=None, device=None, requires_grad: bool = False) -> Tensor:
    """A tensor of these extents, and steps in memory counted in elements; here it holds zeros."""
    check_device(device, "empty_strided")
    place = Geometry(tuple(size), tuple(stride))
    if len(place.shape) != len(place.steps):
        raise RuntimeError(f"dimensionality of sizes ({len(place.shape)}) must match dimensionality of strides ({len(place.steps)})")
    if min(place.steps, default=0) < 0:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(place.shape)} and strides={list(place.steps)}")
    made = made_of(place.window(np.zeros(place.extent(), (dtype or get_default_dtype()).numpy)))
    return made.requires_grad_() if requires_grad else made


def _new_empty_strided(self: Tensor, size, stride, *, dtype: Dtype | None = None, **named) -> Tensor:
    """``empty_strided`` in this tensor's dtype."""
    return empty_strided(size, stride, dtype=dtype or self.dtype, **named)


Tensor.new_empty_strided = _new_empty_strided
FUNCTIONS = {f.__name__: f for f in (asarray, frombuffer, empty_strided)}
