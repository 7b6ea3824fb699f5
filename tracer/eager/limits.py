"""``torch.finfo`` and ``torch.iinfo``: what numbers a dtype has."""

from __future__ import annotations

import numpy as np

from .dtypes import Dtype, dtype_of, get_default_dtype
from .words import type_name


def _checked(name: str, dtype) -> Dtype:
    dtype = dtype_of(dtype)
    if not isinstance(dtype, Dtype):
        raise TypeError(f"{name}(): argument 'type' (position 1) must be torch.dtype, not {type_name(dtype)}")
    return dtype


class _Limits:
    """The fields in the order in which they are shown."""

    shown: tuple[str, ...] = ()

    def __repr__(self) -> str:
        fields = [f"{name}={f'{getattr(self, name):g}' if name != 'dtype' else self.dtype}" for name in self.shown]
        return f"{type(self).__name__}({', '.join(fields)})"

    def __eq__(self, other) -> bool:
        return type(other) is type(self) and other.dtype == self.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


class finfo(_Limits):
    """The limits of a floating-point dtype; of the default one if none is given."""

    shown = ("resolution", "min", "max", "eps", "smallest_normal", "tiny", "dtype")

    def __init__(self, type: Dtype | None = None):
        dtype = get_default_dtype() if type is None else _checked("finfo", type)
        if not dtype.is_floating_point:
            raise TypeError("torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'")
        limits = np.finfo(dtype.numpy)
        self.bits, self.eps, self.max, self.min, self.dtype = limits.bits, float(limits.eps), float(limits.max), float(limits.min), dtype.name
        self.tiny = self.smallest_normal = float(limits.tiny)
        self.resolution = float(limits.resolution)


class iinfo(_Limits):
    """The limits of an integer dtype."""

    shown = ("min", "max", "dtype")

    def __init__(self, type: Dtype):
        dtype = _checked("iinfo", type)
        if dtype.is_floating_point:
            raise TypeError("torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'")
        if dtype.numpy.kind == "b":
            raise TypeError(f"{dtype} is not supported by torch.iinfo")
        limits = np.iinfo(dtype.numpy)
        self.bits, self.max, self.min, self.dtype = limits.bits, int(limits.max), int(limits.min), dtype.name
