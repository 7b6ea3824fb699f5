"""Arrays that are written to: a storage, which knows what was written where, and the views that look into it.

A graph has no memory, so a write makes a new value of the whole array, but only when somebody wants the whole: until then
a storage keeps what was written by place. An element that was written is read back as the very node that was written, at
the cost of a dictionary, and writing n elements makes one ``assemble`` node, not n.

What a view shows is read off a real array of the same shape, whose elements are never looked at: NumPy slices it, and its
address and strides say which places these are. So views alias exactly as NumPy's do.
"""

from __future__ import annotations

import numpy as np

from ..errors import InPlaceError, ShapeError
from ..graph.node import ARRAY, CONSTANT, INPUT, Node, user_line
from ..graph.types import array_type
from ..ops import TABLE
from .context import user_line_of, user_location
from .functions import FUNCTIONS
from .regions import Region, containing, element_strides, offset_of, pattern_of, positions_of, region_of, size_of, uncovered
from .value import Traced, as_traced, make

INDEX, ASSEMBLE, CONCATENATE, GATHER, RESHAPE, TRANSPOSE, BROADCAST, COPY_OF = (
    TABLE[n] for n in ("index", "assemble", "concatenate", "gather", "reshape", "transpose", "broadcast_to", "copy_of"))
ELEMENTS = "elements"  # the pattern of regions that are single elements
SMALL = 16             # elements of an array that is always kept by element: code is made of it without memory
_VIEWS_OF = frozenset((INDEX, RESHAPE, TRANSPOSE, BROADCAST))
_UINT8 = np.dtype(np.uint8)


def snapshot(node: Node, owner) -> Traced:
    """A value that no later write changes."""
    return Traced(node, owner)


def backed(memory, owner) -> Traced:
    """The array that a storage or a view is."""
    made = Traced.__new__(Traced)
    made.owner, made.weak, made.memory = owner, None, memory
    return made


class Storage:
    """The memory of one array: ``ground``, what it was when it was last a whole, and ``parts``, by region, what was written since.

    All parts are of one pattern, so that two are the same region or disjoint. ``array`` is the real array that views are made of.
    """

    __slots__ = ("array", "ground", "joined", "owner", "parts", "pattern", "scalar", "shape", "type", "version", "whole")

    def __init__(self, owner, ground: Node, array: np.ndarray | None = None):
        self.owner = owner
        self.ground = self.whole = ground
        self.type = ground.type
        self.shape = ground.type.shape
        self.scalar = array_type(ground.type.dtype)
        self.array = np.empty(self.shape, np.bool_) if array is None else array
        self.parts: dict[tuple, Node] = {}
        self.pattern = ELEMENTS
        self.version = 0
        self.joined: str | None = None  # what to say to who writes, once an array is this one or another

    @property
    def root(self) -> Storage:
        return self

    # -- reading -----------------------------------------------------------------------------------------------------
    def current(self) -> Node:
        """The whole array."""
        if self.whole is None:
            self.whole = self._assembled(self.parts, self.ground, self.type)
            if self.type.size > SMALL:
                self.ground, self.parts, self.pattern = self.whole, {}, ELEMENTS
        return self.whole

    def read(self, index):
        """``x[index]``; None where it is no element."""
        key = self.element(index)
        return None if key is None else Traced(self.element_node(key), self.owner)

    def element(self, index) -> tuple | None:
        """The place of an element; None for any other index, and for one that is wrong."""
        kind, shape = type(index), self.shape
        if kind is int:
            if len(shape) == 1:
                if 0 <= index < shape[0]:
                    return (index,)
                if -shape[0] <= index < 0:
                    return (index + shape[0],)
            return None
        if kind is tuple and len(index) == len(shape):
            for entry, length in zip(index, shape):
                if type(entry) is not int or not 0 <= entry < length:
                    return self._wrapped(index)
            return index
        return None

    def _wrapped(self, index: tuple) -> tuple | None:
        if all([type(e) is int and -n <= e < n for e, n in zip(index, self.shape)]):
            return tuple([e + n if e < 0 else e for e, n in zip(index, self.shape)])
        return None

    def element_node(self, key: tuple) -> Node:
        if self.pattern is ELEMENTS:
            found = self.parts.get(key)
            return found if found is not None else self._of(self.ground, key)
        return self.read_region(key)

    def read_region(self, spec: tuple) -> Node:
        """The node of a region."""
        if not self.parts:
            return self._of(self.ground, spec)
        if self.pattern is not ELEMENTS:
            found = containing(spec, self.pattern)
            if found is None:
                return self._of(self.current(), spec)
            part = self.parts.get(found[0])
            return self._of(self.ground, spec) if part is None else self._of(part, found[1])
        count = size_of(spec)
        if self.whole is not None or count > len(self.parts) + SMALL or count == 0:
            return self._of(self.current(), spec)
        # The elements of the region among those that were written, at their place in it.
        places = [(e,) if type(e) is int else range(e[0], e[0] + e[1] * e[2], e[2]) for e in spec]
        inside = {}
        for at in np.ndindex(*map(len, places)):
            part = self.parts.get(tuple([line[k] for line, k in zip(places, at)]))
            if part is not None:
                inside[tuple([k for k, e in zip(at, spec) if type(e) is not int])] = part
        ground = self._of(self.ground, spec)
        return self._assembled(inside, ground, ground.type) if inside else ground

    def _of(self, node: Node, spec: tuple) -> Node:
        """An index node; of an array that is one number everywhere, that number."""
        shape = node.type.shape
        if all([type(e) is tuple and e == (0, n, 1) for e, n in zip(spec, shape)]):
            return node
        builder = self.owner.builder
        if node.op is BROADCAST and node.inputs[0].op is CONSTANT:
            kept = tuple([e[1] for e in spec if type(e) is not int])
            return builder.node(BROADCAST, node.inputs, (kept,)) if kept else node.inputs[0]
        return builder.node(INDEX, (node,), (spec,), self.owner.location or user_location())

    def _assembled(self, parts: dict[tuple, Node], ground: Node, type_) -> Node:
        """The whole that parts make on their ground."""
        builder, where = self.owner.builder, self.owner.location or user_location()
        if not parts:
            return ground
        specs = sorted(parts)
        pieces = [(spec, parts[spec]) for spec in specs]
        if not _is_zero(ground) and sum(map(size_of, specs)) < type_.size:
            pieces += [(spec, self._of(ground, spec)) for spec in uncovered(specs, type_.shape)]
        if type_.is_bool:  # assembling adds, which bools do not
            pieces = [(spec, builder.node(TABLE["cast"], (node,), (_UINT8.str,), where)) for spec, node in pieces]
        specs, nodes = zip(*pieces)
        whole = builder.node(ASSEMBLE, nodes, (type_.shape, specs), where)
        return builder.node(TABLE["cast"], (whole,), (type_.dtype.str,), where) if type_.is_bool else whole

    # -- writing -----------------------------------------------------------------------------------------------------
    def _check_own(self) -> None:
        if self.joined is not None:
            raise InPlaceError(self.joined)
        self.owner.overwriting()

    def write_element(self, key: tuple, node: Node) -> None:
        """The innermost of all writes."""
        self._check_own()
        if self.pattern is not ELEMENTS:
            self.flush()
        self.parts[key] = node
        self.whole = None
        self.version += 1

    def write_region(self, spec: tuple, node: Node) -> None:
        """The value of a region, of its shape and of the array's dtype."""
        self._check_own()
        count = size_of(spec)
        if count == 0:
            return
        if count == self.type.size and len(self.shape) == node.type.ndim:
            self.write_whole(node)
        elif self.type.size <= SMALL or all([type(e) is int for e in spec]):
            places = [(e,) if type(e) is int else range(e[0], e[0] + e[1] * e[2], e[2]) for e in spec]
            for at in np.ndindex(*map(len, places)):
                inner = tuple([k for k, e in zip(at, spec) if type(e) is not int])
                self.write_element(tuple([line[k] for line, k in zip(places, at)]), self._of(node, inner) if inner else node)
        else:
            pattern = pattern_of(spec)
            if pattern != self.pattern:
                self.flush()
                self.pattern = pattern
            self.parts[spec] = node
            self.whole = None
            self.version += 1

    def write_whole(self, node: Node) -> None:
        """Another value of the whole array."""
        self._check_own()
        self.ground = self.whole = node
        self.parts, self.pattern = {}, ELEMENTS
        self.version += 1

    def flush(self) -> None:
        """What was written becomes the ground of what comes."""
        self.ground = self.current()
        self.parts, self.pattern = {}, ELEMENTS


class View:
    """Another array on the same memory: ``array`` shows which part, ``region`` says it, if it is a box."""

    __slots__ = ("array", "node", "region", "root", "version")

    def __init__(self, root: Storage, array: np.ndarray):
        self.root = root
        self.array = array
        self.region: Region | None = region_of(array, root.array)
        self.version = -1
        self.node: Node | None = None

    @property
    def type(self):
        return self.root.type.with_shape(self.array.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def current(self) -> Node:
        """What the view shows now."""
        if self.version != self.root.version:
            self.node = self._read()
            self.version = self.root.version
        return self.node

    def _read(self) -> Node:
        root, region = self.root, self.region
        if region is not None:
            box = snapshot(root.read_region(region.spec), root.owner)
            if region.order != tuple(range(len(region.order))):
                box = make(TRANSPOSE, (box,), (region.order,))
            return _reshaped(box, self.shape).node
        flat = _reshaped(snapshot(root.current(), root.owner), (root.type.size,))
        if self.array.size == root.array.size and self.array.flags.c_contiguous:
            return _reshaped(flat, self.shape).node
        return make(GATHER, (flat, as_traced(positions_of(self.array, root.array), root.owner))).node

    def read(self, index):
        """``x[index]``; None where it is no element."""
        place = self._element(index)
        return None if place is None else Traced(self.root.element_node(place), self.root.owner)

    def _element(self, index) -> tuple | None:
        kind, ndim = type(index), self.array.ndim
        if (kind is int and ndim == 1) or (kind is tuple and len(index) == ndim and all([type(e) is int for e in index])):
            at = self.array[(*index, ...) if kind is tuple else (index, ...)]
            return _place(offset_of(at, self.root.array), self.root.shape)
        return None

    def element(self, index) -> tuple | None:
        return self._element(index)


def _place(offset: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    place = []
    for step in element_strides(shape):
        k, offset = divmod(offset, step)
        place.append(k)
    return tuple(place)


def _reshaped(value: Traced, shape: tuple[int, ...]) -> Traced:
    return value if value.node.type.shape == shape else make(RESHAPE, (value,), (shape,))


def _is_zero(node: Node) -> bool:
    """Zeros of positive sign."""
    while node.op is BROADCAST:
        node = node.inputs[0]
    return node.op is CONSTANT and not any(node.attrs[1])


# Arrays that get a memory -----------------------------------------------------------------------------------------------

def is_argument(node: Node) -> bool:
    """Is this value an argument, a captured array, or a view of one?"""
    while node.op in _VIEWS_OF:
        node = node.inputs[0]
    return node.op in (INPUT, ARRAY, COPY_OF)


def refuse_argument(x: Traced) -> InPlaceError:
    """The error for in-place work on an argument, with the line."""
    line = user_line_of(user_location())
    made = user_line(x.node)
    what = "an argument" if x.node.op is INPUT or not made else f"a view of an argument ({made})"
    return InPlaceError(f"{what} is changed in place{f' ({line})' if line else ''}. Arrays that come in belong to the caller, and a graph does not "
                        f"write to them. Write x = x.copy() first, and change the copy.")


def memory_of(x: Traced):
    """The storage or view behind an array, made when it is first needed; raises for arguments."""
    memory = x.memory
    if memory is None:
        node = x.node
        if not node.type.shape:
            raise InPlaceError(f"{node.type.dtype} numbers are not written to: `{node.op.name}` ({user_line(node) or 'an argument'}) has no elements. "
                               f"Assign to the name instead: x = value.")
        if is_argument(node):
            raise refuse_argument(x)
        memory = x.memory = Storage(x.owner, node)
        del x.node
    return memory


def copied(x: Traced) -> Traced:
    """An array of its own with the value that another has now."""
    return backed(Storage(x.owner, x.node), x.owner) if x.node.type.shape or x.memory is not None else x


def view_of(x: Traced, array: np.ndarray) -> Traced:
    """The array on the memory of ``x`` that ``array``, a view of its real array, shows."""
    return backed(View(x.memory.root, array), x.owner)


# Writing ----------------------------------------------------------------------------------------------------------------

def node_for(value, owner, dtype: np.dtype, shape: tuple[int, ...]) -> Node:
    """A value as it is stored: of this dtype, broadcast to this shape."""
    traced = as_traced(value, owner)
    found = traced.node.type.shape
    if found != shape:
        lead = len(found) - len(shape)
        if lead > 0 and found[:lead] == (1,) * lead:  # NumPy drops leading axes of length 1
            traced = _reshaped(snapshot(traced.node, owner), found[lead:])
            found = traced.node.type.shape
        if len(found) > len(shape) or any([n not in (1, m) for n, m in zip(found[::-1], shape[::-1])]):
            raise ShapeError(f"could not broadcast input array from shape {_text(found)} into shape {_text(shape)}")
    node = FUNCTIONS["cast"](traced, dtype).node
    return node if found == shape else make(BROADCAST, (snapshot(node, owner),), (shape,)).node


def _text(shape: tuple[int, ...]) -> str:
    return f"({','.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def write_view(memory, array: np.ndarray, value) -> None:
    """Write a value to all elements of a view of the memory's array."""
    root = memory.root
    node = node_for(value, root.owner, root.type.dtype, array.shape)
    if array.size == 0:
        return
    region = region_of(array, root.array)
    if region is not None:
        kept = tuple([n for n in array.shape if n != 1])
        box = _reshaped(snapshot(node, root.owner), kept)
        if region.order != tuple(range(len(region.order))):
            box = make(TRANSPOSE, (box,), (tuple(np.argsort(region.order).tolist()),))
        _write_forward(root, region.spec, box)
    elif array.size == root.array.size and array.flags.c_contiguous:
        root.write_whole(_reshaped(snapshot(node, root.owner), root.shape).node)
    else:
        write_positions(root, positions_of(array, root.array), node)


def _write_forward(root: Storage, spec: tuple, box: Traced) -> None:
    """Ranges that run backwards are written forwards."""
    ranges = [e for e in spec if type(e) is not int]
    if any([step < 0 for _, _, step in ranges]):
        back = tuple([(0, n, 1) if step > 0 else (n - 1, n, -1) for _, n, step in ranges])
        box = make(INDEX, (box,), (back,))
        spec = tuple([e if type(e) is int or e[2] > 0 else (e[0] + (e[1] - 1) * e[2], e[1], -e[2]) for e in spec])
    root.write_region(spec, box.node)


def write_positions(root: Storage, positions: np.ndarray, node: Node) -> None:
    """Write values to places of the raveled array; of several to one place the last stays."""
    owner = root.owner
    places = positions.ravel()
    values = _reshaped(snapshot(node, owner), (places.size,))
    if root.type.size <= SMALL or (places.size <= SMALL and root.pattern is ELEMENTS):
        for k, place in enumerate(places.tolist()):
            root.write_element(_place(place, root.shape), root._of(values.node, (k,)))
        return
    source = np.arange(root.type.size)
    source[places] = root.type.size + np.arange(places.size)
    flat = _reshaped(snapshot(root.current(), owner), (root.type.size,))
    joined = make(CONCATENATE, (flat, values), (0,))
    root.write_whole(_reshaped(make(GATHER, (joined, as_traced(source, owner))), root.shape).node)
