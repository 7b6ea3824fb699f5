"""Arrays that are made inside a traced function: plain ones until a traced value is written into them.

``np.zeros(n)`` in a traced function gives a :class:`Buffer`, which computes with NumPy as the array that it holds. When a traced value
is written into it, it becomes a traced array itself, and so does every view of it: whoever holds one holds it still.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np

from ..errors import TracedIndexError
from ..graph.types import SUPPORTED
from .functions import FUNCTIONS, call
from .memory import SMALL, Storage, View
from .numpy_api.common import contains_traced, filled, find_trace, reshaped
from .numpy_api.masked import without_places
from .numpy_api.writing import array_of
from .value import Slots, Traced, as_traced, cast

_WRITERS = frozenset((np.copyto, np.putmask, np.fill_diagonal, np.put, np.put_along_axis, np.place))
_WRITING_METHODS = frozenset(("fill", "put"))


class Plain:
    """What a buffer holds: an array, the array that it is a view of, and who else holds a view of that."""

    __slots__ = ("array", "base", "holders")

    def __init__(self, array: np.ndarray, base: np.ndarray, holders: list):
        self.array = array
        self.base = base
        self.holders = holders


class Buffer(np.lib.mixins.NDArrayOperatorsMixin, Slots):
    """An array made inside a traced function, with nothing traced in it so far."""

    __slots__ = ()
    __array_priority__ = 1000

    def __init__(self, plain: Plain):
        self.owner, self.weak, self.memory = None, None, plain
        plain.holders.append(self)

    def __array__(self, dtype=None, copy=None):
        array = self.memory.array
        return array.astype(dtype) if dtype is not None else array.copy() if copy else array

    def __repr__(self) -> str:
        return repr(self.memory.array)

    def __format__(self, spec) -> str:
        return format(self.memory.array, spec)

    def __len__(self) -> int:
        return len(self.memory.array)

    def __bool__(self) -> bool:
        return bool(self.memory.array)

    def __index__(self) -> int:
        return operator.index(self.memory.array)

    def __int__(self) -> int:
        return int(self.memory.array)

    def __float__(self) -> float:
        return float(self.memory.array)

    def __contains__(self, value) -> bool:
        return value in self.memory.array

    def __iter__(self):
        return (self[k] for k in range(len(self)))

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def __getitem__(self, index):
        index = without_places(index)
        if any_traced_index(index):
            return as_traced(self, trace_of_index(index))[index]
        return wrapped(self.memory.array[plain(index)], (self,))

    def __setitem__(self, index, value):
        index = without_places(index)
        if contains_traced(value) or any_traced_index(index):
            become_traced(self, find_trace([value]) if contains_traced(value) else trace_of_index(index))
            self[index] = value
        else:
            self.memory.array[plain(index)] = plain(value)

    def __getattr__(self, name: str):
        if name == "node":
            raise AssertionError("a buffer without anything traced has no node")
        found = getattr(self.memory.array, name)
        return _method(self, name) if callable(found) else wrapped(found, (self,))

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        out = kwargs.get("out") or ()
        if contains_traced(inputs) or contains_traced(list(kwargs.values())):
            trace = find_trace([*inputs, *kwargs.values()])
            for target in inputs[:1] if method == "at" else out:
                become_traced(target, trace)
            holder = next(x for x in (*inputs, *out) if type(x) is Traced) if any(type(x) is Traced for x in (*inputs, *out)) else as_traced(inputs, trace)
            return holder.__array_ufunc__(ufunc, method, *inputs, **kwargs)
        arguments = {name: plain(value) for name, value in kwargs.items()}
        result = getattr(ufunc, method)(*map(plain, inputs), **arguments)
        return out[0] if len(out) == 1 else wrapped(result, inputs)

    def __array_function__(self, function, types, args, kwargs):
        if contains_traced(args) or contains_traced(list(kwargs.values())):
            trace = find_trace([*args, *kwargs.values()])
            if function in _WRITERS:
                become_traced(args[0], trace)
            return as_traced(0.0, trace).__array_function__(function, types, args, kwargs)
        return wrapped(function(*map(plain, args), **{name: plain(value) for name, value in kwargs.items()}), args)


def trace_of_index(index):
    """The trace of an index with something traced in it."""
    parts = [part for each in (index if type(index) is tuple else (index,)) for part in ((each.start, each.stop) if type(each) is slice else (each,))]
    return find_trace(parts)


def any_traced_index(index) -> bool:
    """Is there something traced in an index?"""
    kind = type(index)
    if kind is slice:
        return type(index.start) is Traced or type(index.stop) is Traced
    return kind is Traced or (kind is tuple and any(map(any_traced_index, index))) or (kind is list and contains_traced(index))


def plain(value):
    """The value with the arrays of buffers in place of the buffers."""
    kind = type(value)
    if kind is Buffer:
        return value.memory.array
    if kind in (list, tuple):
        return kind([plain(each) for each in value])
    return slice(plain(value.start), plain(value.stop), plain(value.step)) if kind is slice else value


def wrapped(result, sources):
    """The arrays of a result as buffers; those that share memory with one of the sources share it still."""
    if type(result) is not np.ndarray:
        return type(result)([wrapped(each, sources) for each in result]) if type(result) in (list, tuple) else result
    if result.dtype.name not in SUPPORTED:
        return result
    for source in sources:
        if type(source) is Buffer and np.may_share_memory(result, source.memory.base):
            return source if result is source.memory.array else Buffer(Plain(result, source.memory.base, source.memory.holders))
        if isinstance(source, np.ndarray) and np.may_share_memory(result, source):
            return result  # the memory is not ours: it could not become traced
    base = np.ascontiguousarray(result) if result.ndim else result
    return Buffer(Plain(base, base, []))


def become_traced(target, trace) -> None:
    """From now on a buffer, and all views of it, are traced arrays, with the values that they have."""
    if type(target) is not Buffer:
        return
    base, holders = target.memory.base, target.memory.holders
    storage = _storage(base, trace)
    for holder in holders:
        array = holder.memory.array
        holder.memory = storage if array is base else View(storage, array)
        holder.owner = trace
        holder.__class__ = Traced


FUNCTIONS["become traced"] = become_traced


def _storage(base: np.ndarray, trace) -> Storage:
    bits = base.reshape(-1).view(f"V{base.itemsize}") if base.size else base
    if base.size and (bits == bits[0]).all():
        return Storage(trace, filled(trace, base.flat[0], base.dtype, base.shape).node, base)
    storage = Storage(trace, as_traced(base, trace).node, base)
    if base.size <= SMALL:
        storage.parts = {place: trace.builder.constant(base[place], base.dtype) for place in np.ndindex(base.shape)}
    return storage


def _method(buffer: Buffer, name: str) -> Callable:
    def method(*args, **kwargs):
        if contains_traced(args) or contains_traced(list(kwargs.values())):
            trace = find_trace([*args, *kwargs.values()])
            if name in _WRITING_METHODS:
                become_traced(buffer, trace)
            return getattr(as_traced(buffer, trace) if type(buffer) is Buffer else buffer, name)(*args, **kwargs)
        array = buffer.memory.array
        result = getattr(array, name)(*map(plain, args), **{key: plain(value) for key, value in kwargs.items()})
        return wrapped(result, (buffer,))
    return method


# What the names of NumPy's functions mean inside a traced function ---------------------------------------------------------

def _number(value):
    """An argument that says an extent or a range: a Python number."""
    if type(value) is Traced:
        if value.node.type.is_float:
            raise TracedIndexError(value.owner.explain_index(value.node, "a shape or a range"))
        return operator.index(value)
    return tuple(map(_number, value)) if type(value) in (tuple, list) else value


def _creating(function: Callable) -> Callable:
    """A function whose arguments say extents: its array is a buffer."""
    def create(*args, **kwargs):
        return wrapped(function(*map(_number, args), **{name: _number(value) for name, value in kwargs.items()}), ())
    return create


def _copying(function: Callable) -> Callable:
    """A function that makes an array of others."""
    def create(*args, **kwargs):
        if contains_traced(args) or contains_traced(list(kwargs.values())):
            return call(function, args, kwargs)
        result = function(*args, **kwargs)
        return wrapped(result, (*args, *kwargs.values())) if type(result) is np.ndarray else result
    return create


def full(shape, fill_value, dtype=None, **kwargs):
    """``np.full``."""
    shape = _number(shape)
    if contains_traced(fill_value):
        value = as_traced(fill_value, find_trace([fill_value]))
        made = np.broadcast_to(value if dtype is None else cast(value, np.dtype(dtype)), shape)
        return FUNCTIONS["copy"](made)
    return wrapped(np.full(shape, plain(fill_value), dtype, **kwargs), ())


def array(object, dtype=None, *, copy=True, order="K", subok=False, ndmin=0, like=None):
    """``np.array``."""
    copy = copy if type(copy) is bool else None
    if not contains_traced(object):
        source = plain(object)
        result = np.array(source, dtype, copy=copy, order=order, subok=subok, ndmin=ndmin)
        return object if result is source else wrapped(result, () if copy else (object,))
    made = _array(object, dtype)
    made = FUNCTIONS["copy"](made) if copy and made is object else made
    return reshaped(made, (1,) * (ndmin - made.ndim) + made.shape) if made.ndim < ndmin else made


def asarray(a, dtype=None, order=None, *, device=None, copy=None, like=None):
    """``np.asarray``: what is an array already stays it."""
    return array(a, dtype, copy=copy, order=order or "K")


def _array(value, dtype) -> Traced:
    dtype = None if dtype is None else np.dtype(dtype)
    if type(value) is not Traced:
        return array_of(value, find_trace([value]), dtype)
    if value.weak is not None:
        value = Traced(value.node, value.owner)
    return value if dtype is None else cast(value, dtype)


def isscalar(element) -> bool:
    """``np.isscalar``."""
    return not element.shape and element.memory is None if type(element) is Traced else np.isscalar(element)


def take(a, indices, *args, **kwargs):
    """``np.take``, which NumPy dispatches by the array alone."""
    if contains_traced([a, indices]):
        return call(np.take, (a, indices, *args), kwargs)
    return np.take(a, indices, *args, **kwargs)


NUMPY: dict[Callable, Callable] = {
    **{f: _creating(f) for f in (np.zeros, np.ones, np.empty, np.eye, np.identity, np.arange, np.tri)},
    **{f: _copying(f) for f in (np.linspace, np.zeros_like, np.ones_like, np.empty_like, np.full_like, np.copy, np.diag, np.tile, np.repeat)},
    np.full: full, np.array: array, np.asarray: asarray, np.asanyarray: asarray, np.ascontiguousarray: asarray, np.isscalar: isscalar, np.take: take,
}
NAMES = frozenset(f.__name__ for f in NUMPY)
