"""A walk as LLVM: a loop over the rows of its table, a switch to the body, a loop around it.

A value that goes from one time to the next stays in a register: read back from where it was written a moment ago, it would take twice as long.
"""

from __future__ import annotations

from math import prod

from codegen.loops import Buffer, Cell, Load, Nest, Walk
from tracer.graph.op import lowering
from tracer.ops import TABLE
from tracer.ops.walk import HEAD

from .abi import BAD_ACCESS
from .access import AccessWriter
from .compute import ComputeWriter
from .straight import StraightWriter
from .text import FunctionText
from .types import literal_of, memory_type

ADD = TABLE["add"]


class WalkWriter:
    """Writes one walk into a function."""

    def __init__(self, function: FunctionText, access: AccessWriter, compute: ComputeWriter, walk: Walk):
        self.f = function
        self.access = access
        self.compute = compute
        self.walk = walk
        self.sources = [access.buffers.pointer(each) for each in walk.sources]
        self.table = access.buffers.pointer(walk.table)
        self.sizes = [function.integer(prod(each.shape)) for each in walk.sources]
        self.dtype = walk.sources[0].dtype
        self.element = memory_type(self.dtype)

    def write(self) -> None:
        steps, width = map(self.f.integer, self.walk.table.shape)

        def step(at, _):
            row = self.f.let(f"getelementptr i64, ptr {self.table}, i64 {self.f.mul(self._turned(at, steps), width)}", "r")
            self._choose(row)
            return []
        self.f.loop("0", steps, "1", [], step)

    def _turned(self, at: str, count: str) -> str:
        """The counter, from the end where that is the way."""
        return self.f.let(f"sub i64 {self.f.let(f'sub i64 {count}, 1', 'i')}, {at}", "i") if self.walk.is_backward else at

    def column(self, row: str, column: int) -> str:
        place = self.f.let(f"getelementptr i64, ptr {row}, i64 {column}", "q")
        return self.f.let(f"load i64, ptr {place}, align 8", "n")

    def _choose(self, row: str) -> None:
        f = self.f
        code, count = self.column(row, 0), self.column(row, 1)
        labels, out = [f.label("case") for _ in self.walk.bodies], f.label("end")
        cases = " ".join(f"i64 {k}, label %{label}" for k, label in enumerate(labels))
        f.do(f"switch i64 {code}, label %{out} [ {cases} ]")
        for label, body, cells in zip(labels, self.walk.bodies, self.walk.cells):
            f.start_block(label)
            _Step(self, row, count, body, *cells).write()
            f.branch(out)
        f.start_block(out)

    # -- memory ----------------------------------------------------------------------------------------------------
    def load(self, place: str, source: int = 0) -> str:
        return self.f.let(f"load {self.element}, ptr {self._address(place, source)}, align {self.dtype.itemsize}")

    def store(self, place: str, value: str) -> None:
        self.f.do(f"store {self.element} {value}, ptr {self._address(place, 0)}, align {self.dtype.itemsize}")

    def add(self, place: str, value: str) -> str:
        """Add to what is there; the total."""
        total = self.compute.apply(lowering(ADD, self.dtype), [self.load(place), value], self.dtype, self.dtype, 0)
        self.store(place, total)
        return total

    def _address(self, place: str, source: int) -> str:
        return self.f.let(f"getelementptr {self.element}, ptr {self.sources[source]}, i64 {self._inside(place, source)}", "p")

    def _inside(self, place: str, source: int) -> str:
        """In a checked build places that are none are errors."""
        if self.access.checked:
            bad = self.f.let(f"icmp uge i64 {place}, {self.sizes[source]}")
            self.f.when(bad, [], lambda: self.f.do(f"store i32 {BAD_ACCESS}, ptr %status, align 4") or [])
            return self.f.let(f"select i1 {bad}, i64 0, i64 {place}", "i")
        return place


class _Step:
    """A body that is run some times."""

    def __init__(self, walk: WalkWriter, row: str, count: str, body: Nest, reads: list[Cell], writes: list[Cell]):
        self.walk, self.f, self.count, self.body, self.reads, self.writes = walk, walk.f, count, body, reads, writes
        self.is_backward, self.is_adding = walk.walk.is_backward, walk.walk.is_adding
        pairs = dict.fromkeys(pair for cell in (*reads, *writes) for pair in (cell.slot.pair, cell.slot.after) if pair is not None)
        self.first, self.step = ({pair: walk.column(row, HEAD + 2 * pair + k) for pair in pairs} for k in (0, 1))
        self.carried = dict(self._carried())

    def _carried(self):
        """(cell that is read, cell that was written to its place the time before, in the order of the walk)."""
        for read in self.reads:
            for written in self.writes:
                later, earlier = (written, read) if self.is_backward else (read, written)
                if later.slot.after is not None and not later.slot.source and later.slot._replace(pair=later.slot.after, after=None) == earlier.slot:
                    yield read, written
                    break

    def write(self) -> None:
        f, walk = self.f, self.walk
        if self.is_adding:
            # What changes nothing when it is added is -0.
            values = [literal_of(-0.0, walk.dtype) for _ in self.carried]
        else:
            values = [walk.load(f.add(self.first[read.slot.pair], f.integer(read.slot.offset))) for read in self.carried]
        last = f.let(f"sub i64 {self.count}, 1", "i") if self.is_backward else "0"
        places = [f.add(first, f.mul(last, self.step[pair])) for pair, first in self.first.items()]
        carried = [*[("i64", place) for place in places], *[(walk.element, value) for value in values]]
        values = f.loop("0", self.count, "1", carried, self._once)[len(places):]
        if self.is_adding:
            end = "0" if self.is_backward else f.let(f"sub i64 {self.count}, 1", "i")
            for written, value in zip(self.carried.values(), values):
                pair, offset = written.slot.pair, f.integer(written.slot.offset)
                walk.add(f.add(f.add(self.first[pair], f.mul(end, self.step[pair])), offset), value)

    def _once(self, counter: str, carried: list[str]) -> list[str]:
        f, walk = self.f, self.walk
        at = dict(zip(self.first, carried))
        known = dict(zip(self.carried, carried[len(at):]))
        is_first = f.let(f"icmp eq i64 {counter}, {f.let(f'sub i64 {self.count}, 1', 'i') if self.is_backward else '0'}")
        for cell in self.reads:
            if cell not in known:
                known[cell] = walk.load(self._place(cell, at, is_first), cell.slot.source)
            elif self.is_adding:
                known[cell] = walk.add(self._place(cell, at, is_first), known[cell])
        writer = _BodyWriter(f, walk.access, walk.compute, self.body)
        writer.given = {cell.number: value for cell, value in known.items()}
        writer.write()
        kept = set(self.carried.values()) if self.is_adding else ()
        for cell in self.writes:
            if cell not in kept:
                (walk.add if self.is_adding else walk.store)(self._place(cell, at, is_first), writer.made[cell.number])
        moved = [f.let(f"{'sub' if self.is_backward else 'add'} i64 {place}, {self.step[pair]}", "i") for pair, place in at.items()]
        return [*moved, *[writer.made[written.number] for written in self.carried.values()]]

    def _place(self, cell: Cell, at: dict[int, str], is_first: str) -> str:
        f, (pair, offset, after, _) = self.f, cell.slot
        place = at[pair]
        if after is not None:
            place = f.let(f"select i1 {is_first}, i64 {place}, i64 {f.let(f'sub i64 {at[after]}, {self.step[after]}', 'i')}", "i")
        return f.add(place, f.integer(offset))


class _BodyWriter(StraightWriter):
    """Straight-line code from and to numbers in registers, by their buffers."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.given: dict[Buffer, str] = {}
        self.made: dict[Buffer, str] = {}

    def _load(self, instruction: Load) -> str:
        return self.given[instruction.buffer]

    def _roots(self) -> None:
        self.made = {root.buffer: self._value(root.value) for root in self.nest.roots}


__all__ = ["WalkWriter"]
