"""Derivatives of walks: another walk each, over the same table, whose memory has cotangents or tangents where the first had values.

A place is read only once it holds what it will hold in the end, so that the values are those behind the last step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..graph.graph import Graph
from ..graph.node import CONSTANT, Node, constant_value
from ..ops import TABLE
from ..ops.walk import Slot, parts_of
from ..rolling.bodies import joined, rows_of
from ..trace.context import Trace
from ..trace.value import Traced, as_traced, make
from .loop import Inner

WALK, WHERE = TABLE["walk"], TABLE["where"]


def pull_through_walk(trace: Trace, node: Node, cotangent: Traced, wanted: Sequence[bool], guarded: bool, pullback: Callable) -> list[Traced | None]:
    """The cotangents of a walk's operands. One that has passed a select in one step is guarded in the steps before it."""
    bodies, slots, is_backward, _ = parts_of(node.attrs)
    table, *vectors = (Traced(operand, trace) for operand in node.inputs[1:])
    guarded = guarded or any(each.op is WHERE for body in bodies for each in body.nodes)
    moving = [k for k, is_wanted in enumerate(wanted) if k > 1 and is_wanted]
    memory = joined([cotangent, *[as_traced(np.zeros(vectors[k - 2].shape, cotangent.dtype), trace) for k in moving]])
    start, top = {0: 0}, cotangent.shape[0]    # of the cotangents of each source in the memory
    for k in moving:
        start[k - 1], top = top, top + vectors[k - 2].shape[0]

    def backward(body: Graph, places: Sequence[Slot]) -> tuple[Graph, tuple]:
        inner, count = Inner(trace), len(body.inputs)
        given = inner.inputs([each.type for each in body.inputs])
        seeds = inner.inputs([each.type for each in body.outputs])
        new = inner.copied(body, given)
        asked = [k for k, (each, slot) in enumerate(zip(body.inputs, places)) if body.users[each] and slot.source in start]
        slopes = pullback(inner.trace, [new[each] for each in body.outputs], [given[k] for k in asked], seeds, guarded)
        found = [(slope, places[k]) for k, slope in zip(asked, slopes) if not _is_zero(slope.node)]
        targets = [slot._replace(source=0, offset=slot.offset + start[slot.source]) for _, slot in found]
        graph = inner.graph([*given, *seeds], [slope for slope, _ in found], trace.name)
        return graph, (*_of_values(places[:count], len(vectors)), *places[count:], *targets)
    made = _walk(trace, node, [backward(*each) for each in zip(bodies, slots)], memory, table, [*vectors, Traced(node, trace)], not is_backward, True)
    found = {k: rows_of(made, start[k - 1], vectors[k - 2].shape[0]) for k in moving}
    return [rows_of(made, 0, cotangent.shape[0]), None, *[found.get(k + 2) for k in range(len(vectors))]]


def push_through_walk(trace: Trace, node: Node, given: Sequence[Traced | None], push: Callable) -> dict[int, Traced]:
    """The tangent of the memory, for those of the operands."""
    bodies, slots, is_backward, is_adding = parts_of(node.attrs)
    table, *vectors = (Traced(operand, trace) for operand in node.inputs[1:])
    moving = [k for k, tangent in enumerate(given) if k > 1 and tangent is not None]
    source = {0: 0} | {k - 1: len(vectors) + 2 + position for position, k in enumerate(moving)}   # of the tangents of each source

    def forward(body: Graph, places: Sequence[Slot]) -> tuple[Graph, tuple]:
        inner, count = Inner(trace), len(body.inputs)
        values = inner.inputs([each.type for each in body.inputs])
        asked = [k for k, slot in enumerate(places[:count]) if slot.source in source]
        directions = inner.inputs([values[k].node.type for k in asked])
        new = inner.copied(body, values)
        tangents = push(inner.trace, [new[each] for each in body.outputs], [values[k] for k in asked], directions)
        slots = [*_of_values(places[:count], len(vectors)), *[places[k]._replace(source=source[places[k].source]) for k in asked], *places[count:]]
        return inner.graph([*values, *directions], tangents, trace.name), tuple(slots)
    memory = as_traced(np.zeros(node.type.shape, node.type.dtype), trace) if given[0] is None else given[0]
    more = [*vectors, Traced(node, trace), *[given[k] for k in moving]]
    return {0: _walk(trace, node, [forward(*each) for each in zip(bodies, slots)], memory, table, more, is_backward, is_adding)}


def _is_zero(node: Node) -> bool:
    return node.op is CONSTANT and not constant_value(node)


def _of_values(places: Sequence[Slot], vectors: int) -> list[Slot]:
    """Where the values that a walk has read are to be read again: those of its memory in what it has left, behind the vectors that it was given."""
    return [slot._replace(source=slot.source or vectors + 1) for slot in places]


def _walk(trace: Trace, node: Node, derived: list[tuple[Graph, tuple]], memory: Traced, table: Traced, vectors: list[Traced],
          is_backward: bool, is_adding: bool) -> Traced:
    bodies, slots = zip(*derived)
    return make(WALK, (memory, table, *vectors), (*bodies, tuple(slots), is_backward, is_adding, 0))


__all__ = ["pull_through_walk", "push_through_walk"]
