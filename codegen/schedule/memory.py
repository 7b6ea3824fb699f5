"""The layout of the workspace: work buffers that do not live at the same time share memory."""

from __future__ import annotations

import math

from codegen.loops import Buffer, Loop, Program, Statement, While, inner_statements, is_repeated, read_buffers, written_buffers

ALIGNMENT = 64
SMALL = 8  # bytes; scalars are packed


def lay_out(program: Program) -> Program:
    """Give each work buffer its byte offset."""
    lifetimes = _Lifetimes()
    lifetimes.walk(program.statements, ())
    first, last = lifetimes.found()
    # Scalars first: their places then do not depend on extents, and stand in the kernel's text.
    top = 0
    for scalars in (True, False):
        top = _place([b for b in first if (not b.shape) == scalars], first, last, top, program)
    program.workspace_bytes = top
    program.work = list(first)
    return program


class _Lifetimes:
    """From which statement to which a buffer is in use. What is used in a loop and outside of it, or row by row, is in use all through the loop."""

    def __init__(self):
        self.count = 0
        self.first: dict[Buffer, int] = {}
        self.last: dict[Buffer, int] = {}
        self.uses: dict[Buffer, list[tuple[int, tuple[Statement, ...]]]] = {}  # in loops
        self.depth: dict[Buffer, int] = {}  # of the innermost loop that a buffer may live in one iteration of
        self.spans: dict[Statement, tuple[int, int]] = {}

    def walk(self, statements: list, around: tuple[Statement, ...]) -> None:
        for statement in statements:
            if is_repeated(statement):
                start = self.count
                for buffer in _numbers(statement):
                    self._note(buffer, around)
                    self._note(buffer, (*around, statement))
                self.walk(inner_statements(statement), (*around, statement))
                self.spans[statement] = start, self.count
                self.count += 1
                continue
            for buffer in (*read_buffers(statement), *written_buffers(statement)):
                self._note(buffer, around)
            self.count += 1

    def _note(self, buffer: Buffer, around: tuple[Statement, ...]) -> None:
        depth = len(around)
        while buffer.row is not None:
            if buffer.row.step:
                depth = min(depth, buffer.row.level)
            buffer = buffer.row.parent
        if buffer.slot is not None:
            buffer, depth = buffer.slot, 0
        if buffer.kind == "work":
            self.first.setdefault(buffer, self.count)
            self.last[buffer] = self.count
            if around:
                self.uses.setdefault(buffer, []).append((self.count, around))
                self.depth[buffer] = min(depth, self.depth.get(buffer, depth))
            else:
                self.depth[buffer] = 0

    def found(self) -> tuple[dict[Buffer, int], dict[Buffer, int]]:
        """(first, last) by buffer."""
        first, last = self.first, self.last
        for buffer, uses in self.uses.items():
            home = uses[0][1][:self.depth[buffer]]
            while any(around[:len(home)] != home for _, around in uses):
                home = home[:-1]
            spans = [self.spans[around[len(home)]] if len(around) > len(home) else (at, at) for at, around in uses]
            first[buffer] = min(first[buffer], min(low for low, _ in spans))
            last[buffer] = max(last[buffer], max(high for _, high in spans))
        return first, last


def _numbers(statement: Statement) -> list[Buffer]:
    """What a statement with others in it has in the workspace itself."""
    if isinstance(statement, While):
        return statement.numbers()
    if isinstance(statement, Loop):
        return [] if statement.condition is None else [statement.condition[0]]
    return [statement.count]


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

