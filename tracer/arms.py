"""What only one side of selects on one condition needs is computed in an arm of a branch: only where that side is taken.

A branch of the user's joins its arms by selects, and most stay so: a few operations on numbers take less time than a jump that the processor has guessed
wrong, they run in vector lanes, and loops are rolled through them. Arms that are dear, or that can fail, as a look-up by a computed index does where it
is out of range, become the arms of a ``branch`` of the graph, which is derived as such, so that what is not taken costs nothing backward either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from .derive.loop import Inner
from .graph.graph import Graph, live_nodes, with_bodies
from .graph.node import CONSTANT, Node
from .graph.op import Libm, Special, lowering
from .ops import TABLE
from .trace.context import Trace
from .trace.value import Traced, make

WHERE, BRANCH, WHILE, WALK, BROADCAST, GATHER, SCATTER = (
    TABLE[name] for name in ("where", "branch", "while", "walk", "broadcast_to", "gather", "scatter_add"))
# Instructions in both arms together, a function of the C library counted as 20, from which on a branch pays. Value and gradient of one arm of m
# multiplications and additions, in ns as selects and as a branch that is never, always, or in every other call taken: m = 10: 10 and 19, 21, 28;
# m = 20: 18 and 19, 24, 33; m = 40: 46 and 19, 41, 47. Of two sines: 22 and 19, 38, 39; of five: 66 and 20, 101, 76.
DEAR = 80
FUNCTION = 20
WHOLE = 1000  # of an operation on whole matrices, a loop or another branch


@dataclass(eq=False)
class _Condition:
    """The selects on one condition that are always evaluated, and the operations that only one side of them needs."""

    heads: list[Node] = field(default_factory=list)
    only: dict[bool, list[Node]] = field(default_factory=lambda: {True: [], False: []})

    def pays(self) -> bool:
        nodes = [*self.only[True], *self.only[False]]
        return any(node.op in (GATHER, SCATTER) for node in nodes) or sum(map(_cost, nodes)) >= DEAR


def in_arms(trace: Trace, outputs: Sequence[Traced]) -> list[Traced]:
    """The same values, with what is dear and needed on one side only in branches; the same nodes where there is nothing of the kind."""
    roots = [value.node for value in outputs]
    changes = _Changes(live_nodes(roots), roots, {})
    if not changes:
        return list(outputs)
    new = _Rebuilding(trace, changes, {}).run(roots)
    return [Traced(node, trace, value.weak) for node, value in zip(new, outputs)]


class _Changes:
    """What becomes of some nodes: selects in groups, which become branches, and loops with branches in their bodies. ``known``: bodies that were looked at."""

    def __init__(self, nodes: Sequence[Node], outputs: Sequence[Node], known: dict[Graph, Graph]):
        self.known = known
        self.groups = [group for found in _conditions(nodes, outputs) for group in _groups(nodes, found)]
        self.bodies: dict[Node, tuple] = {}
        for node in nodes:
            if node.op.kind == "loop" and node.op is not WALK:  # the bodies of walks are straight
                attrs = with_bodies(node.attrs, self._body)
                if any(a is not b for a, b in zip(attrs, node.attrs)):
                    self.bodies[node] = attrs

    def __bool__(self) -> bool:
        return bool(self.groups or self.bodies)

    def _body(self, graph: Graph) -> Graph:
        if graph not in self.known:
            changes = _Changes(graph.nodes, graph.outputs, self.known)
            self.known[graph] = _graph(changes, graph.inputs, graph.outputs, graph.name) if changes else graph
        return self.known[graph]


def _graph(changes: _Changes, inputs: Sequence[Node], outputs: Sequence[Node], name: str) -> Graph:
    """The graph from some nodes to others."""
    trace = Trace(name)
    given = {node: trace.builder.input(node.type, position) for position, node in enumerate(inputs)}
    return Graph(given.values(), _Rebuilding(trace, changes, dict(given)).run(outputs), name=name)


# What is needed where ---------------------------------------------------------------------------------------------------

def _conditions(nodes: list[Node], outputs: list[Node]) -> list[_Condition]:
    """The conditions that it pays to branch on."""
    side: dict[Node, tuple[Node, bool] | None] = dict.fromkeys(outputs)  # on which side of which condition alone a node is needed
    found: dict[Node, _Condition] = {}

    def need(node: Node, where: tuple[Node, bool] | None) -> None:
        if side.setdefault(node, where) != where:
            side[node] = None
    for node in reversed(nodes):
        where = side.get(node)  # an input may be needed nowhere
        if _is_choice(node):
            condition, *sides = node.inputs
            need(condition, where)
            for truth, operand in zip((True, False), sides):
                need(operand, where or (condition, truth))
            if where is None:
                found.setdefault(condition, _Condition()).heads.append(node)
        else:
            for operand in node.inputs:
                need(operand, where)
        if where is not None and node.op.kind != "source":
            found.setdefault(where[0], _Condition()).only[where[1]].append(node)
    for each in found.values():
        each.heads.reverse()
    return [each for each in found.values() if each.heads and each.pays()]


def _is_choice(node: Node) -> bool:
    return node.op is WHERE and node.inputs[0].type.shape == () and node.inputs[0].op is not CONSTANT and node.inputs[1] is not node.inputs[2]


def _cost(node: Node) -> int:
    op = node.op
    if op.kind == "elementwise":
        return node.type.size * (FUNCTION if isinstance(lowering(op, node.inputs[0].type.dtype), (Libm, Special)) else 1)
    if op is WHILE:
        return 0  # it asks its own condition
    if op.kind in ("contraction", "linalg", "loop"):
        return WHOLE
    return 0 if op.kind == "movement" else max([node.type.size, *[operand.type.size for operand in node.inputs]])


# Groups -------------------------------------------------------------------------------------------------------------------

@dataclass(eq=False)
class _Group:
    """Selects that become one branch, and the operations inside of it."""

    condition: Node
    heads: list[Node]
    inside: set[Node]   # what is needed on one side of the condition alone
    arms: tuple[Graph, ...] = ()

    @cached_property
    def taken(self) -> list[Node]:
        """What both arms are given from around them."""
        return _inside([side for head in self.heads for side in head.inputs[1:]], self.inside)[1]


def _inside(roots: Sequence[Node], inside: set[Node]) -> tuple[list[Node], list[Node]]:
    """(the nodes of a set that some nodes need, what these need from around the set), in topological order."""
    seen: set[Node] = set()
    pending = list(roots)
    while pending:
        node = pending.pop()
        if node not in seen:
            seen.add(node)
            if node in inside:
                pending.extend(node.inputs)
    ordered = sorted(seen, key=lambda node: node.id)
    return [node for node in ordered if node in inside], [node for node in ordered if node not in inside and node.op is not CONSTANT]


def _groups(nodes: list[Node], found: _Condition) -> list[_Group]:
    """The selects on a condition, together as far as none needs, by way of what is always evaluated, what another has chosen."""
    inside, condition = {*found.only[True], *found.only[False]}, found.heads[0].inputs[0]
    groups: list[_Group] = []
    behind: set[Node] = set()  # what depends on the heads of the last group
    heads = iter(found.heads)
    head = next(heads)
    start = nodes.index(head) if len(found.heads) > 1 else 0
    for node in nodes[start:] if len(found.heads) > 1 else found.heads:
        depends = not behind.isdisjoint(node.inputs)
        if depends:
            behind.add(node)
        if node is head:
            if not groups or depends:
                groups.append(_Group(condition, [], inside))
                behind = set()
            groups[-1].heads.append(node)
            behind.add(node)
            head = next(heads, None)
            if head is None:
                break
    return [each for each in groups if any(not inside.isdisjoint(head.inputs) for head in each.heads)]


class _Rebuilding:
    """Nodes once more, with branches in place of groups of selects. ``new``: those that are there already."""

    def __init__(self, trace: Trace, changes: _Changes, new: dict[Node, Node]):
        self.trace, self.changes, self.new = trace, changes, new
        self.group_of = {head: group for group in changes.groups for head in group.heads}

    def run(self, outputs: Sequence[Node]) -> list[Node]:
        new, pending = self.new, list(outputs)
        while pending:
            node = pending[-1]
            if node in new:
                pending.pop()
                continue
            group = self.group_of.get(node)
            needed = node.inputs if group is None else (group.condition, *group.taken)
            missing = [operand for operand in needed if operand not in new]
            if missing:
                pending.extend(missing)
                continue
            new[node] = self._made(node) if group is None else self._branch(group, group.heads.index(node))
            pending.pop()
        return [new[node] for node in outputs]

    def _made(self, node: Node) -> Node:
        attrs = self.changes.bodies.get(node, node.attrs)
        return self.trace.builder.node(node.op, tuple([self.new[operand] for operand in node.inputs]), attrs, node.where)

    def _branch(self, group: _Group, which: int) -> Node:
        if not group.arms:
            group.arms = tuple([self._arm(group, side) for side in (1, 2)])
        operands = (self.new[group.condition], *[self.new[node] for node in group.taken])
        return self.trace.builder.node(BRANCH, operands, (*group.arms, which), group.heads[which].where)

    def _arm(self, group: _Group, side: int) -> Graph:
        """One side of all selects; there may be other branches in it."""
        roots = [head.inputs[side] for head in group.heads]
        inner = _graph(_Changes(_inside(roots, group.inside)[0], roots, self.changes.known), group.taken, roots, self.trace.name)
        trace = Trace(self.trace.name)  # what a select broadcasts has the shape of the other side here
        start = Inner(trace)
        given = start.inputs([node.type for node in inner.inputs])
        new = start.copied(inner, given)
        made = [value if value.shape == head.type.shape else make(BROADCAST, (value,), (head.type.shape,))
                for value, head in zip([new[node] for node in inner.outputs], group.heads)]
        return start.graph(given, made, self.trace.name)


__all__ = ["in_arms"]
