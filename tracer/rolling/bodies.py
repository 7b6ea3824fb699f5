"""What a loop does and is given, before it is a node; rows of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..graph.graph import Graph
from ..graph.node import CONSTANT, INPUT, Node
from ..ops import TABLE
from ..trace.context import Trace
from ..trace.value import Traced, make

LOOP, INDEX, CONCATENATE, ADD, SUM = (TABLE[name] for name in ("loop", "index", "concatenate", "add", "sum"))


@dataclass(eq=False)
class Body:
    """What a loop does, and what it is given: see ``tracer.ops.loop`` for the parts."""

    graph: Graph
    length: int
    before: Sequence[Traced]
    reads: Sequence[tuple[int, int]]
    rows: Sequence[Traced]
    wholes: Sequence[Traced]


def all_of(shape: tuple[int, ...]) -> tuple:
    """The spec of whole axes of these lengths."""
    return tuple([(0, n, 1) for n in shape])


def rows_of(array: Traced, start: int, count: int, step: int = 1) -> Traced:
    """Some rows of an array."""
    if (start, count, step) == (0, array.shape[0], 1):
        return array
    return make(INDEX, (array,), (((start, count, step), *all_of(array.shape[1:])),))


def row_of(array: Traced, position: int) -> Traced:
    """One row of an array."""
    return make(INDEX, (array,), ((position, *all_of(array.shape[1:])),))


def final(array: Traced) -> Traced:
    """The last row; that of running sums is a sum, which may be added up in any order."""
    node, last = array.node, array.shape[0] - 1
    if node.op is not LOOP or not _is_running_sum(node):
        return row_of(array, last)
    before, rows = (Traced(operand, array.owner) for operand in node.inputs)
    return make(ADD, (row_of(before, 0), make(SUM, (rows,), ((0,),))))


def _is_running_sum(node: Node) -> bool:
    body, _, states, rows, reads, which = node.attrs
    made = body.outputs[which] if which < len(body.outputs) else None
    return (states, rows, reads, which) == (1, 1, ((0, 1),), 0) and made.op is ADD and set(made.inputs) == set(body.inputs) and len(node.inputs) == 2


def reshaped(array: Traced, shape: tuple[int, ...]) -> Traced:
    """The array by another shape."""
    return array if array.shape == shape else make(TABLE["reshape"], (array,), (shape,))


def joined(parts: Sequence[Traced]) -> Traced:
    """Arrays one behind the other along the first axis."""
    return parts[0] if len(parts) == 1 else make(CONCATENATE, tuple(parts), (0,))


def read_before(before: Traced, made: Traced, lag: int) -> Traced:
    """What reads of a state with a lag see: rows of what was in front of the loop, then of what the loop has made."""
    depth, length = before.shape[0], made.shape[0]
    front = rows_of(before, depth - lag, min(lag, length))
    return front if lag >= length else joined([front, rows_of(made, 0, length - lag)])


def whole_loop(body: Body, wanted: Sequence[int], trace: Trace) -> list[Traced]:
    """The same, as one loop node."""
    operands = tuple([each.node for each in (*body.before, *body.rows, *body.wholes)])
    attrs = (body.graph, body.length, len(body.before), len(body.rows), tuple(body.reads))
    return [Traced(trace.builder.node(LOOP, operands, (*attrs, which), trace.location), trace) for which in wanted]


def is_scalar(graph: Graph) -> bool:
    """Does a body work on nothing but scalars?"""
    return all(node.type.shape == () and (node.op.kind == "elementwise" or node.op in (INPUT, CONSTANT)) for node in graph.nodes)
