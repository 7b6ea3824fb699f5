"""Loops without states as operations on whole arrays: each operation of the body with one more axis in front, over the iterations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..graph.graph import Graph
from ..graph.node import CONSTANT, INPUT, Node
from ..ops import TABLE
from ..trace.context import Trace
from ..trace.value import Traced, make
from .bodies import Body, reshaped

BROADCAST = TABLE["broadcast_to"]


def can_map(graph: Graph) -> bool:
    """Has every operation of a body a form with one more axis?"""
    return all(node.op in (INPUT, CONSTANT) or node.op.kind == "elementwise" or node.op in _ATTRIBUTES for node in graph.nodes)


def mapped(body: Body, wanted: Sequence[int], trace: Trace) -> list[Traced]:
    """The outputs of these numbers, of a body without states, with a row for each iteration."""
    length, rows = body.length, len(body.rows)
    made: dict[Node, tuple[Traced, bool]] = {}          # the value, and whether it has a row for each iteration
    for node, value in zip(body.graph.inputs, (*body.rows, *body.wholes)):
        made[node] = value, len(made) < rows
    for node in body.graph.nodes:
        if node.op is CONSTANT:
            made[node] = Traced(trace.builder.node(CONSTANT, (), node.attrs, node.where), trace), False
        elif node not in made:
            outside, trace.location = trace.location, node.where
            made[node] = _applied(node, [made[operand] for operand in node.inputs], length)
            trace.location = outside
    return [_with_rows(*made[body.graph.outputs[k]], length) for k in wanted]


def _applied(node: Node, operands: list[tuple[Traced, bool]], length: int) -> tuple[Traced, bool]:
    if not any(has_rows for _, has_rows in operands):
        return make(node.op, tuple([value for value, _ in operands]), node.attrs), False
    if node.op.kind == "elementwise":
        aligned = [_aligned(value, node.type.ndim) if has_rows else value for value, has_rows in operands]
        return make(node.op, tuple(aligned), node.attrs), True
    values = tuple([_with_rows(value, has_rows, length) for value, has_rows in operands])
    return make(node.op, values, _ATTRIBUTES[node.op](node, length)), True


def _aligned(value: Traced, rank: int) -> Traced:
    """With axes of length 1 behind the first, so that broadcasting pairs it with values of this rank."""
    length, *shape = value.shape
    return reshaped(value, (length, *[1] * (rank - len(shape)), *shape))


def _with_rows(value: Traced, has_rows: bool, length: int) -> Traced:
    return value if has_rows else make(BROADCAST, (value,), ((length, *value.shape),))


def _reduced(node: Node, length: int) -> tuple:
    return (tuple([axis + 1 for axis in node.attrs[0]]),)


# How the attributes of an operation change.
_ATTRIBUTES: dict[object, Callable[[Node, int], tuple]] = {
    **dict.fromkeys([TABLE[name] for name in ("sum", "prod", "max", "min", "any", "all")], _reduced),
    TABLE["index"]: lambda node, length: (((0, length, 1), *node.attrs[0]),),
    TABLE["reshape"]: lambda node, length: ((length, *node.attrs[0]),),
    TABLE["broadcast_to"]: lambda node, length: ((length, *node.attrs[0]),),
    TABLE["transpose"]: lambda node, length: ((0, *[axis + 1 for axis in node.attrs[0]]),),
    TABLE["concatenate"]: lambda node, length: (node.attrs[0] + 1,),
    TABLE["assemble"]: lambda node, length: ((length, *node.attrs[0]), tuple([((0, length, 1), *spec) for spec in node.attrs[1]])),
}


__all__ = ["can_map", "mapped"]
