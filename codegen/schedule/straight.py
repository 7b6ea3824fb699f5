"""Long straight-line code: calls of one function brought together, and the whole cut into pieces that compile in linear time.

A vector function computes eight sines in the time of one (``codegen.llvm.pack``), but only those that stand in one piece and whose operands
are known together. Operations that wait for a call are therefore put off, as far as a window allows, until eight calls of one function are
ready. 10,000 random operations, a third of them calls: 38 µs a call in the order of the program, 25 in this one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from codegen.loops import Affine, Buffer, Compute, Gather, Literal, Load, Nest, Store
from tracer.graph.op import Libm, Op, lowering

# Instructions in one function. LLVM's register allocation grows with it: 23,000 nodes of mixed arithmetic compile in
# 1.3 / 1.2 / 1.1 / 2.2 s in pieces of 1000 / 250 / 125 / 60 (without calls among them 4.9 / 2.3 / 1.4 / 1.5 s), at the same time per call.
PIECE = 400
WINDOW = 512  # operations that may wait for calls at a time
TOGETHER = 8  # calls of one function that go at once: the lanes of the widest vectors

HERE = Affine(0, ())


def in_pieces(nest: Nest, new_work: Callable[[np.dtype, tuple], Buffer]) -> list[Nest]:
    """The same straight-line code as nests of bounded size. ``new_work`` makes the buffers for what one piece hands to another."""
    if nest.extents:
        return [nest]
    calls = {position: i.op for position, i in enumerate(nest.body) if isinstance(i, Compute) and isinstance(lowering(i.op, i.operand_dtype), Libm)}
    if len(nest.body) <= PIECE and len(calls) < 2:
        return [nest]
    # Readings and literals are left out: each piece has its own.
    order = [position for position, i in enumerate(nest.body) if not isinstance(i, (Load, Literal))]
    return _Cutter(nest, new_work).run(_Order(nest, order, calls).run() if calls else order)


def cut(nest: Nest, new_work: Callable[[np.dtype, tuple], Buffer]) -> list[Nest]:
    """The same straight-line code, in the same order, as nests of bounded size; stores stand where their value is made."""
    order = [position for position, i in enumerate(nest.body) if not isinstance(i, (Load, Literal))]
    return _Cutter(nest, new_work).run(order)


def operands_of(instruction) -> tuple[int, ...]:
    """The positions of the values that an instruction takes."""
    if type(instruction) is Compute:
        return instruction.operands
    return instruction.indices if type(instruction) is Gather else ()


# Order ------------------------------------------------------------------------------------------------------------------

class _Order:
    """A list schedule: what is ready goes at once, calls when there are enough of them or nothing else is ready."""

    def __init__(self, nest: Nest, order: list[int], calls: dict[int, Op]):
        self.order = order
        self.calls = calls
        self.ready: dict[Op, list[int]] = {op: [] for op in calls.values()}
        self.waiting: set[int] = set()
        self.result: list[int] = []
        self.users: list[list[int]] = [[] for _ in nest.body]
        self.missing = [0] * len(nest.body)
        computed = set(order)
        for position in order:
            for operand in operands_of(nest.body[position]):
                if operand in computed:
                    self.users[operand].append(position)
                    self.missing[position] += 1

    def run(self) -> list[int]:
        """The positions in their new order."""
        for position in self.order:
            while len(self.waiting) >= WINDOW:
                self._flush_most()
            self.waiting.add(position)
            if not self.missing[position]:
                self._go([position])
        while self.waiting:
            self._flush_most()
        return self.result

    def _flush_most(self) -> None:
        self._go(self._flush(max(self.ready.values(), key=len)))

    def _go(self, pending: list[int]) -> None:
        """These operations are ready, and perhaps others after them."""
        while pending:
            position = pending.pop()
            op = self.calls.get(position)
            if op is None:
                self._emit(position, pending)
                continue
            ready = self.ready[op]
            ready.append(position)
            if len(ready) == TOGETHER:
                pending += self._flush(ready)

    def _flush(self, ready: list[int]) -> list[int]:
        """Add these calls; what has become ready by them."""
        group, after = sorted(ready), []
        ready.clear()
        for position in group:
            self._emit(position, after)
        return after

    def _emit(self, position: int, after: list[int]) -> None:
        self.result.append(position)
        self.waiting.discard(position)
        missing = self.missing
        for user in self.users[position]:
            missing[user] -= 1
            if not missing[user] and user in self.waiting:
                after.append(user)


# Pieces -----------------------------------------------------------------------------------------------------------------

class _Cutter:
    """Cuts an order into nests. What a later piece needs goes through a work buffer; loads and literals are repeated."""

    def __init__(self, nest: Nest, new_work: Callable):
        self.body = nest.body
        self.roots = nest.roots
        self.new_work = new_work
        self.pieces: list[Nest] = []
        self.piece_of = [-1] * len(nest.body)         # in which piece a value is made, and at which position there
        self.place_of = [-1] * len(nest.body)
        self.slots: dict[int, Buffer] = {}
        self.brought: dict[int, int] = {}             # what the piece that is being filled has read from elsewhere

    def run(self, order: list[int]) -> list[Nest]:
        for start in range(0, len(order), PIECE):
            self._open()
            for position in order[start:start + PIECE]:
                self._append(position)
        self._finish()
        return self.pieces

    def _open(self) -> None:
        self.pieces.append(Nest(()))
        self.brought = {}

    def _append(self, position: int) -> None:
        instruction, piece = self.body[position], len(self.pieces) - 1
        piece_of, place_of = self.piece_of, self.place_of
        operands = tuple([place_of[k] if piece_of[k] == piece else self._brought(k) for k in operands_of(instruction)])
        if type(instruction) is Compute:
            instruction = Compute(instruction.op, operands, instruction.dtype, instruction.operand_dtype, instruction.node)
        elif type(instruction) is Gather:
            instruction = instruction._replace(indices=operands)
        body = self.pieces[-1].body
        piece_of[position], place_of[position] = piece, len(body)
        body.append(instruction)

    def _value(self, position: int) -> int:
        """A value of the old body in the piece that is being filled."""
        return self.place_of[position] if self.piece_of[position] == len(self.pieces) - 1 else self._brought(position)

    def _brought(self, position: int) -> int:
        """A value that is made in another piece, or in none since each reads it for itself."""
        found = self.brought.get(position)
        if found is None:
            body = self.pieces[-1].body
            found = self.brought[position] = len(body)
            body.append(self.body[position] if self.piece_of[position] < 0 else Load(self._slot(position), HERE))
        return found

    def _slot(self, position: int) -> Buffer:
        slot = self.slots.get(position)
        if slot is None:
            instruction = self.body[position]
            dtype = instruction.buffer.dtype if type(instruction) is Gather else instruction.dtype
            slot = self.slots[position] = self.new_work(dtype, ())
            self.pieces[self.piece_of[position]].roots.append(Store(self.place_of[position], slot, HERE))
        return slot

    def _finish(self) -> None:
        """The roots: stores where their value is made; what adds to memory, or writes what the code also reads, in order at the end."""
        read = {instruction.buffer for instruction in self.body if isinstance(instruction, (Load, Gather))}
        last = []
        for root in self.roots:
            if isinstance(root, Store) and not root.accumulate and root.buffer not in read and self.piece_of[root.value] >= 0:
                self.pieces[self.piece_of[root.value]].roots.append(root._replace(value=self.place_of[root.value]))
            else:
                last.append(root)
        if last and not self.pieces:
            self._open()
        for root in last:
            if hasattr(root, "indices"):
                root = root._replace(indices=tuple([self._value(k) for k in root.indices]))
            self.pieces[-1].roots.append(root._replace(value=self._value(root.value)))
