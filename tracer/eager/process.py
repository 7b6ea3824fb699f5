"""What scripts set for the whole process at their beginning: threads, the default device, old defaults of dtypes."""

from __future__ import annotations

import warnings

from .devices import CPU, Device, check_device
from .dtypes import set_default_dtype
from .operations.legacy import TYPES, TensorType
from .words import type_name

_DEPRECATED = ("torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use torch.set_default_dtype() and torch.set_default_device() as "
               "alternatives.")


def set_num_threads(number: int) -> None:
    """Accepted, and without effect: NumPy decides on threads."""
    if not isinstance(number, int):
        raise RuntimeError(f"set_num_threads expects an int, but got {type_name(number)}")
    if number <= 0:
        raise RuntimeError("set_num_threads expects a positive integer")


def get_num_threads() -> int:
    """1."""
    return 1


def set_default_device(device) -> None:
    """The CPU, which is the only one; AssertionError or NotImplementedError for others."""
    check_device(device, "set_default_device")


def get_default_device() -> Device:
    """The CPU."""
    return CPU


def set_default_tensor_type(kind) -> None:
    """Set the default dtype by a constructor or its name."""
    warnings.warn(_DEPRECATED, UserWarning, stacklevel=2)
    if isinstance(kind, str):
        kind = TYPES.get(kind.removeprefix("torch."))
    if not isinstance(kind, TensorType):
        raise TypeError("invalid type object: only floating-point types are supported as the default type")
    set_default_dtype(kind.dtype)
