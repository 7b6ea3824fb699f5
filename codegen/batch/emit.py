"""A lane program as LLVM text: the functions ``once`` and ``lanes``, which the driver calls for a chunk of samples after the other.

``places`` has, for each leaf, the address of every element for the first sample of the chunk, and behind these the bytes from one row to the next where
the code itself transposes rows (``leaves``). Elsewhere 0 stands there, and neighbouring samples are neighbours in memory, for where they are not the driver
has copied them into a tile. So one text serves all layouts, and any number of samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from codegen.llvm.compute import ComputeWriter, Declarations
from codegen.llvm.target import attributes
from codegen.llvm.text import FunctionText, Integers
from codegen.llvm.types import LANES, NARROW_LANES, literal, memory_type, register_type, vector
from codegen.loops import Buffer, Compute, Literal, Load, Nest, Store

from .cost import together
from .leaves import CACHE_LINE, VECTORS_AHEAD, RowLeaf, ask, row_leaves
from .lower import LaneProgram
from .pieces import nests
from .rounds import BODY, VECTOR_BYTES, body, slot_bytes

ONCE = "once"
FAR = "_far"      # ends the name of the copy of a piece that is run again for vectors with numbers outside of what functions in line are right for
HELD_PLACES = 24  # addresses that are kept in registers for a loop; beyond, each is read where it is used
_ARGUMENTS = "ptr %places, ptr %slots, i64 %first, i64 %last"


def lanes_of(program: LaneProgram) -> int:
    """Samples in a vector: float32 alone takes twice as many."""
    buffers = [*program.leaves, *program.slots]
    dtypes = {b.dtype for b in buffers} | {i.dtype for nest, _ in nests(program.body) for i in nest.body if isinstance(i, Compute)}
    return NARROW_LANES if {d.itemsize for d in dtypes if d.kind != "b"} <= {4} else LANES


def emit(program: LaneProgram, fast: bool) -> tuple[str, frozenset[str]]:
    """The text, and the functions that it imports."""
    declarations = Declarations()
    lanes = lanes_of(program)
    texts = []
    once = {nest: f"{ONCE}{number}" for number, nest in enumerate(program.once)}
    turned = {nest: f"{BODY}{number}" for number, (nest, _) in enumerate(nests(program.body))}
    for names, width in ((once, 0), (turned, lanes)):
        for nest, name in names.items():
            texts += _texts(program, nest, declarations, fast, width, name)
    texts += [_once(once.values()), body(program, turned, lanes, declarations)]
    return "\n".join([*declarations.lines.values(), *texts, attributes()]), frozenset(declarations.imports)


def _texts(program: LaneProgram, nest: Nest, declarations: Declarations, fast: bool, lanes: int, name: str) -> list[str]:
    """A piece; and, where it has functions in line that are not right for every number, a copy of it that calls the library for those."""
    near = _Piece(program, FunctionText(name, Integers(), _ARGUMENTS), declarations, fast, lanes)
    count = together(program) if lanes else 1
    near.write(nest, count)
    if not near.outside:
        return [near.f.text("#3")]
    far = _Piece(program, FunctionText(name + FAR, Integers(), _ARGUMENTS), declarations, fast, lanes, takes_library=True)
    far.write(nest, 1 if len(program.body) == 1 else count)  # of several pieces each takes as many vectors as slots hold
    return [near.f.text("#3"), far.f.text("#4")]


def _once(names: Iterable[str]) -> str:
    calls = "\n".join(f"  call void @{name}(ptr %places, ptr %slots, i64 0, i64 1)" for name in names)
    return f"define void @{ONCE}(ptr %places, ptr %slots) #0 {{\n{calls}\n  ret void\n}}"


class _Piece:
    """One piece: a loop over vectors of samples (``lanes`` 0: scalars, once).

    Without ``takes_library`` it notes in ``outside`` the lanes that functions in line are not right for, and hands vectors with any to the copy that
    has it: no call stands between its instructions.
    """

    def __init__(self, program: LaneProgram, function: FunctionText, declarations: Declarations, fast: bool, lanes: int, takes_library: bool = False):
        self.f = function
        self.program = program
        self.lanes = lanes
        self.outside: dict[str, None] = {}
        self.compute = ComputeWriter(function, declarations, fast, self._take if takes_library else self._note)
        self.first = _first_places(program)
        self.slot_bytes = slot_bytes(program)
        self.vector: dict[str, int] = {}  # which of those that go together, by its counter
        self.held: dict[int, str] = {}
        self.rows: dict[Buffer, RowLeaf] = {}

    def _note(self, mask: str, value: str, call: Callable[[], str]) -> str:
        self.outside[mask] = None
        return value

    def _take(self, mask: str, value: str, call: Callable[[], str]) -> str:
        type = vector("double", self.lanes)
        return self.f.let(f"select {vector('i1', self.lanes)} {mask}, {type} {call()}, {type} {value}")

    def write(self, nest: Nest, together: int = 1) -> None:
        """The function's body, for so many vectors at a time."""
        touched = [i for i in (*nest.body, *nest.roots) if isinstance(i, (Load, Store)) and i.buffer.kind != "work"]
        if self.lanes:
            seen = {i.buffer for i in touched}
            self.rows = {buffer: RowLeaf(self.f, self.compute.declarations, buffer, self.lanes, self.first[buffer])
                         for buffer, fits in zip(self.program.leaves, row_leaves(self.program)) if fits and buffer in seen}
        places = sorted({self.first[i.buffer] + i.place.offset for i in touched})
        if len(places) <= HELD_PLACES:
            for place in places:
                at = self.f.entry(f"getelementptr ptr, ptr %places, i64 {place}", "b")
                self.held[place] = self.f.entry(f"load ptr, ptr {at}, align 8", "b")
        if together == 1:
            self.f.loop("%first", "%last", "1", [], lambda counter, _: self._some(nest, [counter]))
            return
        end = self.f.entry("sub i64 %last, 1")

        def pair(counter, _):
            after = self.f.let(f"add i64 {counter}, 1")
            is_last = self.f.let(f"icmp eq i64 {counter}, {end}")  # goes twice, with the same results
            return self._some(nest, [counter, self.f.let(f"select i1 {is_last}, i64 {counter}, i64 {after}")])
        self.f.loop("%first", "%last", "2", [], pair)

    def _some(self, nest: Nest, counters: list[str]) -> list:
        """One vector, or two in turn."""
        values: list[list[str]] = [[] for _ in counters]
        self.vector = {counter: number for number, counter in enumerate(counters)}
        stores: dict[int, list[Store]] = {}
        # What the piece also reads is replaced at the end: by the copy for numbers outside, where that runs.
        read = {i.buffer for i in nest.body if isinstance(i, Load) and i.buffer.kind == "work"}
        replacing = [root for root in nest.roots if root.buffer in read]
        for root in nest.roots:
            if root.buffer not in read:
                stores.setdefault(root.value, []).append(root)
        for position, instruction in enumerate(nest.body):
            for counter, known in zip(counters, values):
                known.append(self._value(instruction, known, counter))
                for root in stores.get(position, ()):  # at once, so that registers are free for what follows
                    self._store(root, known[position], counter)

        def replace() -> list:
            for root in replacing:
                for counter, known in zip(counters, values):
                    self._store(root, known[root.value], counter)
            return []
        if not self.outside:
            return replace()
        is_outside, again = self._is_outside(), lambda: self._again(counters)
        return self.f.choose(is_outside, "", again, replace) if replacing else self.f.when(is_outside, [], again)

    def _is_outside(self) -> str:
        """Has any lane a number that functions in line are not right for?"""
        mask, *others = self.outside
        type = vector("i1", self.lanes)
        for other in others:
            mask = self.f.let(f"or {type} {mask}, {other}")
        flags = self.f.let(f"bitcast {type} {mask} to i{self.lanes}")
        return self.f.let(f"icmp ne i{self.lanes} {flags}, 0")

    def _again(self, counters: list[str]) -> list:
        after = self.f.let(f"add i64 {counters[-1]}, 1")
        self.f.do(f"call void @{self.f.name}{FAR}(ptr %places, ptr %slots, i64 {counters[0]}, i64 {after})")
        return []

    def _value(self, instruction, values: list[str], counter: str) -> str:
        if isinstance(instruction, Compute):
            return self.compute.write(instruction, [values[k] for k in instruction.operands], self.lanes)
        if isinstance(instruction, Literal):
            return self._spread(literal(instruction.bits, instruction.dtype), register_type(instruction.dtype))
        return self._load(instruction.buffer, instruction.place.offset, counter)

    def _load(self, buffer: Buffer, place: int, counter: str) -> str:
        dtype, element = buffer.dtype, memory_type(buffer.dtype)
        if buffer in self.program.spread:
            one = self.f.let(f"load {element}, ptr {self._slot(buffer)}, align 8")
            one = one if dtype.kind != "b" else self.f.let(f"icmp ne i8 {one}, 0")
            return self._spread(one, register_type(dtype))
        if buffer in self.rows:
            return self.rows[buffer].load(place, counter, lambda each: self._load_neighbours(buffer, each, counter))
        return self._load_neighbours(buffer, place, counter)

    def _load_neighbours(self, buffer: Buffer, place: int, counter: str) -> str:
        type, at = vector(memory_type(buffer.dtype), self.lanes), self._address(buffer, place, counter)
        self._ask(buffer, at, writes=False)
        value = self.f.let(f"load {type}, ptr {at}, align {buffer.dtype.itemsize}")
        if buffer.dtype.kind == "b":
            value = self.f.let(f"icmp ne {type} {value}, {'zeroinitializer' if self.lanes else '0'}")
        return value

    def _store(self, root: Store, value: str, counter: str) -> None:
        buffer = root.buffer
        if buffer in self.rows:
            self.rows[buffer].store(root.place.offset, value, counter, lambda each, column: self._store_neighbours(buffer, each, column, counter))
            return
        self._store_neighbours(buffer, root.place.offset, value, counter)

    def _store_neighbours(self, buffer: Buffer, place: int, value: str, counter: str) -> None:
        type = vector(memory_type(buffer.dtype), self.lanes)
        if buffer.dtype.kind == "b":
            value = self.f.let(f"zext {vector('i1', self.lanes)} {value} to {type}")
        at = self._address(buffer, place, counter)
        self._ask(buffer, at, writes=True)
        self.f.do(f"store {type} {value}, ptr {at}, align {buffer.dtype.itemsize}")

    def _ask(self, buffer: Buffer, at: str, writes: bool) -> None:
        bytes_of_vector = self.lanes * buffer.dtype.itemsize
        if buffer.kind != "work" and bytes_of_vector >= CACHE_LINE // 2:
            ask(self.f, self.compute.declarations.declare, at, str(VECTORS_AHEAD * bytes_of_vector), writes)

    def _address(self, buffer: Buffer, place: int, counter: str) -> str:
        if buffer.kind == "work":
            return self._slot(buffer, self.vector[counter])
        number = self.first[buffer] + place
        base = self.held.get(number)
        if base is None:
            at = self.f.let(f"getelementptr ptr, ptr %places, i64 {number}", "p")
            base = self.f.let(f"load ptr, ptr {at}, align 8", "p")
        # Of what is the same for all samples there is one element, and no counter.
        return base if not self.lanes else self.f.let(f"getelementptr {vector(memory_type(buffer.dtype), self.lanes)}, ptr {base}, i64 {counter}", "p")

    def _slot(self, buffer: Buffer, vector: int = 0) -> str:
        return self.f.let(f"getelementptr i8, ptr %slots, i64 {self.program.slots[buffer] * self.slot_bytes + vector * VECTOR_BYTES}", "w")

    def _spread(self, value: str, element: str) -> str:
        if not self.lanes:
            return value
        if not value.startswith("%"):
            return f"splat ({element} {value})"
        type = vector(element, self.lanes)
        one = self.f.let(f"insertelement {type} poison, {element} {value}, i64 0")
        return self.f.let(f"shufflevector {type} {one}, {type} poison, <{self.lanes} x i32> zeroinitializer")


def _first_places(program: LaneProgram) -> dict[Buffer, int]:
    """For each leaf the number of its first element among all places; behind the last one stands the bytes from row to row."""
    first, total = {}, 0
    for buffer in program.leaves:
        first[buffer] = total
        total += math.prod(buffer.shape) + 1
    return first
