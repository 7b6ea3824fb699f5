"""Branches as selects: in lanes each sample takes its own side, so both are computed, and lanes are masked."""

from __future__ import annotations

from collections.abc import Sequence

from tracer.graph.graph import Graph, with_bodies
from tracer.graph.node import Node
from tracer.ops import TABLE
from tracer.trace.context import Trace

WHERE, BRANCH = TABLE["where"], TABLE["branch"]
_CANNOT_FAIL = frozenset(("source", "elementwise", "movement", "reduction"))


def in_selects(graph: Graph) -> Graph:
    """The same graph with both arms of each branch, and selects behind them, in the bodies of loops too; branches in which something can fail, or turns,
    stay."""
    return _Selects().of(graph)


class _Selects:
    """One walk; the outputs of a loop go on sharing their bodies."""

    def __init__(self):
        self._made: dict[Graph, Graph] = {}

    def of(self, graph: Graph) -> Graph:
        if not _has_branches(graph):
            return graph
        if graph not in self._made:
            trace = Trace(graph.name)
            made = self._copied(trace, graph, [trace.builder.input(node.type, position) for position, node in enumerate(graph.inputs)])
            inputs, outputs = ([made[node] for node in nodes] for nodes in (graph.inputs, graph.outputs))
            self._made[graph] = Graph(inputs, outputs, graph.input_names, graph.output_names, graph.name)
        return self._made[graph]

    def _copied(self, trace: Trace, graph: Graph, inputs: Sequence[Node]) -> dict[Node, Node]:
        new = dict(zip(graph.inputs, inputs))
        arms: dict[tuple, list[list[Node]]] = {}
        for node in graph.nodes:
            if node in new:
                continue
            operands = tuple([new[operand] for operand in node.inputs])
            if node.op is BRANCH and all(map(_is_harmless, node.attrs[:2])):
                key = operands, node.attrs[:2]
                if key not in arms:
                    arms[key] = [[copy[each] for each in arm.outputs] for arm in node.attrs[:2] for copy in (self._copied(trace, arm, operands[1:]),)]
                new[node] = trace.builder.node(WHERE, (operands[0], *[outputs[node.attrs[2]] for outputs in arms[key]]), (), node.where)
            else:
                attrs = with_bodies(node.attrs, self.of) if node.op.kind == "loop" else node.attrs
                new[node] = trace.builder.node(node.op, operands, attrs, node.where)
        return new


def _has_branches(graph: Graph) -> bool:
    return any(node.op is BRANCH or (node.op.kind == "loop" and any(_has_branches(each) for each in node.attrs if type(each) is Graph))
               for node in graph.nodes)


def _is_harmless(graph: Graph) -> bool:
    return all(node.op.kind in _CANNOT_FAIL or (node.op is BRANCH and all(map(_is_harmless, node.attrs[:2]))) for node in graph.nodes)
