"""Which nodes live in memory, and which are recomputed where they are read."""

from __future__ import annotations

from collections.abc import Iterable

from tracer.graph.graph import Graph
from tracer.graph.node import Node
from tracer.graph.op import Convert, Instruction, Intrinsic, Select, lowering
from tracer.ops import TABLE

from .maps import is_movement, space_of

MATMUL, RESHAPE, GATHER = TABLE["matmul"], TABLE["reshape"], TABLE["gather"]

LONGEST_CHAIN = 64       # element-wise nodes on one another before one is stored: bounds the size of a loop body
DEAREST_RECOMPUTE = 10   # in instructions; storing and loading an element costs about as much
CALL_COST = 20           # of a function of the C library, in instructions


def is_inline(node: Node) -> bool:
    """Can the node be computed at whatever element it is asked for?"""
    return node.op.kind == "elementwise" or is_movement(node) or node.op is GATHER


def view_leaf(node: Node) -> Node:
    """The array that a chain of movements looks into."""
    while is_movement(node):
        node = node.inputs[0]
    return node


def required(graph: Graph) -> set[Node]:
    """The inline arrays that must lie in memory: outputs, operands of BLAS, gathers and loops, what a reshape cannot be pushed through."""
    found = {node for node in graph.outputs if is_inline(node)}
    flat = _Flatness(found)
    chain: dict[Node, int] = {}
    for node in graph.nodes:
        if node.op is MATMUL or node.op.kind == "loop":
            found.update(leaf for leaf in map(view_leaf, node.inputs) if is_inline(leaf))
        elif node.op is GATHER and is_inline(node.inputs[0]):
            found.add(node.inputs[0])
        elif node.op is RESHAPE and space_of(node.type.shape) != space_of(node.inputs[0].type.shape):
            if not flat(node.inputs[0]):
                found.add(node.inputs[0])
        if is_inline(node) and node.type.size != 1:
            chain[node] = 1 + max((chain.get(o, 0) for o in node.inputs if o not in found), default=0)
            if chain[node] >= LONGEST_CHAIN:
                found.add(node)
    return {node for node in found if node.type.size != 1}


def strided_inputs_to_copy(graph: Graph, strided: set[Node]) -> set[Node]:
    """The strided inputs that something reads as a block: a BLAS or LAPACK operand, a gather, a reshape, a loop."""
    found = set()
    if not strided:
        return found
    below: dict[Node, set[Node]] = {}
    for node in graph.nodes:
        seen = {node} if node in strided else set()
        if is_inline(node):
            seen = seen.union(*[below[o] for o in node.inputs]) if node.inputs else seen
        below[node] = seen
        reshapes = node.op is RESHAPE and space_of(node.type.shape) != space_of(node.inputs[0].type.shape)
        if reshapes or node.op is GATHER or node.op.kind in ("contraction", "linalg", "loop"):
            for operand in node.inputs:
                found |= below[operand]
    return found


class _Flatness:
    """Can a node be asked for by a flat C-order index?"""

    def __init__(self, stored: set[Node]):
        self._stored = stored
        self._known: dict[Node, bool] = {}

    def __call__(self, node: Node) -> bool:
        pending = [node]
        while pending:
            current = pending[-1]
            if current in self._known:
                pending.pop()
                continue
            answer, needed = self._look(current)
            missing = [n for n in needed if n not in self._known]
            if answer is None and missing:
                pending.extend(missing)
                continue
            self._known[current] = answer if answer is not None else all(self._known[n] for n in needed)
            pending.pop()
        return self._known[node]

    def _look(self, node: Node):
        if not is_inline(node) or node in self._stored or len(space_of(node.type.shape)) <= 1:
            return True, ()
        if node.op.kind == "elementwise":
            wide = [o for o in node.inputs if o.type.size != 1]
            if any(o.type.shape != node.type.shape for o in wide):
                return False, ()
            return None, wide
        if node.op is RESHAPE:
            return None, node.inputs
        return False, ()


def cost(node: Node) -> int:
    """Instructions for one element of an inline node itself."""
    if node.op.kind != "elementwise":
        return 0
    return 1 if isinstance(lowering(node.op, node.inputs[0].type.dtype), (Instruction, Intrinsic, Select, Convert)) else CALL_COST


def worth_storing(graph: Graph, contexts: dict[Node, set], stored: set[Node]) -> set[Node]:
    """Inline arrays that were computed in several places and cost more than a trip to memory; the topmost of them only."""
    if all(len(places) == 1 for places in contexts.values()):
        return set()
    total: dict[Node, int] = {}
    users: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        if node in contexts:
            total[node] = cost(node) + sum(total.get(o, 0) for o in node.inputs if o not in stored)
            total[node] = min(total[node], 10**9)
        for operand in node.inputs:
            users.setdefault(operand, []).append(node)
    repeated = {n for n, places in contexts.items()
                if len(places) > 1 and total[n] > DEAREST_RECOMPUTE and n not in stored and n.type.size != 1 and not is_movement(n)}
    return {n for n in repeated if not _subsumed(n, users[n], repeated, contexts)}


def _subsumed(node: Node, users: Iterable[Node], repeated: set[Node], contexts) -> bool:
    """Would storing its users take away all repeated work of this node?"""
    return all(user in repeated for user in users)
