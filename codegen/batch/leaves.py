"""Leaves whose samples may stand in rows: code that reads and writes them either way, by their row stride.

Which way is decided once a vector for each group of elements, always alike: the branches cost nothing, and one text serves all layouts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from codegen.llvm.compute import Declarations
from codegen.llvm.text import FunctionText
from codegen.llvm.types import memory_type
from codegen.loops import Buffer

from . import rows
from .lower import LaneProgram

# Memory is asked for before it is read or written, so many bytes of rows or vectors of a column. 4,000,000 gradients of a function of four numbers, without
# and with: 7.1 and 5.9 ns in rows, 6.4 and 4.9 in columns; the Greeks of options 12.4 and 9.9.
ROWS_AHEAD, VECTORS_AHEAD = 2048, 16
CACHE_LINE = 64
MOST_ELEMENTS = 64  # of a sample in a leaf; beyond, it goes through tiles


def row_leaves(program: LaneProgram) -> list[bool]:
    """For each leaf, whether its code can read or write rows. Of several pieces each would read all rows again."""
    varies = [*program.mapped, *[False] * len(program.arrays), *[True] * len(program.outputs)]
    return [len(program.body) == 1 and each and _fits(buffer) for each, buffer in zip(varies, program.leaves, strict=True)]


def _fits(buffer: Buffer) -> bool:
    return buffer.dtype.kind != "b" and buffer.dtype.itemsize >= 4 and 2 <= math.prod(buffer.shape) <= MOST_ELEMENTS


def ask(f: FunctionText, declare: rows.Declare, place: str, ahead: str, writes: bool) -> None:
    """Have the cache fetch what lies so many bytes behind ``place``; of memory that is not there nothing is fetched."""
    name = declare("llvm.prefetch.p0", "void", ("ptr", "i32", "i32", "i32"))
    soon = f.let(f"getelementptr i8, ptr {place}, i64 {ahead}")
    f.do(f"call void @{name}(ptr {soon}, i32 {int(writes)}, i32 3, i32 1)")


class RowLeaf:
    """Reads and writes one leaf in a function: groups of elements, as many as there are lanes at most."""

    def __init__(self, function: FunctionText, declarations: Declarations, buffer: Buffer, lanes: int, first: int):
        """``first``: the place of its first element; behind the last one stands the bytes from row to row, or 0 where there are none."""
        self.f, self.declare = function, declarations.declare
        self.element, self.lanes, self.item = memory_type(buffer.dtype), lanes, buffer.dtype.itemsize
        self.count = math.prod(buffer.shape)
        self.base = self._place(first, "ptr")
        self.stride = self._place(first + self.count, "i64")
        self.is_rows = self.f.entry(f"icmp ne i64 {self.stride}, 0")
        self.steps = ["0", *(self.f.entry(f"mul i64 {self.stride}, {k}") for k in range(1, lanes + 1))]
        self.ahead = self.f.entry(f"mul i64 {self.stride}, {lanes * max(1, ROWS_AHEAD // (lanes * self.count * self.item))}")
        self._held: dict[tuple[str, int], str] = {}     # values by vector and element
        self._waiting: dict[tuple[str, int], str] = {}  # stores of groups that are not whole yet

    def _place(self, number: int, type: str) -> str:
        return self.f.entry(f"load {type}, ptr {self.f.entry(f'getelementptr ptr, ptr %places, i64 {number}')}, align 8")

    def _group(self, element: int) -> range:
        first = element // self.lanes * self.lanes
        return range(first, min(first + self.lanes, self.count))

    def _addresses(self, counter: str, group: range, writes: bool = False) -> Sequence[str]:
        """Where each row has its group; and those that come soon are asked for."""
        row = self.f.let(f"mul i64 {counter}, {self.steps[self.lanes]}")
        start = self.f.let(f"getelementptr i8, ptr {self.base}, i64 {row}")
        start = self.f.let(f"getelementptr i8, ptr {start}, i64 {group.start * self.item}")
        places = [self.f.let(f"getelementptr i8, ptr {start}, i64 {step}") for step in self.steps[:self.lanes]]
        bytes_of_row = self.count * self.item
        for number, place in enumerate(places):
            if number * bytes_of_row % CACHE_LINE < bytes_of_row:  # a line of several rows once
                ask(self.f, self.declare, place, self.ahead, writes)
        return places

    def load(self, element: int, counter: str, direct: Callable[[int], str]) -> str:
        """A vector of one element of the samples; ``direct`` loads it where samples stand side by side."""
        if (counter, element) not in self._held:
            group = self._group(element)
            values = self._either(lambda: rows.read(self.f, self.declare, self._addresses(counter, group), self.element, len(group)),
                                  lambda: [direct(each) for each in group])
            self._held.update(((counter, each), value) for each, value in zip(group, values))
        return self._held[counter, element]

    def store(self, element: int, value: str, counter: str, direct: Callable[[int, str], None]) -> None:
        """Store a vector of one element, when all of its group are there."""
        self._waiting[counter, element] = value
        group = self._group(element)
        if all((counter, each) in self._waiting for each in group):
            values = [self._waiting[counter, each] for each in group]
            self._either(lambda: rows.write(self.f, self.declare, values, self._addresses(counter, group, writes=True), self.element) or [],
                         lambda: [direct(each, value) for each, value in zip(group, values)] and [])

    def _either(self, in_rows: Callable[[], list[str]], side_by_side: Callable[[], list[str]]) -> list[str]:
        return self.f.choose(self.is_rows, f"<{self.lanes} x {self.element}>", in_rows, side_by_side)
