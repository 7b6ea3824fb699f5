"""Calls of one function that stand together in straight-line code, as one call of its vector variant.

A scalar ``sin`` costs as much as one of eight lanes. The scheduler brings calls together (``codegen.schedule.straight``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from codegen.loops import Compute, Gather, Literal, Load, Nest
from tracer.graph.op import Libm, Op, lowering

from .compute import ComputeWriter, vector_symbol
from .text import FunctionText
from .types import LANES, register_type, vector

FEWEST = 3  # calls that are worth moving into lanes and back


class Pack(NamedTuple):
    """The operation on each of these operand tuples, in lanes."""

    op: Op
    members: tuple[tuple[int, ...], ...]
    dtype: np.dtype

    @property
    def operands(self) -> tuple[int, ...]:
        return tuple([k for member in self.members for k in member])


class Lane(NamedTuple):
    """One of a Pack's results."""

    pack: int
    lane: int
    dtype: np.dtype

    @property
    def operands(self) -> tuple[int, ...]:
        return (self.pack,)


def pack_calls(nest: Nest) -> Nest:
    """The same straight-line nest with calls packed, where this machine has vector variants of them."""
    if nest.extents:
        return nest
    calls: dict[tuple[Op, np.dtype], list[int]] = {}
    for position, instruction in enumerate(nest.body):
        if isinstance(instruction, Compute) and isinstance(lowering(instruction.op, instruction.operand_dtype), Libm):
            calls.setdefault((instruction.op, instruction.dtype), []).append(position)
    packable = {position for (op, dtype), positions in calls.items() if len(positions) >= FEWEST
                and _variant(op, dtype, len(nest.body[positions[0]].operands)) for position in positions}
    return _Packer(nest, packable).run() if packable else nest


def _variant(op: Op, dtype: np.dtype, arity: int) -> tuple[str, int] | None:
    element = register_type(dtype)
    return vector_symbol(lowering(op, dtype).name + ("f" if element == "float" else ""), arity, element)


def packed_function(compute: ComputeWriter, pack: Pack) -> tuple[str, int]:
    """The name of a function, and how many results it writes. It takes the operands of a pack one by one and applies its operation in lanes.

    LLVM's fast instruction selection gives up on code that moves scalars in and out of vectors, so that this is kept out of long code:
    31,000 nodes compile in 0.6 s instead of 1.2. Operands come in registers, since a vector read from eight places just written stalls
    (21 µs a call, 29 through memory).
    """
    element = register_type(pack.dtype)
    arity = len(pack.members[0])
    lanes = max(LANES, _variant(pack.op, pack.dtype, arity)[1])
    type = vector(element, lanes)
    name = f"packed.{pack.op.name}.{element}"
    lines = compute.declarations.lines
    if name not in lines:
        names = [[f"%a{number}.{lane}" for lane in range(LANES)] for number in range(arity)]
        function = FunctionText(name, compute.f.integers, ", ".join(["ptr %out", *(f"{element} {a}" for column in names for a in column)]))
        operands = []
        for column in names:
            filled = "poison"
            for lane, value in enumerate((*column, *[column[0]] * (lanes - LANES))):
                filled = function.let(f"insertelement {type} {filled}, {element} {value}, i64 {lane}")
            operands.append(filled)
        result = ComputeWriter(function, compute.declarations, compute.fast).apply(lowering(pack.op, pack.dtype), operands, pack.dtype, pack.dtype, lanes)
        function.do(f"store {type} {result}, ptr %out, align 64")
        lines[name] = function.text()
    return name, lanes


class _Packer:
    def __init__(self, nest: Nest, packable: set[int]):
        self.old = nest
        self.packable = packable
        self.body: list = []
        self.new: dict[int, int] = {}
        self.group: list[int] = []  # calls of one function, not emitted yet

    def run(self) -> Nest:
        for position, instruction in enumerate(self.old.body):
            if isinstance(instruction, (Load, Literal)):
                self._emit(position)
                continue
            if self.group and not self._joins(position):
                self._flush()
            if position in self.packable:
                self.group.append(position)
            else:
                self._emit(position)
        if self.group:
            self._flush()
        return Nest((), self.body, [self._root(root) for root in self.old.roots])

    def _joins(self, position: int) -> bool:
        """Is it one more call of the function, on operands that are there?"""
        if position not in self.packable or len(self.group) == LANES:
            return False
        call, first = self.old.body[position], self.old.body[self.group[0]]
        return call.op is first.op and call.dtype == first.dtype and not any(k in self.group for k in call.operands)

    def _root(self, root):
        if hasattr(root, "indices"):
            root = root._replace(indices=tuple([self.new[k] for k in root.indices]))
        return root._replace(value=self.new[root.value])

    def _emit(self, position: int) -> None:
        instruction, new = self.old.body[position], self.new
        if isinstance(instruction, Compute):
            operands = tuple([new[k] for k in instruction.operands])
            instruction = Compute(instruction.op, operands, instruction.dtype, instruction.operand_dtype, instruction.node)
        elif isinstance(instruction, Gather):
            instruction = instruction._replace(indices=tuple([new[k] for k in instruction.indices]))
        new[position] = len(self.body)
        self.body.append(instruction)

    def _flush(self) -> None:
        """Emit the group, in lanes if it is worth that."""
        group, self.group = self.group, []
        if len(group) < FEWEST:
            for position in group:
                self._emit(position)
            return
        call = self.old.body[group[0]]
        pack = len(self.body)
        self.body.append(Pack(call.op, tuple([tuple([self.new[k] for k in self.old.body[position].operands]) for position in group]), call.dtype))
        for lane, position in enumerate(group):
            self.new[position] = len(self.body)
            self.body.append(Lane(pack, lane, call.dtype))
