"""New tensors from numbers, arrays and shapes."""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..devices import check_device
from ..dtypes import DTYPES, Dtype, bool_, filled, float64, get_default_dtype, int64, of_numpy, promote_types
from ..geometry import in_layout_of
from ..tensor import Tensor, made_of, shared
from .shaping import sizes_of

_COPY = ("To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or sourceTensor.detach().clone().requires_grad_(True), "
         "rather than "
         "torch.tensor(sourceTensor).")


def tensor(data, *, dtype: Dtype | None = None, device=None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:
    """A leaf with a copy of nested sequences, a number, an array or a tensor; its dtype inferred unless given."""
    if isinstance(data, Tensor):
        warnings.warn(_COPY, UserWarning, stacklevel=2)
        array, found = np.array(data._data), data.dtype
    elif isinstance(data, (np.ndarray, np.generic)):
        array, found = np.array(data), of_numpy(data.dtype)
    else:
        array, found = _of_sequence(data, dtype)
    return _finished(array.astype((dtype or found).numpy), requires_grad)


def _finished(array, requires_grad: bool) -> Tensor:
    made = made_of(array if array.ndim else array[()])
    if requires_grad:
        if array.dtype.kind != "f":
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        made._rg = True
    return made


def _of_sequence(data, dtype: Dtype | None = None):
    """The array of nested sequences, and its dtype: the one asked for, else what PyTorch infers."""
    shape, leaf = [], data
    while _is_sequence(leaf):
        shape.append(len(leaf))
        if not len(leaf):
            break
        leaf = leaf[0]
    flat: list = []
    _flatten(data, tuple(shape), 0, flat)
    found = None
    for value in flat:
        each = _dtype_of(value)
        found = each if found is None else promote_types(found, each)
    found = dtype or found or get_default_dtype()
    try:
        return np.array(flat, dtype=found.numpy).reshape(shape), found
    except OverflowError:
        if found is int64:
            raise ValueError("Overflow when unpacking long long") from None
        raise RuntimeError(f"value cannot be converted to type {found.name} without overflow") from None


def _is_sequence(data) -> bool:
    if isinstance(data, Tensor):
        return data.ndim > 0
    return hasattr(data, "__len__") and hasattr(data, "__getitem__") and not isinstance(data, (str, bytes, dict, np.generic))


def _flatten(data, shape: tuple, depth: int, flat: list) -> None:
    if depth == len(shape):
        if isinstance(data, (list, tuple)):
            raise TypeError(f"must be real number, not {type(data).__name__}")
        flat.append(data.item() if isinstance(data, Tensor) else data)
        if isinstance(data, Tensor):
            flat[-1] = data._data.reshape(())[()]
        return
    if not _is_sequence(data):
        raise TypeError(f"expected a sequence at dim {depth}, not {type(data).__name__}")
    if len(data) != shape[depth]:
        raise ValueError(f"expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})")
    for each in data:
        _flatten(each, shape, depth + 1, flat)


def _dtype_of(value) -> Dtype:
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
    if isinstance(value, str):
        raise TypeError("new(): invalid data type 'str'")
    raise RuntimeError(f"Could not infer dtype of {type(value).__name__}")


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
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    of_numpy(array.dtype)
    if any(step < 0 for step in array.strides):
        raise ValueError("At least one stride in the given numpy array is negative, and tensors with negative strides are not currently supported. (You can "
                         "probably "
                         "work around this by making a copy of your array  with array.copy().) ")
    return made_of(array)


def _shape_of(name: str, size: tuple) -> tuple:
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    for position, extent in enumerate(size, 1):
        if isinstance(extent, Tensor):
            continue
        if not isinstance(extent, (int, np.integer)) or isinstance(extent, bool):
            raise TypeError(f"{name}(): argument 'size' failed to unpack the object at pos {position} with error \"type must be tuple of ints,but got "
                            f"{type(extent).__name__}\"")
    size = sizes_of(tuple(size))
    if any(n < 0 for n in size):
        if name in ("zeros", "ones", "full"):
            raise RuntimeError(f"{name}: Dimension size must be non-negative.")
        raise RuntimeError(f"Trying to create tensor with negative dimension {next(n for n in size if n < 0)}: {list(size)}")
    return size


def _filled(name: str, value):
    def function(*size, out=None, dtype: Dtype | None = None, layout=None, device=None, requires_grad: bool = False, **ignored) -> Tensor:
        if "size" in ignored:
            size = (ignored["size"],)
        return _finished(np.full(_shape_of(name, size), value, (dtype or get_default_dtype()).numpy), requires_grad)
    function.__name__ = name
    function.__doc__ = f"A tensor of {name}."
    return function


zeros, ones, empty = _filled("zeros", 0), _filled("ones", 1), _filled("empty", 0)


def full(size, fill_value, *, out=None, dtype: Dtype | None = None, layout=None, device=None, requires_grad: bool = False) -> Tensor:
    """A tensor of one number; its dtype is the number's."""
    if not isinstance(fill_value, (bool, int, float, np.number, np.bool_, Tensor)):
        raise TypeError(f"full(): argument 'fill_value' (position 2) must be Number, not {type(fill_value).__name__}")
    value = fill_value._data if isinstance(fill_value, Tensor) else fill_value
    return _finished(filled(_shape_of("full", (size,)), value, (dtype or _dtype_of(value)).numpy), requires_grad)


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
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start:g} -> {end:g}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    found = dtype or (int64 if all(isinstance(v, int) for v in (start, end, step)) else get_default_dtype())
    if not found.is_floating_point:  # bounds count without what is behind the point
        start, end, step = int(start), int(end), int(step)
        count = max(int((end - start + step - (1 if step > 0 else -1)) / step), 0)
    else:
        count = int(np.ceil((end - start) / step))
    values = start + step * np.arange(count, dtype=np.float64 if found.is_floating_point else np.int64)
    return _finished(values.astype(found.numpy), requires_grad)


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
        return _finished(np.full(steps, start, numpy), requires_grad)
    scalar = numpy.type if numpy.kind == "f" else np.float64
    step = float((scalar(end) - scalar(start)) / scalar(steps - 1))
    k = np.arange(steps)
    # Multiplied and added without rounding in between, as fused instructions do it there.
    values = np.where(k < steps // 2, float(start) + step * k, float(end) - step * (steps - 1 - k))
    return _finished(values.astype(numpy), requires_grad)


def logspace(start, end, steps: int, base: float = 10.0, *, out=None, dtype: Dtype | None = None, layout=None, device=None,
             requires_grad: bool = False) -> Tensor:
    """Powers of ``base`` with exponents at equal distances."""
    found = dtype or get_default_dtype()
    start, end = _scalars(start, end, "logspace")
    if found.is_floating_point:
        exponents = linspace(start, end, steps, dtype=dtype)._data
        return _finished(np.power(exponents.dtype.type(base), exponents), requires_grad)
    exponents = linspace(float(int(start)), float(int(end)), steps, dtype=float64)._data
    return _finished(np.power(float(base), exponents).astype(found.numpy), requires_grad)


def eye(n: int, m: int | None = None, *, out=None, dtype: Dtype | None = None, layout=None, device=None, requires_grad: bool = False) -> Tensor:
    """The unit matrix."""
    for name, extent in (("n", n), ("m", n if m is None else m)):
        if extent < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {extent}")
    return _finished(np.eye(n, m, dtype=(dtype or get_default_dtype()).numpy), requires_grad)


def scalar_tensor(value, *, dtype: Dtype | None = None, layout=None, device=None, requires_grad: bool = False) -> Tensor:
    """A 0-d tensor."""
    return _finished(np.asarray(value, (dtype or get_default_dtype()).numpy), requires_grad)


def _new(function):
    def method(self: Tensor, *args, dtype: Dtype | None = None, requires_grad: bool = False, device=None) -> Tensor:
        check_device(device, method.__name__)
        return function(*args, dtype=dtype or self.dtype, requires_grad=requires_grad)
    method.__name__ = f"new_{function.__name__}"
    method.__doc__ = f"{function.__name__} in this tensor's dtype."
    return method


def _legacy(self: Tensor, *arguments, dtype: Dtype | None = None) -> None:
    """``torch.Tensor(...)``: extents, or a sequence of numbers."""
    dtype = dtype or get_default_dtype()
    if arguments and all(isinstance(a, int) for a in arguments):
        self._data = np.zeros(arguments, dtype.numpy)
    else:
        self._data = _of_sequence(arguments[0] if arguments else [], dtype)[0]


def _legacy_of(dtype: Dtype):
    def make(*arguments) -> Tensor:
        made = object.__new__(Tensor)
        _legacy(made, *arguments, dtype=dtype)
        return made
    make.__name__ = f"{dtype.legacy}Tensor"
    make.__doc__ = f"A tensor of {dtype}."
    return make


Tensor.__init__ = _legacy
LEGACY = {f"{dtype.legacy}Tensor": _legacy_of(dtype) for dtype in DTYPES.values()}

FUNCTIONS = {f.__name__: f for f in (tensor, as_tensor, from_numpy, zeros, ones, empty, full, zeros_like, ones_like, empty_like, full_like, arange, linspace,
                                     logspace, eye,
                                     scalar_tensor)}
FUNCTIONS |= {"asarray": as_tensor, **LEGACY}
for _function in (zeros, ones, empty, full, tensor):
    setattr(Tensor, f"new_{_function.__name__}", _new(_function))
__all__ = ["DTYPES", "FUNCTIONS", "shared"]
