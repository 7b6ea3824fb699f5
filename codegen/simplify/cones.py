"""Small cones of element-wise nodes: found, put into canonical form, and replaced where a cheaper form is known.

A cone is a root and the nodes below it that nothing else needs, all of one type, cut at ``CONE_NODES``. A replacement of the root sets free the work
of all of them. Nodes that are needed elsewhere as well are its leaves; some are shown to SymPy nevertheless (``_visible``), because an answer may use them.

The budget counts cones and nodes of one graph, never seconds and never what this process has seen before: same graph, same result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from codegen.report import Report
from tracer.graph.graph import Graph
from tracer.graph.node import Node
from tracer.graph.op import NOT_SYMBOLIC
from tracer.ops import TABLE

from . import recipe
from .driver import Rewriter
from .known import known_form
from .pattern import RuleIndex
from .promise import is_promising

STRONG_MULTIPLY = TABLE["strong_multiply"]
CONE_NODES = 40    # SymPy's time grows faster than linearly: 5 ms at 10 nodes, 60 ms at 40, seconds at 130
CONE_LEAVES = 8
SHOWN_BELOW_LEAF = 8


@dataclass(frozen=True, slots=True)
class Budget:
    """How many different unknown cones of one graph SymPy is asked about, and of how many nodes together."""

    calls: int
    nodes: int


BUDGETS = {"safe": Budget(calls=12, nodes=160), "fast": Budget(calls=24, nodes=400)}


@dataclass(eq=False, slots=True)
class Cone:
    """``members``: the nodes that go when the root is replaced, in topological order."""

    root: Node
    members: list[Node]

    def leaves(self) -> list[Node]:
        """What it reads, in topological order."""
        return sorted({o for node in self.members for o in node.inputs}.difference(self.members), key=lambda node: node.id)


def _eligible(node: Node) -> bool:
    """Is it a function of floats, to floats of the same dtype, that SymPy knows? A strong product is none: its 0 * inf is 0."""
    op, dtype = node.op, node.type.dtype
    if op.kind != "elementwise" or not node.type.is_float or node.attrs or op is STRONG_MULTIPLY or op.sympy is NOT_SYMBOLIC:
        return False
    for operand in node.inputs:
        if operand.type.dtype is not dtype:
            return False
    return True


def find_cones(graph: Graph) -> list[Cone]:
    """Every cone of at least two nodes, in topological order of their roots. Each node is in at most one."""
    outputs = set(graph.outputs)
    owner: dict[Node, Node | None] = {}     # the root above all users so far; None where users disagree
    members: dict[Node, list[Node]] = {}
    for node in reversed(graph.nodes):
        if _eligible(node):
            root = owner.get(node)
            if root is None or node in outputs or node.type is not root.type or len(members[root]) >= CONE_NODES:
                root = node
                members[root] = []
            members[root].append(node)
        else:
            root = None
        for operand in node.inputs:
            if operand not in owner:
                owner[operand] = root
            elif owner[operand] is not root:
                owner[operand] = None
    return [Cone(root, found[::-1]) for root, found in reversed(members.items()) if len(found) > 1]


def _visible(cone: Cone) -> set[Node]:
    """What is worth seeing below the leaves of a cone: nodes that stay, but are part of the form.

    Shown are functions of one argument that is a leaf itself or the argument of another such leaf (``sin(x)`` beside ``cos(x)``), and leaves
    that a few steps make of the other leaves (``sqrt(1 + x*x)`` beside ``x``).
    """
    leaves = cone.leaves()
    arguments = [leaf.inputs[0] for leaf in leaves if _eligible(leaf) and len(leaf.inputs) == 1]
    frontier = set(leaves) | {a for a in arguments if arguments.count(a) > 1}
    visible: set[Node] = set()
    for leaf in reversed(leaves):
        below = _steps_from(leaf, frontier - {leaf}, cone.root.type)
        if below is not None and len(cone.members) + len(visible | below) <= CONE_NODES:
            visible |= below
    return visible


def _steps_from(leaf: Node, frontier: set[Node], type) -> set[Node] | None:
    """The nodes that make a leaf out of the frontier and constants, None if they are too many or reach other inputs."""
    steps: set[Node] = set()
    pending = [leaf]
    while pending:
        node = pending.pop()
        if node in frontier or node in steps or recipe.literal_text(node) is not None:
            continue
        if not _eligible(node) or node.type is not type or len(steps) >= SHOWN_BELOW_LEAF:
            return None
        steps.add(node)
        pending.extend(node.inputs)
    return steps


def canonical_cones(graph: Graph, level: str) -> dict[Node, tuple[str, tuple[Node, ...], int]]:
    """Root -> (canonical text, leaves, number of nodes) of each promising cone."""
    result = {}
    for cone in find_cones(graph):
        if is_promising(cone.members, level):
            visible = _visible(cone)
            inner = visible.union(cone.members)
            text, leaves = recipe.write(cone.root, inner, visible)
            if len(leaves) <= CONE_LEAVES:
                result[cone.root] = (text, leaves, len(inner))
    return result


def simplify_cones(graph: Graph, level: str, index: RuleIndex, report: Report, improve: Callable | None = None) -> Graph:
    """The graph with every promising cone in the cheapest form that is known or found for it."""
    found = _answers(canonical_cones(graph, level), level, report, improve or _ask_sympy)
    if not found:
        return graph

    def replaced(rewriter: Rewriter, node: Node, new: dict[Node, Node]) -> Node | None:
        if node not in found:
            return None
        text, leaves = found[node]
        number = lambda value: rewriter.constant(value, node.type.dtype)
        result, _, _ = recipe.build(text, [new[leaf] for leaf in leaves], rewriter.node, number)
        return rewriter.broadcast(result, node.type.shape)

    return Rewriter(index, report, graph.name, replaced=replaced).rebuild(graph)


def _answers(asked: dict, level: str, report: Report, improve: Callable) -> dict[Node, tuple[str, tuple[Node, ...]]]:
    """Root -> (cheaper text, leaves), from the table of known forms or from SymPy within the budget."""
    budget = BUDGETS[level]
    calls = nodes = 0
    forms: dict[str, str | None] = {}
    found = {}
    report.cones += len(asked)
    for root, (text, leaves, size) in asked.items():
        if text not in forms:
            known = known_form(level, text)
            if known is not None:
                forms[text] = known or None
                report.cones_known += 1
            elif calls < budget.calls and nodes + size <= budget.nodes:
                calls, nodes = calls + 1, nodes + size
                forms[text] = improve(level, text)
            else:
                report.unasked += 1
                continue
        if forms[text] is not None:
            found[root] = (forms[text], leaves)
            report.count(f"{recipe.readable(text)} -> {recipe.readable(forms[text])} (SymPy)")
    report.sympy_calls += calls
    return found


def _ask_sympy(level: str, text: str) -> str | None:
    from .sympy_pass import improve  # SymPy costs 0.3 s to import; most graphs never need it

    return improve(level, text)
