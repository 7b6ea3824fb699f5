"""The pass that applies a rule table: one walk in topological order, rebuilding the graph through a Builder.

Hash-consing shares common subexpressions, and what no output needs is left behind. A node is looked at once its operands are final;
what replaces it is built through the same door, so that one rewrite can follow another, a bounded number of times.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np

from codegen.report import Report
from tracer.graph.graph import Graph, live_nodes, with_bodies
from tracer.graph.node import ARRAY, CONSTANT, Node, constant_value
from tracer.graph.op import Op
from tracer.graph.types import ArrayType
from tracer.ops import TABLE
from tracer.trace.context import Trace, collector_paused

from .pattern import KEYED_OPERANDS, RuleIndex

REWRITES_PER_NODE = 32      # bound on the rewrites that one node of the original graph sets off
FOLDED_ELEMENTS = 1 << 20   # larger captured arrays are left to the kernel
_LITERALS = (CONSTANT, ARRAY)


class Rewriter:
    """Makes nodes in their simplest form. ``trace`` owns the builder that they are made in.

    ``replaced(rewriter, node, new)`` may give the new form of a node in place of its own operation; ``new`` has those of its operands.
    """

    def __init__(self, index: RuleIndex, report: Report, name: str = "f", fold: bool = True, replaced: Callable[..., Node | None] | None = None):
        self.trace = Trace(name)
        self.builder = self.trace.builder
        self.report = report
        self.where = None
        self._index = index
        self._fold = fold
        self._replaced = replaced
        self._left = REWRITES_PER_NODE
        self._settled: dict[Node, Node] = {}
        self._plans: dict[tuple[Op, ...], tuple] = {}
        self._body = functools.cache(lambda graph: Rewriter(index, report, graph.name, fold, replaced).rebuild(graph))

    def constant(self, value, dtype) -> Node:
        return self.builder.constant(value, dtype, where=self.where)

    def node(self, op: Op, inputs: tuple[Node, ...], attrs: tuple = ()) -> Node:
        """The simplest node equal to this operation on these (already simplified) operands."""
        return self.settle(self.builder.node(op, inputs, attrs, self.where))

    def broadcast(self, node: Node, shape: tuple[int, ...]) -> Node:
        return node if node.type.shape == shape else self.node(TABLE["broadcast_to"], (node,), (shape,))

    def settle(self, node: Node) -> Node:
        """What a node of this builder is rewritten into."""
        found = self._settled.get(node)
        if found is not None:
            return found
        inputs = node.inputs
        if len(inputs) == 2:
            key = node.op, inputs[0].op, inputs[1].op
        else:
            key = node.op, *[operand.op for operand in inputs[:KEYED_OPERANDS]]
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._plan(key)
        final = node
        for attempt in plan:
            bindings = attempt.matches(node)
            if bindings is None:
                continue
            if self._left <= 0:
                self.report.exhausted += 1
                break
            self._left -= 1
            result = attempt.apply(self, node, bindings)
            if result is not None:
                final = self._fitted(result, node.type)
                break
            self._left += 1
        if final is not node:  # of one that stays it is found out again, should another node turn into it
            self._settled[node] = final
        return final

    def settle_all(self, root: Node, settled: Sequence[Node] = ()) -> Node:
        """The simplest form of a node of this builder, from its operands up; some of these may be in theirs already."""
        return self._renewed(live_nodes((root,), settled), {node: node for node in settled})[root]

    def _plan(self, key: tuple[Op, ...]) -> tuple:
        op, *operands = key
        if op.kind in ("source", "loop"):
            return ()
        folds = (ConstantFolding,) if self._fold and operands and all(o in _LITERALS for o in operands) else ()
        return folds + self._index.attempts(op, tuple(operands))

    def _fitted(self, result: Node, type: ArrayType) -> Node:
        """A rule may forget how far its node was broadcast, never the dtype."""
        if result.type is type:
            return result
        assert result.type.dtype == type.dtype, (result, type)
        return self.broadcast(result, type.shape)

    def rebuild(self, graph: Graph) -> Graph:
        """The graph in its simplest form."""
        with np.errstate(all="ignore"), collector_paused():
            new = self._renewed(graph.nodes, {})
        renewed = Graph([new[n] for n in graph.inputs], [new[n] for n in graph.outputs], graph.input_names, graph.output_names, graph.name)
        renewed.nodes = self.builder.live((*renewed.inputs, *renewed.outputs))
        return renewed

    def _renewed(self, nodes: Sequence[Node], new: dict[Node, Node]) -> dict[Node, Node]:
        """The simplest form of each of these nodes, which stand in topological order; ``new`` has that of whatever else they need."""
        replaced, make = self._replaced, self.builder.node
        for node in nodes:
            self.where = node.where
            self._left = REWRITES_PER_NODE
            final = replaced(self, node, new) if replaced is not None else None
            if final is None:
                attrs = with_bodies(node.attrs, self._body) if node.op.kind == "loop" else node.attrs
                final = self.settle(make(node.op, tuple([new[operand] for operand in node.inputs]), attrs, node.where))
            new[node] = final
        return new


class ConstantFolding:
    """The value of an operation on constants, where storing it costs no more than its operands; tried as rules are.

    What follows from an extent stays a run-time constant. Whatever NumPy refuses is left to fail, or not, when it runs.
    """

    @staticmethod
    def matches(node: Node) -> dict[str, Node] | None:
        return {} if all([o.op in _LITERALS for o in node.inputs[KEYED_OPERANDS:]]) else None   # those before are, or this would not be tried

    @staticmethod
    def apply(rewriter: Rewriter, node: Node, bindings: dict[str, Node]) -> Node | None:
        return _folded(rewriter, node)


def _folded(rewriter: Rewriter, node: Node) -> Node | None:
    run_time = any(o.op is CONSTANT and o.attrs[2] for o in node.inputs)
    size = node.type.size
    if size > FOLDED_ELEMENTS or (node.type.shape and (run_time or size > max([o.type.size for o in node.inputs if o.type.shape], default=0))):
        return None
    # Integer division by zero is an error when the code runs, so it must not become NumPy's 0 here.
    division = "raise" if node.type.is_integer else "ignore"
    try:
        with np.errstate(all="ignore", divide=division):
            value = np.asarray(node.op.evaluate(*[constant_value(o) for o in node.inputs], *node.attrs), node.type.dtype)
    except (ArithmeticError, ValueError, IndexError, np.linalg.LinAlgError):
        return None
    rewriter.report.count("constant folding")
    if node.type.shape:
        return rewriter.builder.array(value, rewriter.where)
    return rewriter.builder.constant(value[()], node.type.dtype, run_time, rewriter.where)
