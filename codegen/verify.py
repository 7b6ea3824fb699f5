"""What every program of loops must satisfy. Every pass is followed by this in the tests."""

from __future__ import annotations

import numpy as np

from .loops import (
    Affine,
    Buffer,
    Load,
    Loop,
    Nest,
    Place,
    Program,
    Reduce,
    Release,
    Scatter,
    Statement,
    Walk,
    all_statements,
    flat_statements,
    inner_statements,
    is_repeated,
    read_buffers,
    root_of,
    written_buffers,
)


def verify(program: Program) -> Program:
    """Check what every program must satisfy: operands come first, places fit their nest and buffer, nothing is read before it is written."""
    written = set(program.inputs)
    _verify_loops(program.statements, 0)
    for statement in all_statements(program.statements):
        for nest in [statement] if isinstance(statement, Nest) else statement.bodies if isinstance(statement, Walk) else []:
            _verify_nest(nest)
        for buffer in map(root_of, read_buffers(statement)):
            assert buffer in written or buffer.kind == "array", f"{buffer.kind} buffer {buffer.position} is read before it is written"
        written.update(map(root_of, written_buffers(statement)))
    for buffer in program.outputs:
        assert buffer in written, f"output {buffer.position} is never written"
    return program


def _verify_loops(statements: list[Statement], level: int, extents: tuple[int | None, ...] = ()) -> None:
    """Loops count from the outermost, and rows stay inside of what they are rows of. Extents that are not known are None."""
    for statement in flat_statements(statements):
        if is_repeated(statement):
            assert statement.level == level, "a loop at another level than it says"
            _verify_loops(inner_statements(statement), level + 1, (*extents, statement.extent if isinstance(statement, Loop) else None))
            continue
        if isinstance(statement, Release):
            continue
        for buffer in (*read_buffers(statement), *written_buffers(statement)):
            while buffer.row is not None:
                if 0 not in extents:
                    _verify_row(buffer, extents)
                buffer = buffer.row.parent


def _verify_row(buffer: Buffer, extents: tuple[int | None, ...]) -> None:
    parent, start, step, level, slots = buffer.row
    assert not step or level < len(extents), "a row outside of its loop"
    if parent.kind == "tape":
        return
    assert slots or not step or extents[level] is not None, "rows without end in a buffer that has one"
    rows, length = parent.shape[0], int(np.prod(buffer.shape)) // max(1, int(np.prod(parent.shape[1:])))
    last = start + step * (extents[level] - 1) if step and not slots else start
    ends = (0, slots - 1) if slots else (start, last)
    assert parent.dense and parent.dtype == buffer.dtype, "a row is of a dense buffer of its dtype"
    # Of what only the last rows are there, the first is where it would be: in front of the buffer.
    assert (0 <= min(ends) or not step) and (max(ends) + length <= rows or not length), f"a row leaves its buffer: {ends} of {rows}"


def _verify_nest(nest: Nest) -> None:
    rank = len(nest.extents)
    for position, instruction in enumerate(nest.body):
        operands = getattr(instruction, "operands", None) or getattr(instruction, "indices", ())
        assert all(0 <= k < position for k in operands), "an operand comes later"
        if isinstance(instruction, Load):
            _verify_place(nest, instruction.buffer, instruction.place, rank)
    for root in nest.roots:
        assert 0 <= root.value < len(nest.body), "a root without value"
        if not isinstance(root, Scatter):
            _verify_place(nest, root.buffer, root.place, rank)
        if isinstance(root, Reduce) and isinstance(root.place, Affine):
            assert all(root.place.coefs[axis] == 0 for axis in root.axes), "a reduction's place moves along a reduced axis"


def _verify_place(nest: Nest, buffer: Buffer, place: Place, rank: int) -> None:
    parts = (place,) if isinstance(place, Affine) else place
    assert isinstance(place, Affine) == buffer.dense, "dense buffers have flat places, others one per axis"
    limits = (int(np.prod(buffer.shape)),) if isinstance(place, Affine) else buffer.shape
    assert len(parts) == len(limits), "a place has an index per axis"
    for part, limit in zip(parts, limits):
        assert len(part.coefs) == rank, "a place has a coefficient per loop"
        if all(nest.extents):
            low = part.offset + sum(min(0, c * (n - 1)) for c, n in zip(part.coefs, nest.extents))
            high = part.offset + sum(max(0, c * (n - 1)) for c, n in zip(part.coefs, nest.extents))
            assert 0 <= low and high < limit, f"a place leaves its buffer: {low}..{high} of {limit}"


__all__ = ["verify"]
