"""A walk as LLVM: a loop over the rows of its table, a switch to the body, a loop around it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from codegen.loops import Cell, Nest, Walk

from .abi import BAD_ACCESS
from .access import AccessWriter
from .compute import ComputeWriter
from .nest import NestWriter
from .text import FunctionText
from .types import memory_type

HEAD = 2  # columns of the table in front of its pairs


class WalkWriter:
    """Writes one walk into a function."""

    def __init__(self, function: FunctionText, access: AccessWriter, compute: ComputeWriter, walk: Walk):
        self.f = function
        self.access = access
        self.compute = compute
        self.walk = walk
        self.memory = access.buffers.pointer(walk.memory)
        self.table = access.buffers.pointer(walk.table)
        self.size = function.integer(prod(walk.memory.shape))

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

    def _column(self, row: str, column: int) -> str:
        place = self.f.let(f"getelementptr i64, ptr {row}, i64 {column}", "q")
        return self.f.let(f"load i64, ptr {place}, align 8", "n")

    def _choose(self, row: str) -> None:
        f = self.f
        code, count = self._column(row, 0), self._column(row, 1)
        labels, out = [f.label("case") for _ in self.walk.bodies], f.label("end")
        cases = " ".join(f"i64 {k}, label %{label}" for k, label in enumerate(labels))
        f.do(f"switch i64 {code}, label %{out} [ {cases} ]")
        for label, body, (reads, writes) in zip(labels, self.walk.bodies, self.walk.cells):
            f.start_block(label)
            self._run(row, count, body, (*reads, *writes))
            f.branch(out)
        f.start_block(out)

    def _run(self, row: str, count: str, body: Nest, cells: Sequence[Cell]) -> None:
        f = self.f
        pairs = {pair: (self._column(row, HEAD + 2 * pair), self._column(row, HEAD + 2 * pair + 1)) for pair in {cell.pair: None for cell in cells}}
        nest = Nest((), body.body, [root._replace(accumulate=self.walk.is_adding) for root in body.roots])

        def once(at, _):
            turn = self._turned(at, count)
            moved = {pair: f.add(first, f.mul(turn, step)) for pair, (first, step) in pairs.items()}
            for cell in cells:
                place = self._inside(f.add(moved[cell.pair], f.integer(cell.offset)))
                self.access.buffers.place(cell.number, f.let(f"getelementptr {memory_type(cell.number.dtype)}, ptr {self.memory}, i64 {place}", "p"))
            NestWriter(f, self.access, self.compute, nest).write()
            return []
        f.loop("0", count, "1", [], once)

    def _inside(self, place: str) -> str:
        """In a checked build places that are none are errors."""
        if self.access.checked:
            bad = self.f.let(f"icmp uge i64 {place}, {self.size}")
            self.f.when(bad, [], lambda: self.f.do(f"store i32 {BAD_ACCESS}, ptr %status, align 4") or [])
            return self.f.let(f"select i1 {bad}, i64 0, i64 {place}", "i")
        return place


__all__ = ["WalkWriter"]
