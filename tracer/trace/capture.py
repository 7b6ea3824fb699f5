"""A part of a trace as a graph of its own: what a function makes of new variables, and what it takes from around it.

The function is traced once, into the trace that is running. What it makes without its variables stays there, outside of the loop or branch
that the graph is for; what it makes with them is copied into the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..graph.graph import Graph, live_nodes
from ..graph.node import CONSTANT, Node
from ..graph.types import ArrayType
from .context import Trace
from .value import Traced


class Captured(NamedTuple):
    """A graph with the variables as its first inputs, and behind them what is taken from around it."""

    graph: Graph
    taken: tuple[Node, ...]


def variables(trace: Trace, types: Sequence[ArrayType], weak: Sequence[type | None]) -> list[Traced]:
    """New values of these types, inputs of a graph that is going to be captured."""
    return [Traced(trace.variable(type), trace, kind) for type, kind in zip(types, weak)]


def capture(given: Sequence[Traced], outputs: Sequence[Traced], name: str = "f") -> Captured:
    """The graph from variables to outputs."""
    return capture_all(given, [outputs], [name])[0]


def capture_all(given: Sequence[Traced], outputs: Sequence[Sequence[Traced]], names: Sequence[str]) -> list[Captured]:
    """A graph for each list of outputs; all take the same from around them."""
    roots = [value.node for each in outputs for value in each]
    inside = {value.node for value in given}
    nodes = live_nodes(roots)
    for node in nodes:
        if not inside.isdisjoint(node.inputs):
            inside.add(node)
    taken = _taken(nodes, roots, inside)
    return [Captured(_copied(given, taken, [value.node for value in each], inside, name), taken) for each, name in zip(outputs, names)]


def capture_since(trace: Trace, first: int, outputs: Sequence[Sequence[Traced]]) -> list[Captured]:
    """A graph without variables for each list of outputs, of the nodes that were made since there were ``first``; all take the same from around them."""
    roots = [value.node for each in outputs for value in each]
    nodes = live_nodes(roots)
    inside = {node for node in nodes if node.id >= first and node.op.kind != "source"}
    taken = _taken(nodes, roots, inside)
    return [Captured(_copied((), taken, [value.node for value in each], inside, trace.name), taken) for each in outputs]


def _taken(nodes: Sequence[Node], roots: Sequence[Node], inside: set[Node]) -> tuple[Node, ...]:
    return tuple(dict.fromkeys(o for node in (*[n for n in nodes if n in inside], None) for o in (roots if node is None else node.inputs)
                               if o not in inside and o.op is not CONSTANT))


def _copied(given: Sequence[Traced], taken: Sequence[Node], outputs: Sequence[Node], inside: set[Node], name: str) -> Graph:
    builder = Trace(name).builder
    inputs = [*[value.node for value in given], *taken]
    new = {node: builder.input(node.type, position) for position, node in enumerate(inputs)}
    for node in live_nodes(outputs):
        if node not in new and (node in inside or node.op is CONSTANT):
            new[node] = builder.node(node.op, tuple([new[o] for o in node.inputs]), node.attrs, node.where)
    return Graph([new[node] for node in inputs], [new[node] for node in outputs], name=name)


__all__ = ["Captured", "capture", "capture_all", "capture_since", "variables"]
