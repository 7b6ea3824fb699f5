"""Derivatives of walks: another walk each, over the same table, whose memory has the values in front and cotangents or tangents behind them.

A place is read only once it holds what it will hold in the end, so that the values are those behind the last step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..graph.graph import Graph
from ..graph.node import CONSTANT, Node, constant_value
from ..ops import TABLE
from ..ops.walk import Slot
from ..rolling.bodies import joined, rows_of
from ..trace.context import Trace
from ..trace.value import Traced, make
from .loop import Inner

WALK, WHERE = TABLE["walk"], TABLE["where"]
Slots = tuple[Slot, ...]


def pull_through_walk(trace: Trace, node: Node, cotangent: Traced, guarded: bool, pullback: Callable) -> Traced:
    """The cotangent of what is in the memory first. A cotangent that has passed a select in one step is guarded in the steps before it."""
    *bodies, slots, is_backward, _, size, _ = node.attrs
    memory, table = (Traced(operand, trace) for operand in node.inputs)
    guarded = guarded or any(each.op is WHERE for body in bodies for each in body.nodes)

    def backward(body: Graph, places: Slots) -> tuple[Graph, Slots]:
        inner, read = Inner(trace), len(body.inputs)
        given = inner.inputs([each.type for each in body.inputs])
        seeds = inner.inputs([each.type for each in body.outputs])
        new = inner.copied(body, given)
        moving = [k for k, each in enumerate(body.inputs) if each in body.users and body.users[each]]
        slopes = pullback(inner.trace, [new[each] for each in body.outputs], [given[k] for k in moving], seeds, guarded)
        nonzero = [k for k, slope in enumerate(slopes) if not _is_zero(slope.node)]
        moving, slopes = [moving[k] for k in nonzero], [slopes[k] for k in nonzero]
        return inner.graph([*given, *seeds], slopes, trace.name), (*places[:read], *_behind(places[read:], size), *_behind([places[k] for k in moving], size))
    made = _walk(trace, node, [backward(*each) for each in zip(bodies, slots)], cotangent, table, not is_backward, True)
    return rows_of(made, size, memory.shape[0])


def push_through_walk(trace: Trace, node: Node, given: Sequence[Traced | None], push: Callable) -> dict[int, Traced]:
    """The tangent of the memory, for that of what is in it first."""
    *bodies, slots, is_backward, is_adding, size, _ = node.attrs

    def forward(body: Graph, places: Slots) -> tuple[Graph, Slots]:
        inner, read = Inner(trace), len(body.inputs)
        values = inner.inputs([each.type for each in body.inputs])
        directions = inner.inputs([each.type for each in body.inputs])
        new = inner.copied(body, values)
        tangents = push(inner.trace, [new[each] for each in body.outputs], values, directions)
        return inner.graph([*values, *directions], tangents, trace.name), (*places[:read], *_behind(places, size))
    made = _walk(trace, node, [forward(*each) for each in zip(bodies, slots)], given[0], Traced(node.inputs[1], trace), is_backward, is_adding)
    return {0: rows_of(made, size, size)}


def _is_zero(node: Node) -> bool:
    return node.op is CONSTANT and not constant_value(node)


def _behind(places: Sequence[Slot], size: int) -> Slots:
    return tuple([slot._replace(offset=slot.offset + size) for slot in places])


def _walk(trace: Trace, node: Node, derived: list[tuple[Graph, Slots]], behind: Traced, table: Traced, is_backward: bool, is_adding: bool) -> Traced:
    """A walk over the values that a walk has left, and what is behind them."""
    size = node.attrs[-2]
    bodies, slots = zip(*derived)
    attrs = (*bodies, tuple(slots), is_backward, is_adding, 2 * size, 0)
    return make(WALK, (joined([Traced(node, trace), behind]), table), attrs)


__all__ = ["pull_through_walk", "push_through_walk"]
