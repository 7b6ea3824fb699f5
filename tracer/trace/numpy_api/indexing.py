"""``x[...]`` and its kin, with NumPy's rules to the letter.

What is known while the graph is built (ints, slices, None, Ellipsis, constant masks) becomes static reads; integer arrays become a
gather, whose negative indices count from the end. A Python int argument used as an index is asked for its value.
"""

from __future__ import annotations

import numpy as np

from ...errors import TracedIndexError, UnsupportedError
from ...ops import TABLE
from ..value import FUNCTIONS, Traced, as_traced, cast, implements, make, nearest
from .common import (
    axis_of,
    constant,
    contains_traced,
    find_trace,
    operand,
    promoted,
    refuse_out,
    reshaped,
    static_value,
    strong,
    transposed,
)

INDEX, GATHER = TABLE["index"], TABLE["gather"]
INT64 = np.dtype(np.int64)
_BYTE = bytes(1)
_KINDS = "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays are valid indices"


# Static reads -----------------------------------------------------------------------------------------------------------

def read(x: Traced, spec: tuple) -> Traced:
    """The elements at a spec; the array itself where that is all of it."""
    if all(type(entry) is tuple and entry == (0, n, 1) for entry, n in zip(spec, x.shape)):
        return strong(x)
    return make(INDEX, (x,), (spec,))


def entry_of_slice(cut: slice, length: int) -> tuple[int, int, int]:
    """A slice of an axis as (start, count, step), the same for equal reads."""
    start, stop, step = cut.indices(length)
    count = max(0, -(-(stop - start) // step))
    if count == 0:
        return 0, 0, 1
    return start, count, step if count > 1 else 1


def piece(x: Traced, axis: int, cut: slice) -> Traced:
    """A slice along one axis."""
    return read(x, tuple([entry_of_slice(cut, n) if k == axis else (0, n, 1) for k, n in enumerate(x.shape)]))


def _numpys_error(shape: tuple[int, ...], index) -> Exception:
    """The error that NumPy raises for this static index of an array of this shape (which takes no memory)."""
    try:
        np.ndarray(shape, np.bool_, _BYTE, 0, (0,) * len(shape))[index]
    except (IndexError, ValueError, TypeError) as error:
        return error
    return IndexError(_KINDS)


# Reading an index -------------------------------------------------------------------------------------------------------

def getitem(x: Traced, index) -> Traced:
    """``x[index]``."""
    kind = type(index)
    if kind is int and x.ndim == 1:
        length = x.shape[0]
        if -length <= index < length:
            return make(INDEX, (x,), ((index + length if index < 0 else index,),))
        raise IndexError(f"index {index} is out of bounds for axis 0 with size {length}")
    entries = [_understood(entry, x) for entry in (index if kind is tuple else (index,))]
    return _Reading(x, entries).result()


FUNCTIONS["getitem"] = getitem


def _understood(entry, x: Traced):
    """An entry as int, slice, None, Ellipsis, array of bools, or integer array (NumPy's or traced)."""
    kind = type(entry)
    if kind is int or entry is None or entry is Ellipsis:
        return entry
    if kind is slice:
        return slice(*[None if part is None else _index_number(part) for part in (entry.start, entry.stop, entry.step)])
    if kind is Traced:
        return _understood_traced(entry)
    if kind is list and contains_traced(entry):
        return _understood_traced(as_traced(entry, x.trace))
    if kind is bool or isinstance(entry, np.bool_):
        return np.asarray(entry)
    if hasattr(kind, "__index__") and not isinstance(entry, np.ndarray):
        return entry.__index__()
    array = np.asarray(entry)
    if array.size == 0 and kind in (list, tuple):
        array = array.astype(INT64)
    if array.dtype.kind not in "iub":
        raise IndexError("arrays used as indices must be of integer (or boolean) type" if isinstance(entry, (np.ndarray, list)) else _KINDS)
    return int(array) if array.ndim == 0 and array.dtype.kind != "b" else array


def _index_number(part) -> int:
    if type(part) is Traced or hasattr(type(part), "__index__"):
        return part.__index__()
    raise TypeError("slice indices must be integers or None or have an __index__ method")


def _understood_traced(entry: Traced):
    static = static_value(entry)
    if static is not None and static.dtype.kind in "iub":
        return _understood(static, entry)
    if entry.node.type.is_float:
        raise TracedIndexError(entry.trace.explain_index(entry.node, "an index"))
    if entry.node.type.is_bool:
        raise UnsupportedError("a traced array of bools as index: how many elements it picks is not known while the graph is built. "
                               "Write np.where(mask, x, 0.0), which keeps the shape, or give reductions where=mask.")
    if entry.ndim == 0 and entry.trace.depends_on_integers_only(entry.node):
        return entry.__index__()
    return entry


class _Reading:
    """One read: a static part, with full slices where integer arrays index, then a gather over the axes of these."""

    def __init__(self, x: Traced, entries: list):
        self.x = x
        self.spec: list = []                 # of the static part
        self.shape: list[int] = []           # of the static part, with new axes
        self.arrays: list[tuple[int, int, object]] = []  # (axis of the static part, axis of x, integer array)
        self.marks: list[int] = []           # positions in the index that count as advanced, for adjacency
        self.first: int | None = None        # where the axes of the arrays go, as long as they are adjacent
        self.scalars: list[np.ndarray] = []  # masks without axes, which only say whether there is something
        advanced = any(isinstance(e, np.ndarray) or type(e) is Traced for e in entries)
        self.entries = self._completed(entries)
        for position, entry in enumerate(self.entries):
            self._take(position, entry, advanced)

    def _completed(self, entries: list) -> list:
        """The entries with the Ellipsis as full slices."""
        used = sum(e.ndim if isinstance(e, np.ndarray) and e.dtype.kind == "b" else e is not None and e is not Ellipsis for e in entries)
        dots = [k for k, e in enumerate(entries) if e is Ellipsis]
        if len(dots) > 1 or used > self.x.ndim:
            raise _numpys_error(self.x.shape, tuple([np.zeros(e.shape, INT64) if type(e) is Traced else e for e in entries]))
        place = dots[0] if dots else len(entries)
        # A slice stands between even where the Ellipsis covers no axis: it separates arrays all the same.
        full = [slice(None)] * (self.x.ndim - used)
        self.empty_dots = place if dots and not full else None
        return entries[:place] + full + entries[place + 1:]

    def _take(self, position: int, entry, advanced: bool) -> None:
        if self.empty_dots is not None and position >= self.empty_dots:
            position += 1
        if entry is None:
            self.shape.append(1)
        elif isinstance(entry, slice):
            try:
                cut = entry_of_slice(entry, self._length())
            except ValueError as error:
                raise ValueError(str(error)) from None
            self.spec.append(cut)
            self.shape.append(cut[1])
        elif isinstance(entry, int):
            self._take_number(position, entry, advanced)
        elif isinstance(entry, np.ndarray) and entry.dtype.kind == "b":
            self._take_mask(position, entry)
        else:
            self._take_array(position, entry)

    def _length(self) -> int:
        return self.x.shape[len(self.spec)]

    def _mark(self, position: int) -> None:
        self.marks.append(position)
        if self.first is None:
            self.first = len(self.shape) - len(self.arrays)

    def _take_number(self, position: int, number: int, advanced: bool) -> None:
        length = self._length()
        if not -length <= number < length:
            raise IndexError(f"index {number} is out of bounds for axis {len(self.spec)} with size {length}")
        if advanced:
            self._mark(position)
        self.spec.append(number + length if number < 0 else number)

    def _take_mask(self, position: int, mask: np.ndarray) -> None:
        axis = len(self.spec)
        for k, n in enumerate(mask.shape):
            if n != self.x.shape[axis + k]:
                raise IndexError(f"boolean index did not match indexed array along axis {axis + k}; size of axis is {self.x.shape[axis + k]} "
                                 f"but size of corresponding boolean axis is {n}")
        if mask.ndim == 0:
            self._mark(position)
            self.scalars.append(np.zeros(int(mask), INT64))
        for places in (mask.nonzero() if mask.ndim else ()):
            self._take_array(position, places)

    def _take_array(self, position: int, places) -> None:
        length = self._length()
        if isinstance(places, np.ndarray):
            outside = (places < -length) | (places >= length)
            if outside.any():
                raise IndexError(f"index {places[outside].flat[0]} is out of bounds for axis {len(self.spec)} with size {length}")
            places = np.where(places < 0, places + length, places).astype(INT64)
        self._mark(position)
        self.arrays.append((len(self.shape), len(self.spec), places))
        self.spec.append((0, length, 1))
        self.shape.append(length)

    # -- the result --------------------------------------------------------------------------------------------------
    def result(self) -> Traced:
        self._make_slice()
        static = reshaped(read(self.x, tuple(self.spec)), tuple(self.shape))
        if not self.arrays and not self.scalars:
            return static
        adjacent = all(b - a <= 1 for a, b in zip(self.marks, self.marks[1:]))
        arrays = [(place, array) for place, _, array in self.arrays]
        return gathered(static, arrays, self.first if adjacent else 0, self.scalars)

    def _make_slice(self) -> None:
        """One constant array of equally spaced indices is a slice."""
        if len(self.arrays) != 1 or len(self.marks) != 1:
            return
        place, axis, array = self.arrays[0]
        if isinstance(array, np.ndarray) and array.ndim == 1 and array.size:
            steps = set(np.diff(array).tolist()) or {1}
            if len(steps) == 1 and steps != {0}:
                self.spec[axis] = (int(array[0]), array.size, steps.pop())
                self.shape[place] = array.size
                self.arrays = []


def wrapped(index: Traced, length: int) -> Traced:
    """Negative indices counted from the end."""
    index = cast(index, INT64)
    if index.dtype.kind == "u":
        return index
    return np.where(index < 0, index + constant(index.trace, length, INT64, run_time=True), index)


def gathered(x: Traced, arrays: list[tuple[int, object]], place: int, scalars=()) -> Traced:
    """The elements of ``x`` at integer arrays for some axes; the axes of the result start at ``place`` among those that stay."""
    axes = [axis for axis, _ in arrays]
    stay = [axis for axis in range(x.ndim) if axis not in axes]
    indices = [as_traced(array, x.trace) if isinstance(array, np.ndarray) else wrapped(array, x.shape[axis]) for axis, array in arrays]
    if scalars:
        indices, x, axes, stay = _with_scalars(x, indices, axes, stay, scalars)
    try:
        lead = np.broadcast_shapes(*[index.shape for index in indices])
    except ValueError:
        shapes = " ".join([f"({','.join(map(str, i.shape))}{',' if i.ndim == 1 else ''})" for i in indices])
        raise IndexError(f"shape mismatch: indexing arrays could not be broadcast together with shapes {shapes}") from None
    result = make(GATHER, (transposed(x, (*axes, *stay)), *indices))
    order = list(range(len(lead), result.ndim))
    return transposed(result, (*order[:place], *range(len(lead)), *order[place:]))


def _with_scalars(x: Traced, indices: list, axes: list[int], stay: list[int], scalars):
    """Masks without axes index a new axis of length 1, by as many zeros as are true."""
    x = reshaped(x, (1, *x.shape))
    known = np.broadcast_arrays(*scalars)[0]
    return [as_traced(known, x.trace), *indices], x, [0, *[axis + 1 for axis in axes]], [axis + 1 for axis in stay]


# Functions --------------------------------------------------------------------------------------------------------------

def _integer_indices(indices, x: Traced, name: str):
    """Indices as a NumPy array where they are known, else traced."""
    static = static_value(indices)
    if static is not None:
        if static.size == 0:
            static = static.astype(INT64)
        if static.dtype.kind not in "iub":
            raise TypeError(f"Cannot cast array data from {static.dtype!r} to {INT64!r} according to the rule 'safe'")
        return static.astype(INT64)
    index = operand(indices, x)
    if index.node.type.is_float:
        raise TracedIndexError(index.trace.explain_index(index.node, f"np.{name}"))
    return cast(index, INT64)


@implements(np.take)
def take(a, indices, axis=None, out=None, mode="raise"):
    """The elements at indices along an axis, or of the raveled array."""
    refuse_out(out, "take")
    x = operand(a, indices)
    if axis is None:
        x, axis = reshaped(x, (x.size,)), 0
    axis = axis_of(axis, x.ndim)
    index = _integer_indices(indices, x, "take")
    length = x.shape[axis]
    if mode == "wrap":
        index = index % length
    elif mode == "clip":
        index = np.minimum(np.maximum(index, 0), length - 1)
    elif mode != "raise":
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    if isinstance(index, Traced) and index.ndim == 0:
        return gathered(strong(x), [(axis, index)], axis)
    return getitem(strong(x), (*[slice(None)] * axis, index))


@implements(np.take_along_axis)
def take_along_axis(arr, indices, axis=-1):
    """Along one axis the elements that an array of indices picks for each line."""
    x = operand(arr, indices)
    index = _integer_indices(indices, x, "take_along_axis")
    if axis is None:
        x, axis = reshaped(x, (x.size,)), 0
    axis = axis_of(axis, x.ndim)
    if index.ndim != x.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    lines = [np.arange(n).reshape(tuple([n if j == k else 1 for j in range(x.ndim)])) for k, n in enumerate(x.shape)]
    return getitem(strong(x), tuple([index if k == axis else line for k, line in enumerate(lines)]))


@implements(np.compress)
def compress(condition, a, axis=None, out=None):
    """The slices where a constant condition holds."""
    refuse_out(out, "compress")
    x = operand(a, condition)
    mask = static_value(condition)
    if mask is None:
        raise UnsupportedError("np.compress with a traced condition: how many elements it keeps is not known while the graph is built. Use np.where.")
    return take(x, np.flatnonzero(mask), axis)


@implements(np.extract)
def extract(condition, arr):
    """The elements where a constant condition holds."""
    x = operand(arr, condition)
    return compress(np.ravel(condition), reshaped(x, (x.size,)), 0)


@implements(np.delete)
def delete(arr, obj, axis=None):
    """Without the elements at constant places."""
    x = operand(arr, obj)
    if axis is None:
        x, axis = reshaped(x, (x.size,)), 0
    axis = axis_of(axis, x.ndim)
    return take(x, np.delete(np.arange(x.shape[axis]), obj), axis)


@implements(np.choose)
def choose(a, choices, out=None, mode="raise"):
    """Elements of several arrays, picked by an array of integers."""
    refuse_out(out, "choose")
    trace = find_trace((a, choices))
    values = promoted(*[as_traced(choice, trace) for choice in choices])
    index = as_traced(a, trace)
    if mode != "raise":
        raise UnsupportedError(f"np.choose(..., mode={mode!r}) is not supported. Use np.clip or % on the indices.")
    result = values[-1]
    for k in range(len(values) - 2, -1, -1):
        result = np.where(index == k, values[k], result)
    return result


nearest({"nonzero": "How many elements it finds is not known while the graph is built. Use np.where with three arguments, or sums with where=.",
         "argwhere": "Use np.where with three arguments.", "flatnonzero": "Use np.where with three arguments.",
         "put": "Nothing is written in place. Build the result with np.where or np.concatenate.",
         "put_along_axis": "Nothing is written in place. Build the result with np.where.",
         "place": "Nothing is written in place. Use np.where.", "copyto": "Nothing is written in place. Use np.where.",
         "putmask": "Nothing is written in place. Use np.where.", "fill_diagonal": "Nothing is written in place. Use np.where(np.eye(n) == 1, value, x).",
         "insert": "Use np.concatenate of the pieces."})
