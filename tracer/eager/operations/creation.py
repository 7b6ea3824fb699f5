"""New tensors from numbers, arrays and shapes."""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..devices import check_device
from ..dtypes import DTYPES, Dtype, filled, float64, get_default_dtype, int64, of_numpy
from ..geometry import in_layout_of
from ..tensor import Tensor, made_of, shared
from ..words import type_name
from .sequences import array_of, dtype_of_value
from .shaping import sizes_of

_COPY = ("To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or sourceTensor.detach().clone().requires_grad_(True), "
         "rather than "
         "torch.tensor(sourceTensor).")


def tensor(data, *, dtype: Dtype | None = None, device=None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:
    """A leaf with a copy of nested sequences, a number, an array or a tensor; its dtype inferred unless given."""
    if isinstance(data, Tensor):
        warnings.warn(_COPY, UserWarning, stacklevel=2)
        array, found = np.array(data._data), data.dtype
    elif isinstance(data, np.generic) or (isinstance(data, np.ndarray) and not _check_array(data)):
        array, found = np.array(data), of_numpy(data.dtype)
    else:
        array, found = array_of(data, dtype)
    return finished(array.astype((dtype or found).numpy), requires_grad)


def finished(array, requires_grad: bool) -> Tensor:
    """A new tensor, a leaf that requires grad if it is to."""
    made = made_of(array if array.ndim else array[()])
    if requires_grad:
        if array.dtype.kind != "f":
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        made._rg = True
    return made


def as_tensor(data, dtype: Dtype | None = None, device=None) -> Tensor:
    """The tensor itself, or one that shares an array's memory, where the dtype allows; else a copy."""
    if isinstance(data, Tensor):
        return data.to(dtype) if dtype is not None else data
    if isinstance(data, np.ndarray):
        made = from_numpy(data)
        return made.to(dtype) if dtype is not None else made
    return tensor(data, dtype=dtype)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares the array's memory."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type_name(array)})")
    _check_array(array)
    of_numpy(array.dtype)
    return made_of(array)


def _check_array(array: np.ndarray) -> None:
    if any(step < 0 for step in array.strides):
        raise ValueError("At least one stride in the given numpy array is negative, and tensors with negative strides are not currently supported. (You can "
                         "probably "
                         "work around this by making a copy of your array  with array.copy().) ")
    if not array.dtype.isnative:
        raise ValueError("given numpy array has byte order different from the native byte order. Conversion between byte orders is currently not supported.")


def check_sizes(name: str, size: tuple) -> tuple:
    """Extents, one after another or in a sequence; TypeError and RuntimeError in PyTorch's words."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    elif size and isinstance(size[0], (tuple, list)):
        raise TypeError(f"{name}() takes 1 positional argument but {len(size)} were given")
    for position, extent in enumerate(size, 1):
        is_number = isinstance(extent, int) and not isinstance(extent, bool)
        if is_number or isinstance(extent, (Tensor, np.integer)) or (isinstance(extent, np.ndarray) and not extent.ndim):
            continue
        if isinstance(extent, bool) and len(size) == 1:
            raise TypeError(f"{name}(): argument 'size' (position 1) must be tuple of ints, not bool")
        raise TypeError(f"{name}(): argument 'size' failed to unpack the object at pos {position} with error \"type must be tuple of ints,but got "
                        f"{type_name(extent)}\"")
    size = sizes_of(tuple(size))
    if any(n < 0 for n in size):
        if name in ("zeros", "ones", "full"):
            raise RuntimeError(f"{name}: Dimension size must be non-negative.")
        raise RuntimeError(f"Trying to create tensor with negative dimension {next(n for n in size if n < 0)}: {list(size)}")
    return size


def _filled(name: str, value):
    def function(*size, out=None, dtype: Dtype | None = None, layout=None, device=None, requires_grad: bool = False, **named) -> Tensor:
        if "size" in named:
            size = (_sequence(name, named["size"], ""),)
        elif not size:
            raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
        return finished(np.full(check_sizes(name, size), value, (dtype or get_default_dtype()).numpy), requires_grad)
    function.__name__ = name
    function.__doc__ = f"A tensor of {name}."
    return function


def _sequence(name: str, size, place: str = " (position 1)"):
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"{name}(): argument 'size'{place} must be tuple of ints, not {type_name(size)}")
    return size


zeros, ones, empty = _filled("zeros", 0), _filled("ones", 1), _filled("empty", 0)


def full(size, fill_value, *, out=None, dtype: Dtype | None = None, layout=None, device=None, requires_grad: bool = False) -> Tensor:
    """A tensor of one number; its dtype is the number's."""
    if not isinstance(fill_value, (bool, int, float, np.number, np.bool_, Tensor)):
        raise TypeError(f"full(): argument 'fill_value' (position 2) must be Number, not {type_name(fill_value)}")
    value = fill_value._data if isinstance(fill_value, Tensor) else fill_value
    return finished(filled(check_sizes("full", (_sequence("full", size),)), value, (dtype or dtype_of_value(value)).numpy), requires_grad)


def like_function(function):
    """The same in the shape and dtype of a tensor."""
    def like(input: Tensor, *args, dtype: Dtype | None = None, requires_grad: bool = False, device=None, layout=None, memory_format=None) -> Tensor:
        made = function(tuple(input._data.shape), *args, dtype=dtype or input.dtype, requires_grad=requires_grad)
        made._data = in_layout_of(made._data, input._data)
        return made
    like.__name__ = f"{function.__name__}_like"
    like.__doc__ = f"As {function.__name__}, in the shape and dtype of a tensor."
    return like


zeros_like, ones_like, empty_like, full_like = (like_function(each) for each in (zeros, ones, empty, full))


def arange(*bounds, out=None, dtype: Dtype | None = None, layout=None, device=None, requires_grad: bool = False, **named) -> Tensor:
    """Numbers from ``start`` (0) up to ``end``, which is left out, in steps."""
    start, end, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1) if len(bounds) == 2 else bounds if bounds else (0, 0, 1)
    start, end, step = named.get("start", start), named.get("end", end), named.get("step", step)
    start, end, step = [v.item() if isinstance(v, Tensor) else v for v in (start, end, step)]
    for position, (name, value) in enumerate((("end", end),) if start == 0 else (("start", start), ("end", end), ("step", step)), 1):
        if not isinstance(value, (int, float, np.number)):
            raise TypeError(f"arange(): argument '{name}' (position {position}) must be Number, not {type_name(value)}")
    if not math.isfinite(start) or not math.isfinite(end):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    found = dtype or (int64 if all(isinstance(v, int) for v in (start, end, step)) else get_default_dtype())
    if found.numpy.kind == "b":
        raise NotImplementedError("\"arange_cpu\" not implemented for 'Bool'")
    if not found.is_floating_point:  # bounds count without what is behind the point
        start, end, step = int(start), int(end), int(step)
        count = max(int((end - start + step - (1 if step > 0 else -1)) / step), 0)
    else:
        count = int(np.ceil((end - start) / step))
    if count >= 1 << 63:
        raise RuntimeError("invalid size, possible overflow?")
    values = start + step * np.arange(count, dtype=np.float64 if found.is_floating_point else np.int64)
    return finished(values.astype(found.numpy), requires_grad)


def _scalars(start, end, name: str = "linspace") -> list:
    given = [each.ndim if isinstance(each, Tensor) else 0 for each in (start, end)]
    if any(given):
        raise RuntimeError(f"{name} only supports 0-dimensional start and end tensors, but got start with {given[0]} dimension(s) and end with {given[1]} "
                           "dimension(s).")
    return [v.item() if isinstance(v, Tensor) else v for v in (start, end)]


def linspace(start, end, steps: int, *, out=None, dtype: Dtype | None = None, layout=None, device=None, requires_grad: bool = False) -> Tensor:
    """So many numbers at equal distances, both ends included; counted from the nearer end, as PyTorch does."""
    start, end = _scalars(start, end)
    numpy = (dtype or get_default_dtype()).numpy
    start, end = (start, end) if numpy.kind == "f" else (int(start), int(end))
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    if steps <= 1:
        return finished(np.full(steps, start, numpy), requires_grad)
    scalar = numpy.type if numpy.kind == "f" else np.float64
    step = float((scalar(end) - scalar(start)) / scalar(steps - 1))
    k = np.arange(steps)
    # Multiplied and added without rounding in between, as fused instructions do it there.
    values = np.where(k < steps // 2, float(start) + step * k, float(end) - step * (steps - 1 - k))
    return finished(values.astype(numpy), requires_grad)


def logspace(start, end, steps: int, base: float = 10.0, *, out=None, dtype: Dtype | None = None, layout=None, device=None,
             requires_grad: bool = False) -> Tensor:
    """Powers of ``base`` with exponents at equal distances."""
    found = dtype or get_default_dtype()
    start, end = _scalars(start, end, "logspace")
    if found.is_floating_point:
        exponents = linspace(start, end, steps, dtype=dtype)._data
        return finished(np.power(exponents.dtype.type(base), exponents), requires_grad)
    exponents = linspace(float(int(start)), float(int(end)), steps, dtype=float64)._data
    return finished(np.power(float(base), exponents).astype(found.numpy), requires_grad)


def eye(n: int, m: int | None = None, *, out=None, dtype: Dtype | None = None, layout=None, device=None, requires_grad: bool = False) -> Tensor:
    """The unit matrix."""
    for name, extent in (("n", n), ("m", m)):
        if isinstance(extent, int) and extent < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {extent}")
    return finished(np.eye(n, m, dtype=(dtype or get_default_dtype()).numpy), requires_grad)


def scalar_tensor(value, *, dtype: Dtype | None = None, layout=None, device=None, requires_grad: bool = False) -> Tensor:
    """A 0-d tensor."""
    return finished(np.asarray(value, (dtype or get_default_dtype()).numpy), requires_grad)


def _new(function):
    def method(self: Tensor, *args, dtype: Dtype | None = None, requires_grad: bool = False, device=None) -> Tensor:
        check_device(device, method.__name__)
        return function(*args, dtype=dtype or self.dtype, requires_grad=requires_grad)
    method.__name__ = f"new_{function.__name__}"
    method.__doc__ = f"{function.__name__} in this tensor's dtype."
    return method


FUNCTIONS = {f.__name__: f for f in (tensor, as_tensor, from_numpy, zeros, ones, empty, full, zeros_like, ones_like, empty_like, full_like, arange, linspace,
                                     logspace, eye,
                                     scalar_tensor)}
for _function in (zeros, ones, empty, full, tensor):
    setattr(Tensor, f"new_{_function.__name__}", _new(_function))
__all__ = ["DTYPES", "FUNCTIONS", "shared"]
