"""Branches as selects: in lanes each sample takes its own side, so both are computed, and lanes are masked."""

from __future__ import annotations

from collections.abc import Sequence

from tracer.graph.graph import Graph
from tracer.graph.node import Node
from tracer.ops import TABLE
from tracer.trace.context import Trace

WHERE, BRANCH = TABLE["where"], TABLE["branch"]
_CANNOT_FAIL = frozenset(("source", "elementwise", "movement", "reduction"))


def in_selects(graph: Graph) -> Graph:
    """The same graph with both arms of each branch, and selects behind them; branches in which something can fail, or turns, stay."""
    if not any(node.op is BRANCH for node in graph.nodes):
        return graph
    trace = Trace(graph.name)
    made = _copied(trace, graph, [trace.builder.input(node.type, position) for position, node in enumerate(graph.inputs)])
    return Graph([made[node] for node in graph.inputs], [made[node] for node in graph.outputs], graph.input_names, graph.output_names, graph.name)


def _copied(trace: Trace, graph: Graph, inputs: Sequence[Node]) -> dict[Node, Node]:
    new = dict(zip(graph.inputs, inputs))
    arms: dict[tuple, list[list[Node]]] = {}
    for node in graph.nodes:
        if node in new:
            continue
        operands = tuple([new[operand] for operand in node.inputs])
        if node.op is BRANCH and all(map(_is_harmless, node.attrs[:2])):
            key = operands, node.attrs[:2]
            if key not in arms:
                arms[key] = [[copy[each] for each in arm.outputs] for arm in node.attrs[:2] for copy in (_copied(trace, arm, operands[1:]),)]
            new[node] = trace.builder.node(WHERE, (operands[0], *[outputs[node.attrs[2]] for outputs in arms[key]]), (), node.where)
        else:
            new[node] = trace.builder.node(node.op, operands, node.attrs, node.where)
    return new


def _is_harmless(graph: Graph) -> bool:
    return all(node.op.kind in _CANNOT_FAIL or (node.op is BRANCH and all(map(_is_harmless, node.attrs[:2]))) for node in graph.nodes)
