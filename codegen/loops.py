"""The loop IR: what stands between a graph and its code, readable or machine.

A :class:`Program` is a list of statements over buffers. A :class:`Nest` is an index space with a body in single-assignment form, evaluated
at every point, and *roots* that say what becomes of the values: stored, reduced, scanned, scattered. A :class:`Call` is a dense
contraction or factorisation by BLAS or LAPACK. Indices are affine in the loop counters. A :class:`Loop` runs statements again and again;
what changes from one iteration to the next is where its *rows* lie. A :class:`Walk` runs small bodies as a table says.

Integers stand here as numbers. The emitters hand them to the kernel as run-time parameters, so that the text of a kernel, which is
its identity, does not depend on extents.

A :class:`While` runs statements until they say that there is no other iteration. What its states were may be kept on *tapes*, which grow; an
:class:`Unwind` goes back through them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tracer.graph.op import Op
from tracer.ops.walk import Slot


class Affine(NamedTuple):
    """``offset + sum(coefficient * counter)`` over the axes of a nest."""

    offset: int
    coefs: tuple[int, ...]

    def scaled(self, factor: int, shift: int = 0) -> Affine:
        return Affine(self.offset * factor + shift, tuple([c * factor for c in self.coefs]))

    def plus(self, other: Affine) -> Affine:
        return Affine(self.offset + other.offset, tuple([a + b for a, b in zip(self.coefs, other.coefs)]))


@dataclass(eq=False, slots=True)
class Buffer:
    """Memory of one dtype. ``kind``: input, output, array (captured), work, tape or row (of another buffer); ``position`` counts within the kind.

    All but inputs are C-contiguous. An input with ``dense`` False has strides that are known when the kernel runs. The rows of a tape, of which there
    are as many as iterations need, have the shape that is behind its first axis; ``slot``, a number of the workspace, is where it starts.
    """

    kind: str
    position: int
    dtype: np.dtype
    shape: tuple[int, ...]
    dense: bool = True
    name: str = ""
    row: Row | None = None
    slot: Buffer | None = None

    def strides(self) -> tuple[int, ...]:
        """C-order strides in elements."""
        result, step = [], 1
        for n in reversed(self.shape):
            result.append(step)
            step *= n
        return tuple(reversed(result))


class Row(NamedTuple):
    """Where a buffer of kind row starts: at row ``start + step * counter`` of its parent, the counter being that of the loop at ``level``.

    With ``slots`` the rows are taken in turn, modulo that many.
    """

    parent: Buffer
    start: int
    step: int
    level: int
    slots: int = 0


def row_of(parent: Buffer, shape: tuple[int, ...], start: int, step: int = 0, level: int = 0, slots: int = 0) -> Buffer:
    """A part of a dense buffer that starts with one of its rows, another one in each iteration; with step 0 always the same."""
    return Buffer("row", parent.position, parent.dtype, shape, name=parent.name, row=Row(parent, start, step, level, slots))


def root_of(buffer: Buffer) -> Buffer:
    """The buffer that a row, or a row of a row, lies in."""
    while buffer.row is not None:
        buffer = buffer.row.parent
    return buffer


# A place in a buffer: one Affine of the flat element index (dense buffers), or one Affine per axis of the buffer.
Place = Affine | tuple[Affine, ...]


# Instructions of a body; operands are positions in the body ---------------------------------------------------------------

class Load(NamedTuple):
    """One element of a buffer."""

    buffer: Buffer
    place: Place


class Gather(NamedTuple):
    """``buffer[i, j, ..., rest]`` with integer values i, j, … for the leading axes; out of range is an IndexError."""

    buffer: Buffer
    indices: tuple[int, ...]
    rest: tuple[Affine, ...]


class Compute(NamedTuple):
    """An operation on earlier values of the body, by their positions; ``node`` is the node of the graph that it came from."""

    op: Op
    operands: tuple[int, ...]
    dtype: np.dtype
    operand_dtype: np.dtype
    node: Any = None


class Literal(NamedTuple):
    """A number by its bits; with ``run_time`` it is a parameter of the kernel and not part of its text."""

    bits: bytes
    dtype: np.dtype
    run_time: bool


# Roots ------------------------------------------------------------------------------------------------------------------

class Store(NamedTuple):
    """Write a value at ``place``, or add it to what is there."""

    value: int
    buffer: Buffer
    place: Place
    accumulate: bool = False


class Reduce(NamedTuple):
    """Combine the value over ``axes`` of the nest; ``place`` does not depend on these."""

    op: Op
    value: int
    axes: frozenset[int]
    buffer: Buffer
    place: Place


class ArgReduce(NamedTuple):
    """The position along ``axis`` of the first extreme value (the first NaN, if there is one)."""

    op: Op
    value: int
    axis: int
    buffer: Buffer
    place: Place


class Scan(NamedTuple):
    """The running combination along ``axis``, which is the innermost of its nest."""

    op: Op
    value: int
    axis: int
    buffer: Buffer
    place: Place


class Scatter(NamedTuple):
    """``buffer[i, j, ..., rest] += value``, in the order of the loops."""

    value: int
    buffer: Buffer
    indices: tuple[int, ...]
    rest: tuple[Affine, ...]


Root = Store | Reduce | ArgReduce | Scan | Scatter


@dataclass(eq=False, slots=True)
class Nest:
    """Loops over ``extents`` (outermost first; none at all for straight-line code) around a body."""

    extents: tuple[int, ...]
    body: list = field(default_factory=list)
    roots: list[Root] = field(default_factory=list)
    ordered: bool = False  # runs in the order of its counters, without lanes (scans, scatters)


@dataclass(eq=False, slots=True)
class Blocked:
    """Nests over the same leading extent, run in turn for one block of its rows after the other."""

    extent: int
    rows: int
    nests: list[Nest]


class Matrix(NamedTuple):
    """A matrix, or a batch of them, inside a buffer: element (i, j) at ``offset + i*row + j*column``."""

    buffer: Buffer
    offset: int
    row: int
    column: int
    batch: int  # elements from one matrix of the batch to the next


@dataclass(eq=False, slots=True)
class Call:
    """A dense routine: ``matmul`` (reads A, B, writes C) or a factorisation, on ``count`` matrices of these ``sizes``."""

    routine: str
    reads: tuple[Matrix, ...]
    writes: tuple[Matrix, ...]
    sizes: tuple[int, ...]
    count: int
    scratch: tuple[Buffer, ...] = ()


@dataclass(eq=False, slots=True)
class Loop:
    """Statements that are run ``extent`` times in a row. ``level``: how many loops are around it.

    With a ``condition``, a bool of the workspace and a truth value, they are run only when the one is the other: the arm of a branch.
    """

    extent: int
    level: int
    statements: list[Statement]
    condition: tuple[Buffer, bool] | None = None


@dataclass(eq=False, slots=True)
class While:
    """Statements that are run as long as ``going``, a bool of the workspace, is true: ``before`` the first iteration the counter of this level is 0,
    ``behind`` the last it is their number. With tapes that number is left in ``count``, for who goes back through them.
    """

    level: int
    going: Buffer
    before: list[Statement]
    statements: list[Statement]
    behind: list[Statement]
    tapes: tuple[Buffer, ...] = ()
    count: Buffer | None = None

    def numbers(self) -> list[Buffer]:
        """What it has in the workspace beside what its statements use."""
        return [self.going, *[tape.slot for tape in self.tapes], *([] if self.count is None else [self.count])]


@dataclass(eq=False, slots=True)
class Unwind:
    """Statements that are run for each iteration of a While, from the last to the first; ``before`` them the counter is the number of iterations."""

    level: int
    count: Buffer
    before: list[Statement]
    statements: list[Statement]


@dataclass(eq=False, slots=True)
class Release:
    """Give the memory of tapes back."""

    tapes: tuple[Buffer, ...]


class Cell(NamedTuple):
    """One element of a walk's memory, a number in its bodies."""

    number: Buffer
    slot: Slot


@dataclass(eq=False, slots=True)
class Walk:
    """Bodies that are run in the order of a table, on elements of ``memory`` that it names (see ``tracer.ops.walk``).

    ``sources``: the memory, then what is read alone. A body is straight-line code over the numbers of its cells, (what it reads, what it makes).
    """

    sources: list[Buffer]
    table: Buffer
    bodies: list[Nest]
    cells: list[tuple[list[Cell], list[Cell]]]
    is_backward: bool
    is_adding: bool


Statement = Nest | Blocked | Call | Loop | While | Unwind | Release | Walk


def inner_statements(statement: Statement) -> list[Statement]:
    """The statements that stand inside of one."""
    if isinstance(statement, While):
        return [*statement.before, *statement.statements, *statement.behind]
    if isinstance(statement, Unwind):
        return [*statement.before, *statement.statements]
    return statement.statements if isinstance(statement, Loop) else []


def is_repeated(statement: Statement) -> bool:
    """Do others stand inside of it?"""
    return isinstance(statement, (Loop, While, Unwind))


@dataclass(eq=False, slots=True)
class Program:
    """Statements in order, the buffers they use, and where work buffers lie in the workspace."""

    name: str
    statements: list[Statement]
    inputs: list[Buffer]
    outputs: list[Buffer]
    arrays: list[np.ndarray]
    work: list[Buffer] = field(default_factory=list)
    offsets: dict[Buffer, int] = field(default_factory=dict)
    workspace_bytes: int = 0


def place_depth(place: Place) -> int:
    """The number of outer loops that a place needs: 1 + its innermost axis, 0 when it is the same everywhere."""
    parts = (place,) if isinstance(place, Affine) else place
    depth = 0
    for part in parts:
        for axis, coefficient in enumerate(part.coefs):
            if coefficient and axis + 1 > depth:
                depth = axis + 1
    return depth


def register_axes(root: Reduce, rank: int) -> frozenset[int]:
    """The reduced axes that form the innermost loops: over these a reduction runs in registers, over the others in memory."""
    axis = rank
    while axis - 1 in root.axes:
        axis -= 1
    return frozenset(range(axis, rank))


def read_buffers(statement: Statement) -> list[Buffer]:
    """The buffers that a statement reads, those among them that it adds to; of a loop, what its rows lie in."""
    if is_repeated(statement):
        asked = [statement.condition[0]] if isinstance(statement, Loop) and statement.condition is not None else []
        asked += [statement.going] if isinstance(statement, While) else [statement.count] if isinstance(statement, Unwind) else []
        return asked + [root_of(b) for each in inner_statements(statement) for b in read_buffers(each)]
    if isinstance(statement, Release):
        return list(statement.tapes)
    if isinstance(statement, Blocked):
        return [b for nest in statement.nests for b in read_buffers(nest)]
    if isinstance(statement, Call):
        return [matrix.buffer for matrix in statement.reads]
    if isinstance(statement, Walk):
        return [*statement.sources, statement.table]
    reads = [i.buffer for i in statement.body if isinstance(i, (Load, Gather))]
    return reads + [r.buffer for r in statement.roots if accumulates(r, len(statement.extents))]


def accumulates(root: Root, rank: int) -> bool:
    """Does the root add to what is in its buffer already?"""
    if isinstance(root, Reduce):
        return len(register_axes(root, rank)) < len(root.axes)
    return isinstance(root, Scatter) or (isinstance(root, Store) and root.accumulate)


def written_buffers(statement: Statement) -> list[Buffer]:
    """The buffers that a statement writes; of a loop, what its rows lie in."""
    if is_repeated(statement):
        counted = [statement.count] if isinstance(statement, While) and statement.count is not None else []
        return counted + [root_of(b) for each in inner_statements(statement) for b in written_buffers(each)]
    if isinstance(statement, Release):
        return list(statement.tapes)
    if isinstance(statement, Blocked):
        return [b for nest in statement.nests for b in written_buffers(nest)]
    if isinstance(statement, Call):
        return [*(matrix.buffer for matrix in statement.writes), *statement.scratch]
    if isinstance(statement, Walk):
        return statement.sources[:1]
    return [root.buffer for root in statement.roots]


def flat_statements(statements: list[Statement]) -> list[Statement]:
    """The statements with those of row blocks one after another, as if each ran over all rows at once."""
    return [s for statement in statements for s in (statement.nests if isinstance(statement, Blocked) else (statement,))]


def all_statements(statements: list[Statement]) -> list[Nest | Call | Walk]:
    """The nests, calls and walks among the statements, and inside their loops."""
    return [each for s in flat_statements(statements) if not isinstance(s, Release)
            for each in (all_statements(inner_statements(s)) if is_repeated(s) else (s,))]
