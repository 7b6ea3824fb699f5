"""``x[...]`` and its kin, with NumPy's rules to the letter.

What is known while the graph is built (ints, slices, None, Ellipsis, constant masks) becomes static reads; integer arrays become a
gather, whose negative indices count from the end. A Python int argument used as an index is asked for its value.
"""

from __future__ import annotations

import numpy as np

from ...errors import TracedIndexError, UnsupportedError
from ...graph.node import constant_value
from ...ops import TABLE
from ..functions import FUNCTIONS
from ..value import Traced, as_traced, make
from .common import (
    cast,
    constant,
    contains_traced,
    reshaped,
    static_value,
    strong,
    transposed,
)

INDEX, ASSEMBLE, GATHER, ADD, SUBTRACT, CAST = [TABLE[name] for name in ("index", "assemble", "gather", "add", "subtract", "cast")]
INT64 = np.dtype(np.int64)
_BYTE = bytes(1)
_FULL = slice(None)
_PLAIN_PARTS = (int, type(None))
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


def placed(x: Traced, shape: tuple[int, ...], spec: tuple) -> Traced:
    """Zeros of a shape with the value at a spec."""
    if x.node.type.is_bool:  # assembling adds, which bools do not
        return cast(placed(cast(x, np.dtype(np.uint8)), shape, spec), x.dtype)
    return make(ASSEMBLE, (x,), (shape, (spec,)))


# Reading an index -------------------------------------------------------------------------------------------------------

def getitem(x: Traced, index) -> Traced:
    """``x[index]``."""
    kind, shape = type(index), x.shape
    if kind is int and len(shape) == 1:
        length = shape[0]
        if -length <= index < length:
            return make(INDEX, (x,), ((index + length if index < 0 else index,),))
        raise IndexError(f"index {index} is out of bounds for axis 0 with size {length}")
    if kind is tuple and _is_element(index, shape):  # two thirds of the time of the way below
        return make(INDEX, (x,), (index,))
    given = index if kind is tuple else (index,)
    spec = _plain_spec(given, shape)
    if spec is not None:
        return read(x, spec)
    return _Reading(x, [understood(entry, x) for entry in given]).result()


def _is_element(index: tuple, shape: tuple[int, ...]) -> bool:
    """Are these the numbers of one element, none of them counted from the end?"""
    if len(index) != len(shape):
        return False
    for entry, length in zip(index, shape):
        if type(entry) is not int or not 0 <= entry < length:
            return False
    return True


def _plain_spec(given: tuple, shape: tuple[int, ...]) -> tuple | None:
    """The spec of ints and slices alone; None for any other index, and for one that is wrong."""
    if len(given) > len(shape):
        return None
    spec = []
    for entry, length in zip(given, shape):
        kind = type(entry)
        if kind is int and -length <= entry < length:
            spec.append(entry + length if entry < 0 else entry)
        elif kind is slice and (entry == _FULL or (all([type(part) in _PLAIN_PARTS for part in (entry.start, entry.stop, entry.step)]) and entry.step != 0)):
            spec.append(entry_of_slice(entry, length))
        else:
            return None
    for length in shape[len(given):]:
        spec.append((0, length, 1))
    return tuple(spec)


FUNCTIONS["getitem"] = getitem


def without_windows(index):
    """An index with arrays of integers in place of slices such as ``i:i + 4`` of a traced ``i``, whose length is known all the same."""
    entries = index if type(index) is tuple else (index,)
    at = [k for k, each in enumerate(entries) if _is_window(each)]
    if not at:
        return index
    windows = {k: window for k in at if (window := _window(entries[k])) is not None}
    if not windows:
        return index
    first, last = min(windows), max(windows)
    if any(type(each) is slice or each is None or each is Ellipsis or np.ndim(each) for each in entries[first:last + 1] if not _is_window(each)):
        raise UnsupportedError("slices with traced bounds are supported side by side, with integers among them, and not with other slices or arrays between. "
                               "Take the rows first, then the columns: x[i:i + 2][:, j:j + 2].")
    shaped = {k: np.reshape(window, (-1,) + (1,) * (len(windows) - 1 - number)) for number, (k, window) in enumerate(windows.items())}
    return tuple([shaped.get(k, each) for k, each in enumerate(entries)])


def _is_window(entry) -> bool:
    return type(entry) is slice and (type(entry.start) is Traced or type(entry.stop) is Traced)


def _window(cut: slice) -> Traced | None:
    """The integers of a slice whose bounds lie a constant apart; None for any other."""
    ends = [_from_base(each) if type(each) is Traced else None for each in (cut.start, cut.stop)]
    if None in ends or ends[0][0] is not ends[1][0] or cut.step not in (None, 1):
        return None
    length = ends[1][1] - ends[0][1]
    start = cast(Traced(cut.start.node, cut.start.owner), INT64)
    return start + np.arange(max(length, 0))


def _from_base(value: Traced) -> tuple:
    """An integer as another one and a constant that is added to it."""
    value = cast(value, INT64) if value.weak is int else value  # math.floor
    node, offset = value.node, 0
    while node.op in (ADD, SUBTRACT, CAST):
        if node.op is CAST:
            if not node.inputs[0].type.is_integer:
                break
            node = node.inputs[0]
            continue
        left, right = [constant_value(each) for each in node.inputs]
        if right is not None:
            node, offset = node.inputs[0], offset + (int(right) if node.op is ADD else -int(right))
        elif left is not None and node.op is ADD:
            node, offset = node.inputs[1], offset + int(left)
        else:
            break
    return node, offset


def understood(entry, x):
    """An entry as int, slice, None, Ellipsis, array of bools, or integer array (NumPy's or traced)."""
    kind = type(entry)
    if kind is int or entry is None or entry is Ellipsis:
        return entry
    if kind is slice:
        return slice(*[None if part is None else _index_number(part) for part in (entry.start, entry.stop, entry.step)])
    if kind is Traced:
        return _understood_traced(entry)
    if kind is list and contains_traced(entry):
        return _understood_traced(as_traced(entry, x.owner))
    if kind is bool or isinstance(entry, np.bool_):
        return np.asarray(entry)
    if hasattr(kind, "__index__") and not hasattr(kind, "__array__"):
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
        return understood(static, entry)
    if entry.node.type.is_float and entry.weak is int:  # math.floor
        entry = cast(Traced(entry.node, entry.owner), INT64)
    if entry.node.type.is_float:
        raise TracedIndexError(entry.owner.explain_index(entry.node, "an index"))
    if entry.node.type.is_bool:
        raise UnsupportedError("a traced array of bools as index: how many elements it picks is not known while the graph is built. "
                               "Write np.where(mask, x, 0.0), which keeps the shape, or give reductions where=mask.")
    if entry.ndim == 0 and entry.owner.depends_on_integers_only(entry.node):
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
    return np.where(index < 0, index + constant(index.owner, length, INT64, run_time=True), index)


def gathered(x: Traced, arrays: list[tuple[int, object]], place: int, scalars=()) -> Traced:
    """The elements of ``x`` at integer arrays for some axes; the axes of the result start at ``place`` among those that stay."""
    axes = [axis for axis, _ in arrays]
    stay = [axis for axis in range(x.ndim) if axis not in axes]
    indices = [as_traced(array, x.owner) if isinstance(array, np.ndarray) else wrapped(array, x.shape[axis]) for axis, array in arrays]
    if scalars:
        indices, x, axes, stay = _with_scalars(x, indices, axes, stay, scalars)
    try:
        lead = np.broadcast_shapes(*[index.shape for index in indices])
    except ValueError:
        shapes = " ".join([f"({','.join(map(str, i.shape))}{',' if i.ndim == 1 else ''})" for i in indices])
        raise IndexError(f"shape mismatch: indexing arrays could not be broadcast together with shapes {shapes} ") from None
    result = make(GATHER, (transposed(x, (*axes, *stay)), *indices))
    order = list(range(len(lead), result.ndim))
    return transposed(result, (*order[:place], *range(len(lead)), *order[place:]))


def _with_scalars(x: Traced, indices: list, axes: list[int], stay: list[int], scalars):
    """Masks without axes index a new axis of length 1, by as many zeros as are true."""
    x = reshaped(x, (1, *x.shape))
    known = np.broadcast_arrays(*scalars)[0]
    return [as_traced(known, x.owner), *indices], x, [0, *[axis + 1 for axis in axes]], [axis + 1 for axis in stay]
