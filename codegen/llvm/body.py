"""What the instructions of a body are and depend on, as both writers of nests ask it."""

from __future__ import annotations

import numpy as np

from codegen.loops import Compute, Gather, Load, Nest, place_depth

from .types import LANES, NARROW_LANES


def operands_of(instruction) -> tuple[int, ...]:
    """The positions of the values that an instruction takes."""
    if isinstance(instruction, Compute):
        return instruction.operands
    return instruction.indices if isinstance(instruction, Gather) else ()


def dtype_of(instruction) -> np.dtype:
    """The dtype of the value that an instruction makes."""
    return instruction.buffer.dtype if isinstance(instruction, (Load, Gather)) else instruction.dtype


def depths(nest: Nest) -> list[int]:
    """For each instruction the number of outer loops that its value depends on."""
    result: list[int] = []
    for instruction in nest.body:
        depth = 0
        if isinstance(instruction, Load):
            depth = place_depth(instruction.place)
        elif isinstance(instruction, Gather):
            depth = max([place_depth(instruction.rest), *(result[k] for k in instruction.indices)])
        else:
            depth = max([result[k] for k in getattr(instruction, "operands", ())], default=0)
        result.append(depth)
    return result


def lanes_of(nest: Nest) -> int:
    """float32 alone takes twice the lanes."""
    sizes = {dtype_of(i).itemsize for i in nest.body if dtype_of(i).kind != "b"}
    return NARROW_LANES if sizes == {4} else LANES
