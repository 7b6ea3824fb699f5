"""Loops with checkpoints: of n iterations about √n at a time, so that backwards no more than 2√n values of each state are kept.

The outer loop keeps what stands in front of each segment. Its backward loop computes a segment's own values once more before it goes back through it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..graph.graph import Graph
from ..graph.types import array_type
from ..trace.context import Trace
from ..trace.value import Traced
from .bodies import Body, joined, reshaped, row_of, rows_of, whole_loop


def segmented(body: Body, wanted: Sequence[int], trace: Trace) -> tuple[list[Traced], list[Traced]]:
    """(the states behind the last iteration, the outputs of these numbers); each state is read once, one iteration later."""
    size = math.isqrt(body.length - 1) + 1 if body.length > 1 else 1
    count = body.length // size
    states = range(len(body.before))
    outer = Body(_segment(body, size, wanted, trace.location), count, body.before, body.reads,
                 [_by_segment(each, count, size) for each in body.rows], body.wholes)
    made = whole_loop(outer, range(len(states) + len(wanted)), trace)
    finals = [row_of(made[k], count - 1) for k in states]
    outputs = [[reshaped(each, (count * size, *each.shape[2:]))] for each in made[len(states):]]
    rest = body.length - count * size
    if rest:
        tail = Body(body.graph, rest, [reshaped(each, (1, *each.shape)) for each in finals], body.reads,
                    [rows_of(each, count * size, rest) for each in body.rows], body.wholes)
        made = whole_loop(tail, [*states, *wanted], trace)
        finals = [row_of(made[k], rest - 1) for k in states]
        for pieces, more in zip(outputs, made[len(states):]):
            pieces.append(more)
    return finals, [joined(pieces) for pieces in outputs]


def _by_segment(rows: Traced, count: int, size: int) -> Traced:
    return reshaped(rows_of(rows, 0, count * size), (count, size, *rows.shape[1:]))


def _segment(body: Body, size: int, wanted: Sequence[int], location) -> Graph:
    """The body of the outer loop: from the states in front of a segment to those behind it, and what was made in between."""
    trace = Trace(body.graph.name)
    trace.location = location
    states, rows = len(body.before), len(body.rows)
    inputs = []
    for k, node in enumerate(body.graph.inputs):
        type = array_type(node.type.dtype, (size, *node.type.shape)) if states <= k < states + rows else node.type
        inputs.append(Traced(trace.builder.input(type, k), trace))
    inner = Body(body.graph, size, [reshaped(each, (1, *each.shape)) for each in inputs[:states]], body.reads,
                 inputs[states:states + rows], inputs[states + rows:])
    made = whole_loop(inner, [*range(states), *wanted], trace)
    outputs = [*[row_of(each, size - 1) for each in made[:states]], *made[states:]]
    return Graph([each.node for each in inputs], [each.node for each in outputs], name=body.graph.name)


__all__ = ["segmented"]
