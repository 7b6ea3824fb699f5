"""Calls of one function that stand together in straight-line code, as one call of its vector variant.

A scalar ``sin`` costs as much as one of eight lanes. The scheduler brings calls together (``codegen.schedule.straight``).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from codegen.loops import Compute, Literal, Load
from tracer.graph.op import Libm, Op, lowering

from .compute import ComputeWriter, vector_symbol
from .text import FunctionText
from .types import LANES, register_type, vector

FEWEST = 3  # calls that are worth moving into lanes and back


def in_lanes(body: list) -> Iterator[int | list[int]]:
    """The positions of straight-line code in the order in which they are written. Calls that become one, where this machine has a vector variant, come
    as a list."""
    packable = _packable(body)
    group: list[int] = []  # calls of one function, not given yet
    for position, instruction in enumerate(body):
        if group and not isinstance(instruction, (Load, Literal)) and not _joins(body, group, position, packable):
            yield from [group] if len(group) >= FEWEST else group
            group = []
        if position in packable:
            group.append(position)
        else:
            yield position
    yield from [group] if len(group) >= FEWEST else group


def _packable(body: list) -> set[int]:
    calls: dict[tuple[Op, np.dtype], list[int]] = {}
    for position, instruction in enumerate(body):
        if isinstance(instruction, Compute) and isinstance(lowering(instruction.op, instruction.operand_dtype), Libm):
            calls.setdefault((instruction.op, instruction.dtype), []).append(position)
    return {position for (op, dtype), positions in calls.items() if len(positions) >= FEWEST
            and _variant(op, dtype, len(body[positions[0]].operands)) for position in positions}


def _joins(body: list, group: list[int], position: int, packable: set[int]) -> bool:
    """Is it one more call of the function, on operands that are there?"""
    if position not in packable or len(group) == LANES:
        return False
    call, first = body[position], body[group[0]]
    return call.op is first.op and call.dtype == first.dtype and not any(k in group for k in call.operands)


def _variant(op: Op, dtype: np.dtype, arity: int) -> tuple[str, int] | None:
    element = register_type(dtype)
    return vector_symbol(lowering(op, dtype).name + ("f" if element == "float" else ""), arity, element)


def packed_function(compute: ComputeWriter, call: Compute) -> tuple[str, int]:
    """The name of a function, and how many results it writes. It takes the operands of LANES calls like this one by one and makes them in lanes.

    LLVM's fast instruction selection gives up on code that moves scalars in and out of vectors, so that this is kept out of long code:
    31,000 nodes compile in 0.6 s instead of 1.2. Operands come in registers, since a vector read from eight places just written stalls
    (21 µs a call, 29 through memory).
    """
    op, dtype, arity = call.op, call.dtype, len(call.operands)
    element = register_type(dtype)
    lanes = max(LANES, _variant(op, dtype, arity)[1])
    type = vector(element, lanes)
    name = f"packed.{op.name}.{element}"
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
        result = ComputeWriter(function, compute.declarations, compute.fast).apply(lowering(op, dtype), operands, dtype, dtype, lanes)
        function.do(f"store {type} {result}, ptr %out, align 64")
        lines[name] = function.text()
    return name, lanes
