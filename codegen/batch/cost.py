"""Estimates of what one sample or vector costs: they decide whether threads are worth waking and whether two vectors go through the code together."""

from __future__ import annotations

import math

from codegen.loops import Compute, Nest
from codegen.schedule.straight import operands_of
from tracer.graph.op import Instruction, Intrinsic, Libm, Special, lowering

from .lower import LaneProgram
from .pieces import nests

# Nanoseconds of one sample.
ARITHMETIC, FUNCTION, ELEMENT = 0.15, 1.0, 0.5
ROUNDS = 8  # of a loop that the data end, as long as nothing is known of it

# Of one vector: cycles until a result is there, cycles of the divider, and of the arithmetic. On a machine with 512 bits; on others the ratios are alike.
_PLAIN, _DIVISION, _ROOT, _FUNCTION, _SPECIAL = (4, 0, 0.5), (23, 16, 1.5), (32, 24, 1.5), (55, 0, 15), (100, 0, 35)
MOST_TOGETHER = 250  # instructions, functions in line not counted; beyond, compiling twice of everything costs more than it gives


def nanoseconds(program: LaneProgram) -> float:
    """The time of one sample."""
    elements = sum(math.prod(b.shape) for b in program.leaves)
    return ELEMENT * elements + sum(ROUNDS ** depth * _time(i) for nest, depth in nests(program.body) for i in nest.body if isinstance(i, Compute))


def _time(instruction: Compute) -> float:
    lower = lowering(instruction.op, instruction.operand_dtype)
    return FUNCTION if isinstance(lower, Libm) else 8 * FUNCTION if isinstance(lower, Special) else ARITHMETIC


def together(program: LaneProgram) -> int:
    """How many vectors go through the code together: two where its only piece, or each piece that is run in rounds, is the better for it.

    Newton's iteration for Kepler's equation: 12 ns a sample instead of 20, with its gradient 30 instead of 42.
    """
    chosen = [nest for nest, depth in nests(program.body) if depth] or ([nest for nest, _ in nests(program.body)] if len(program.body) == 1 else [])
    return 2 if chosen and sum(len(nest.body) for nest in chosen) <= MOST_TOGETHER and all(vectors_together(nest) == 2 for nest in chosen) else 1


def vectors_together(nest: Nest) -> int:
    """Two where most instructions of a vector wait for one another: those of another fill the time. The Greeks of an option: 87 ns a vector instead of 106."""
    ready, divider, arithmetic = [], 0.0, 0.0
    for instruction in nest.body:
        delay, divides, computes = _cycles(instruction) if isinstance(instruction, Compute) else (0, 0, 0)
        ready.append(delay + max((ready[k] for k in operands_of(instruction)), default=0))
        divider, arithmetic = divider + divides, arithmetic + computes
    return 2 if len(nest.body) <= MOST_TOGETHER and max(ready, default=0) > max(divider, arithmetic) else 1


def _cycles(instruction: Compute) -> tuple[float, float, float]:
    lower = lowering(instruction.op, instruction.operand_dtype)
    if isinstance(lower, (Libm, Special)):
        return _FUNCTION if isinstance(lower, Libm) else _SPECIAL
    if isinstance(lower, Intrinsic) and lower.name == "llvm.sqrt":
        return _ROOT
    return _DIVISION if isinstance(lower, Instruction) and lower.float == "fdiv" else _PLAIN
