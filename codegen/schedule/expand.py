"""Operations without an instruction of their own are rewritten into simpler ones, by the body their record gives."""

from __future__ import annotations

import functools

from tracer.graph.graph import Graph, with_bodies
from tracer.graph.node import Node
from tracer.graph.op import Expand, lowering
from tracer.trace.context import Trace
from tracer.trace.value import Traced


def expand(graph: Graph) -> Graph:
    """The same graph in operations that lower directly; common subexpressions of the expansions are shared."""
    if not any(_expands(node) or node.op.kind == "loop" for node in graph.nodes):
        return graph
    trace, body = Trace(graph.name), functools.cache(expand)
    new: dict[Node, Node] = {}
    for node in graph.nodes:
        inputs = tuple([new[o] for o in node.inputs])
        if node.op.kind == "loop":
            new[node] = trace.builder.node(node.op, inputs, with_bodies(node.attrs, body), node.where)
        else:
            new[node] = _rebuild(trace, node, inputs)
    return Graph([new[n] for n in graph.inputs], [new[n] for n in graph.outputs], graph.input_names, graph.output_names, graph.name)


def _expands(node: Node) -> bool:
    return bool(node.inputs) and isinstance(lowering(node.op, node.inputs[0].type.dtype), Expand)


def _rebuild(trace: Trace, node: Node, inputs: tuple[Node, ...]) -> Node:
    if not _expands(node):
        return trace.builder.node(node.op, inputs, node.attrs, node.where)
    first = len(trace.builder)
    trace.location = node.where  # the user's line, not that of whoever asks for a kernel
    result = lowering(node.op, node.inputs[0].type.dtype).body(*[Traced(o, trace) for o in inputs])
    # An expansion may itself use operations that expand; records order these, so it ends.
    rebuilt: dict[Node, Node] = {}
    made = _made_since(result.node, first)
    if any(_expands(n) for n in made):
        for n in made:
            rebuilt[n] = _rebuild(trace, n, tuple([rebuilt.get(o, o) for o in n.inputs]))
    final = rebuilt.get(result.node, result.node)
    if final.type.dtype != node.type.dtype:
        raise AssertionError(f"the expansion of {node.op.name} gives {final.type} where the node is {node.type}")
    return final


def _made_since(node: Node, first: int) -> list[Node]:
    """The nodes below this one that are not older than ``first``, in topological order."""
    seen, pending = set(), [node]
    while pending:
        n = pending.pop()
        if n not in seen and n.id >= first:
            seen.add(n)
            pending.extend(n.inputs)
    return sorted(seen, key=lambda n: n.id)
