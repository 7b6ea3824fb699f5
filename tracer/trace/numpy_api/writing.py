"""Arrays that are changed: ``x[i] = v``, ``x += v``, views, copies, and the NumPy functions that write into their argument."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...errors import InPlaceError, UnsupportedError
from ...ops import TABLE, UFUNCS
from ..functions import FUNCTIONS, call, implements, implements_method
from ..memory import Storage, View, backed, copied, is_argument, memory_of, node_for, snapshot, view_of, write_positions, write_view
from ..regions import positions_of
from ..value import Traced, as_traced, elementwise, make
from .common import cast, contains_traced, filled, find_trace, reshaped, static_value, strong
from .indexing import getitem, understood, without_windows
from .masked import Picked, check_mask, pick, values_for, without_places

FUNCTIONS["copy"] = copied
FUNCTIONS["cast"] = cast
GATHER, SCATTER_ADD, CONCATENATE = TABLE["gather"], TABLE["scatter_add"], TABLE["concatenate"]
INT64 = np.dtype(np.int64)
_WITHOUT_PARTS = frozenset((int, np.ndarray, type(Ellipsis), type(None)))  # indices in which there are no others


# Reading ----------------------------------------------------------------------------------------------------------------

def _entries(index, x) -> tuple[list, bool]:
    """The entries of an index, and whether it is a basic one, of which NumPy makes a view."""
    entries = [understood(entry, x) for entry in (index if type(index) is tuple else (index,))]
    return entries, not any([isinstance(entry, np.ndarray) or type(entry) is Traced for entry in entries])


def subscript(x: Traced, index) -> Traced:
    """``x[index]`` as the user writes it: a number, a view of the array's memory, or a copy."""
    plain = x if x.memory is None else snapshot(x.node, x.owner)
    if type(index) not in _WITHOUT_PARTS:
        index = without_windows(without_places(index))
    if type(index) is Traced and _is_traced_mask(index) and index.shape:
        return pick(plain, index)
    if x.memory is None:
        result = getitem(plain, index)
        if result.node.type.ndim == 0 or x.owner.location is not None:
            return result
        if is_argument(x.node):
            return result if _entries(index, x)[1] else owned(result)
        entries, is_basic = _entries(index, x)
        return _linked(x, memory_of(x).array[tuple(entries)], result) if is_basic else result
    entries, is_basic = _entries(index, x)
    if not is_basic:
        return getitem(plain, index)
    array = x.memory.array[tuple(entries)]
    return view_of(x, array) if isinstance(array, np.ndarray) else getitem(plain, index)


FUNCTIONS["subscript"] = subscript


def _is_traced_mask(index) -> bool:
    return type(index) is Traced and index.node.type.is_bool and static_value(index) is None


def _linked(x: Traced, array, result: Traced) -> Traced:
    """The result as a view, when NumPy has made one; it is known already what it shows."""
    if not isinstance(array, np.ndarray) or not np.may_share_memory(array, x.memory.array):
        return copied(result) if result is x else result
    view = View(x.memory.root, array)
    view.node, view.version = result.node, view.root.version
    return backed(view, x.owner)


def linked(function: Callable, args: tuple, kwargs: dict, result):
    """The result of a function that may give views, on the memory of its argument where NumPy's is."""
    x = args[0] if args else None
    if type(x) is not Traced or x.owner.location is not None or (x.memory is None and (not x.node.type.shape or is_argument(x.node))):
        return result
    arrays = function(memory_of(x).array, *args[1:], **kwargs)
    if isinstance(result, (list, tuple)):
        return type(result)([_linked(x, array, each) for array, each in zip(arrays, result)])
    return _linked(x, arrays, result)


FUNCTIONS["linked"] = linked


def owned(result):
    """The result of a function that makes new arrays, which may be written to even where it holds what an argument does."""
    if type(result) is Traced and result.memory is None and result.node.type.shape and result.owner.location is None and is_argument(result.node):
        return copied(result)
    return result


FUNCTIONS["owned"] = owned


@implements(np.copy)
def copy(a, order="K", subok=False):
    """An array of its own."""
    return copied(a)


# Arrays of nested sequences ---------------------------------------------------------------------------------------------

def array_of(value, trace, dtype=None) -> Traced:
    """The array of a sequence of numbers, arrays and sequences, as ``np.array`` makes it."""
    leaves: list[tuple[tuple, object]] = []
    shape = _collect(value, (), leaves)
    traced = [(key, as_traced(leaf, trace)) for key, leaf in leaves]
    if dtype is None:
        dtype = np.result_type(*{leaf.dtype for _, leaf in traced})
    inner = shape[len(leaves[0][0]):]
    storage = Storage(trace, filled(trace, 0, dtype, shape).node)
    full = tuple([(0, n, 1) for n in inner])
    for key, leaf in traced:
        node = leaf.node if leaf.node.type.dtype == dtype else cast(leaf, dtype).node
        if inner:
            storage.write_region((*key, *full), node)
        else:
            storage.parts[key] = node
            storage.whole = None
    return backed(storage, trace)


FUNCTIONS["array"] = array_of


def _collect(value, place: tuple, leaves: list) -> tuple[int, ...]:
    """The leaves of nested sequences with their places; the shape. All at one depth, or NumPy's error."""
    if type(value) is Traced:
        leaves.append((place, value))
        return value.shape
    if type(value) not in (list, tuple) or not contains_traced(value):
        array = np.asarray(value)
        if array.dtype == object:
            raise UnsupportedError(f"a {type(value).__name__} among traced values cannot become an element of an array. Use numbers and arrays.")
        leaves.append((place, value if array.ndim == 0 else array))
        return array.shape
    shapes = [_collect(each, (*place, k), leaves) for k, each in enumerate(value)]
    if any([shape != shapes[0] for shape in shapes]):
        raise ValueError("setting an array element with a sequence. The requested array has an inhomogeneous shape "
                         f"after {len(place) + 1} dimensions. The detected shape was {(len(value),)} + inhomogeneous part.")
    start = next(k for k, (key, _) in enumerate(leaves) if key[:len(place)] == place)
    _split_to_depth(leaves, start)
    return (len(value), *shapes[0])


def _split_to_depth(leaves: list, start: int) -> None:
    """Constant rows beside rows of traced numbers: all to the depth of the deepest."""
    depth = max([len(key) for key, _ in leaves[start:]])
    if all([len(key) == depth for key, _ in leaves[start:]]):
        return
    result = []
    for key, leaf in leaves[start:]:
        missing = depth - len(key)
        shape = leaf.shape[:missing] if missing else ()
        result += [((*key, *at), leaf[at]) for at in np.ndindex(*shape)] if missing else [(key, leaf)]
    leaves[start:] = result


# Writing ----------------------------------------------------------------------------------------------------------------

def setitem(x: Traced, index, value) -> None:
    """``x[index] = value``."""
    memory = x.memory
    if memory is None:
        memory = memory_of(x)
    root = memory.root
    place = memory.element(index)
    if place is not None:
        if type(value) is Traced and value.node.type is root.scalar and value.owner is root.owner:
            root.write_element(place, value.node)
        else:
            root.write_element(place, node_for(value, root.owner, root.type.dtype, ()))
        return
    _write(x, index, value)


FUNCTIONS["setitem"] = setitem


def _write(x: Traced, index, value) -> None:
    memory = memory_of(x)
    index = index if type(index) in _WITHOUT_PARTS else without_windows(without_places(index))
    if type(value) is Traced and value.memory is memory:
        value = snapshot(memory.current(), x.owner)
    if _is_traced_mask(index):
        return _write_where(x, index, value)
    entries, is_basic = _entries(index, x)
    if is_basic:
        write_view(memory, memory.array[(*entries, ...) if Ellipsis not in entries else tuple(entries)], value)
    elif not any([type(entry) is Traced for entry in entries]):
        _write_constant_places(x, entries, value)
    else:
        _write_traced_places(x, entries, value)


def write_all(x: Traced, value) -> None:
    """``x[...] = value``."""
    memory = memory_of(x)
    write_view(memory, memory.array, value)


def _write_constant_places(x: Traced, entries: list, value) -> None:
    memory = memory_of(x)
    root = memory.root
    index = tuple(entries)
    traced = as_traced(value, x.owner)
    if traced.ndim == 0 and root.type.size > len(root.shape) * 16:
        mask = np.zeros(memory.array.shape, np.bool_)
        mask[index] = True
        write_all(x, np.where(as_traced(mask, x.owner), FUNCTIONS["cast"](traced, root.type.dtype), snapshot(memory.current(), x.owner)))
        return
    places = positions_of(memory.array, root.array)[index]
    write_positions(root, places, node_for(traced, x.owner, root.type.dtype, places.shape))


def _write_where(x: Traced, mask: Traced, value) -> None:
    """A traced mask: a number is written where it holds, or what the same mask has picked."""
    memory = memory_of(x)
    shape = memory.array.shape
    check_mask(mask.shape, shape)
    is_picked = type(value) is Picked
    traced = values_for(value, mask) if is_picked else as_traced(value, x.owner)
    if traced.ndim and not is_picked:
        raise UnsupportedError("x[mask] = values with a traced mask: how many elements it picks is not known while the graph is built. "
                               "Write x = np.where(mask, values_of_all, x), with a value for every element.")
    condition = reshaped(mask, mask.shape + (1,) * (len(shape) - mask.ndim))
    write_all(x, np.where(condition, FUNCTIONS["cast"](traced, memory.type.dtype), snapshot(memory.current(), x.owner)))


def _places(x: Traced, index) -> Traced:
    """Places, in the raveled array, of what an index with traced integers names; bounds are checked when the kernel runs."""
    shape = memory_of(x).array.shape
    return getitem(as_traced(np.arange(int(np.prod(shape))).reshape(shape), x.owner), index)


def _write_traced_places(x: Traced, entries: list, value) -> None:
    """Integers from the data: of each element the last value that was written to it, or what it was."""
    memory = memory_of(x)
    type_ = memory.type
    places = _places(x, tuple(entries))
    values = snapshot(node_for(value, x.owner, type_.dtype, places.shape), x.owner)
    flat = reshaped(snapshot(memory.current(), x.owner), (type_.size,))
    everywhere = as_traced(np.arange(type_.size), x.owner)
    if places.ndim == 0:
        result = np.where(everywhere == places, values, flat)
    else:
        count = places.size
        hits = everywhere[:, None] == reshaped(places, (1, count))
        last = FUNCTIONS[np.max](np.where(hits, np.arange(1, count + 1), 0), axis=1)
        joined = make(CONCATENATE, (filled(x.owner, 0, type_.dtype, (1,)), reshaped(values, (count,))), (0,))
        result = np.where(last > 0, make(GATHER, (joined, last)), flat)
    write_all(x, reshaped(result, type_.shape))


def in_place(x: Traced, ufunc, other) -> Traced:
    """``x += other`` for an array."""
    memory = x.memory
    if memory is None and is_argument(x.node):
        memory_of(x)  # raises
    result = call_ufunc(ufunc, (snapshot(x.node, x.owner), other))
    _check_output(ufunc, x, result)
    node = cast(result, x.dtype).node
    if memory is None:
        x.node = node
    else:
        write_view(memory, memory.array, snapshot(node, x.owner))
    return x


FUNCTIONS["in_place"] = in_place


def call_ufunc(ufunc, inputs: tuple) -> Traced:
    """A ufunc on operands of which one is traced."""
    op = UFUNCS.get(ufunc)
    return elementwise(op, inputs) if op is not None else ufunc(*inputs)


def _check_output(ufunc, x: Traced, result: Traced) -> None:
    if result.shape != x.shape:
        raise ValueError(f"non-broadcastable output operand with shape {_text(x.shape)} doesn't match the broadcast shape {_text(result.shape)}")
    if not np.can_cast(result.dtype, x.dtype, "same_kind"):
        raise TypeError(f"Cannot cast ufunc '{ufunc.__name__}' output from {result.dtype!r} to {x.dtype!r} with casting rule 'same_kind'")


def _text(shape: tuple[int, ...]) -> str:
    return f"({','.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def out(ufunc, method: str, inputs: tuple, kwargs: dict):
    """``np.add(a, b, out=c)``: the result is written into an array of this trace."""
    given, = kwargs.pop("out")
    target = _output(given, find_trace([*inputs, given, *kwargs.values()]), ufunc.__name__)
    trace = target.owner
    operands = [snapshot(x.node, trace) if type(x) is Traced else x for x in inputs]
    if not any([type(x) is Traced for x in operands]):
        operands[0] = as_traced(operands[0], trace)
    result = getattr(ufunc, method)(*operands, **kwargs)
    _check_output(ufunc, target, result)
    write_all(target, result)
    return target


FUNCTIONS["out"] = out


def into(function: Callable, args: tuple, kwargs: dict):
    """``np.dot(a, b, out=c)`` and its kin."""
    given = kwargs.pop("out")
    target = _output(given, find_trace([*args, given, *kwargs.values()]), function.__name__)
    result = call(function, args, kwargs)
    if result.shape != target.shape or result.dtype != target.dtype:
        raise ValueError(f"output array is not acceptable: it is {target.node.type}, and np.{function.__name__} gives {result.node.type}")
    write_all(target, result)
    return target


FUNCTIONS["into"] = into


def _output(given, trace, name: str) -> Traced:
    """An array that a result is written into."""
    FUNCTIONS["become traced"](given, trace)
    if type(given) is not Traced:
        raise InPlaceError(f"np.{name}(..., out=) writes a traced value into an array that keeps no trace of it. Use the result instead.")
    return given


# NumPy's functions that write -------------------------------------------------------------------------------------------

def target_of(a, name: str) -> Traced:
    """The array that a function writes into; refused where nothing could keep the trace."""
    if type(a) is Traced:
        return a
    raise InPlaceError(f"np.{name} writes a traced value into an array that keeps no trace of it. "
                       f"Make the array inside the function: np.array(a), np.zeros(n).")


@implements(np.copyto)
def copyto(dst, src, casting="same_kind", where=True):
    """Values into an array, where a mask allows."""
    dst = target_of(dst, "copyto")
    if where is True:
        write_all(dst, src)
    else:
        write_all(dst, np.where(where, src, snapshot(dst.node, dst.owner)))


@implements(np.putmask)
def putmask(a, mask, values):
    """Values where a mask holds; of repeated values those at the same place."""
    a = target_of(a, "putmask")
    size = np.size(values) if type(values) is not Traced else values.size
    if size not in (1, a.size):
        raise UnsupportedError("np.putmask with values that are repeated is not supported. Use np.where.")
    write_all(a, np.where(mask, np.reshape(values, a.shape if size > 1 else ()), snapshot(a.node, a.owner)))


@implements(np.fill_diagonal)
def fill_diagonal(a, val, wrap=False):
    """One value, or a sequence of them, on the main diagonal."""
    a = target_of(a, "fill_diagonal")
    if a.ndim < 2:
        raise ValueError("array must be at least 2-d")
    if wrap:
        raise UnsupportedError("np.fill_diagonal(..., wrap=True) is not supported. Write the diagonals by index.")
    if a.ndim > 2 and len(set(a.shape)) != 1:
        raise ValueError("All dimensions of input must be of equal length")
    places = np.arange(min(a.shape))
    values = as_traced(val, a.owner)
    if values.ndim:
        flat = reshaped(values, (values.size,))
        values = getitem(strong(flat), np.resize(np.arange(values.size), places.size))
    setitem(a, (places,) * a.ndim, values)


@implements(np.put)
def put(a, ind, v, mode="raise"):
    """Values at places of the raveled array."""
    a = target_of(a, "put")
    if mode != "raise":
        raise UnsupportedError(f"np.put(..., mode={mode!r}) is not supported. Use np.clip or % on the indices.")
    setitem(call(np.reshape, (a, (-1,)), {}), ind, v)


@implements(np.put_along_axis)
def put_along_axis(arr, indices, values, axis):
    """Along one axis, values at the places that an array of indices picks for each line."""
    arr = target_of(arr, "put_along_axis")
    axis = axis % arr.ndim
    lines = [np.arange(n).reshape([n if j == k else 1 for j in range(arr.ndim)]) for k, n in enumerate(arr.shape)]
    setitem(arr, tuple([indices if k == axis else line for k, line in enumerate(lines)]), values)


@implements(np.place)
def place(arr, mask, vals):
    """One value where a mask holds."""
    arr = target_of(arr, "place")
    setitem(arr, mask, np.reshape(vals, ()) if np.size(vals) == 1 else vals)


def _at(ufunc, combine: Callable) -> None:
    @implements_method(ufunc, "at")
    def at(a, indices, b):
        a = target_of(a, f"{ufunc.__name__}.at")
        dtype, shape = a.dtype, a.shape
        places = _places(a, indices)
        values = snapshot(node_for(combine(b), a.owner, dtype, places.shape), a.owner)
        count = int(np.prod(shape))
        total = make(SCATTER_ADD, (reshaped(values, (places.size,)), reshaped(places, (places.size,))), ((count,),))
        write_all(a, snapshot(a.node, a.owner) + reshaped(total, shape))


_at(np.add, lambda b: b)
_at(np.subtract, lambda b: -b if type(b) is Traced else np.negative(b))


def fill(x: Traced, value) -> None:
    """``x.fill(value)``."""
    write_all(x, as_traced(value, x.owner))


Traced.fill = fill
Traced.put = put
