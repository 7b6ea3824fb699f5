"""Operations without an instruction of their own are rewritten into simpler ones, by the body their record gives."""

from __future__ import annotations

from codegen.report import Report
from codegen.simplify.driver import Rewriter
from codegen.simplify.levels import index_of
from tracer.graph.graph import Graph
from tracer.graph.node import Node
from tracer.graph.op import Expand, lowering
from tracer.trace.value import Traced


def expand(graph: Graph) -> Graph:
    """The same graph in operations that lower directly; the same object where it is in such operations already.

    Exact rules are applied on the way: the expansions of a value and of its derivative have parts in common, such as the one exponential of a logistic loss.
    """
    if not any(_expands(node) or node.op.kind == "loop" for node in graph.nodes):
        return graph
    return Rewriter(index_of("exact"), Report(), graph.name, replaced=_expansion).rebuild(graph)


def _expands(node: Node) -> bool:
    return bool(node.inputs) and isinstance(lowering(node.op, node.inputs[0].type.dtype), Expand)


def _expansion(rewriter: Rewriter, node: Node, new: dict[Node, Node]) -> Node | None:
    if not _expands(node):
        return None
    trace, operands = rewriter.trace, [new[operand] for operand in node.inputs]
    trace.location = node.where  # the user's line, not that of whoever asks for a kernel
    result = lowering(node.op, node.inputs[0].type.dtype).body(*[Traced(operand, trace) for operand in operands]).node
    if result.type.dtype != node.type.dtype:
        raise AssertionError(f"the expansion of {node.op.name} gives {result.type} where the node is {node.type}")
    # An expansion may itself use operations that expand; records order these, so it ends.
    return rewriter.settle_all(result, operands)
