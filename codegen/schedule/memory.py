"""The layout of the workspace: work buffers that do not live at the same time share memory."""

from __future__ import annotations

import math

from codegen.loops import Buffer, Program, read_buffers, written_buffers

ALIGNMENT = 64
SMALL = 8  # bytes; scalars are packed


def lay_out(program: Program) -> Program:
    """Give each work buffer its byte offset ."""
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    for position, statement in enumerate(program.statements):
        for buffer in (*read_buffers(statement), *written_buffers(statement)):
            if buffer.kind == "work":
                first.setdefault(buffer, position)
                last[buffer] = position
    # Scalars first: their places then do not depend on extents, and stand in the kernel's text.
    top = 0
    for scalars in (True, False):
        top = _place([b for b in first if (not b.shape) == scalars], first, last, top, program)
    program.workspace_bytes = top
    program.work = list(first)
    return program


def _place(buffers: list[Buffer], first: dict, last: dict, top: int, program: Program) -> int:
    """Offsets for these buffers behind ``top``; returns the new top."""
    starting: dict[int, list[Buffer]] = {}
    ending: dict[int, list[Buffer]] = {}
    for buffer in buffers:
        starting.setdefault(first[buffer], []).append(buffer)
        ending.setdefault(last[buffer], []).append(buffer)
    # Only buffers of the same shape share, so that the pattern of sharing, and with it the kernel's text, does not follow from extents.
    free: dict[tuple, list[int]] = {}
    for position in sorted(starting.keys() | ending.keys()):
        for buffer in starting.get(position, ()):
            holes = free.get((buffer.shape, buffer.dtype))
            if holes:
                program.offsets[buffer] = holes.pop()
                continue
            top = top if not buffer.shape else -(-top // ALIGNMENT) * ALIGNMENT
            program.offsets[buffer] = top
            top += max(SMALL, math.prod(buffer.shape) * buffer.dtype.itemsize)
        for buffer in ending.get(position, ()):
            free.setdefault((buffer.shape, buffer.dtype), []).append(program.offsets[buffer])
    return top

