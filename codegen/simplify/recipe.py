"""Straight-line texts of small expressions: the canonical form of a cone, and the form in which answers are remembered.

``t0 = multiply(v0, v0); s1 = sqrt(v1); t2 = divide(t0, s1)``: ``v`` are the leaves, numbered as they are first met, ``t`` the steps, the last
of which is the result; ``s`` steps are needed elsewhere too, so that an answer may use them for nothing. A text without steps is a leaf or a number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from tracer.graph.graph import live_nodes
from tracer.graph.node import CONSTANT, Node, constant_value
from tracer.ops import TABLE

_STEP = re.compile(r"([st])(\d+) = (\w+)\((.*)\)")
LARGEST_LITERAL = 64.0  # numbers up to this, in 64ths, belong to the form of an expression; any other is a leaf like a variable


def literal_text(node: Node) -> str | None:
    """The text of a constant that belongs to the form; None for any other node."""
    if node.op is not CONSTANT or node.attrs[2]:
        return None
    value = float(constant_value(node))
    return repr(value) if abs(value) <= LARGEST_LITERAL and value * 64 == int(value * 64) else None


def visit_order(root: Node, inner) -> list[Node]:
    """The nodes of ``inner`` below the root, operands first, left to right."""
    order, seen, pending = [], set(), [(root, False)]
    while pending:
        node, expanded = pending.pop()
        if expanded:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            pending.append((node, True))
            pending += [(operand, False) for operand in reversed(node.inputs) if operand in inner and operand not in seen]
    return order


def write(root: Node, inner, shared=frozenset()) -> tuple[str, tuple[Node, ...]]:
    """The canonical text of an expression and its leaves. ``inner``: the nodes that are steps; ``shared``: those needed elsewhere."""
    leaves: dict[Node, str] = {}

    def read(operand: Node) -> str:
        return literal_text(operand) or leaves.setdefault(operand, f"v{len(leaves)}")

    return _write(root, inner, shared, read), tuple(leaves)


def write_answer(root: Node, leaves: Sequence[Node]) -> str:
    """The text of an expression over leaves that have their numbers already."""
    names = {leaf: f"v{k}" for k, leaf in enumerate(leaves)}

    def read(operand: Node) -> str:
        return names[operand] if operand in names else repr(float(constant_value(operand)))

    return _write(root, {n for n in live_nodes((root,)) if n.op.kind != "source"}, frozenset(), read)


def _write(root: Node, inner, shared, read: Callable[[Node], str]) -> str:
    if root not in inner:
        return read(root)
    names: dict[Node, str] = {}
    steps = []
    for number, node in enumerate(visit_order(root, inner)):
        operands = [names.get(operand) or read(operand) for operand in node.inputs]
        names[node] = f"{'s' if node in shared else 't'}{number}"
        steps.append(f"{names[node]} = {node.op.name}({', '.join(operands)})")
    return "; ".join(steps)


def leaf_count(text: str) -> int:
    """The number of leaves that a text mentions, counted from v0."""
    return max((int(n) + 1 for n in re.findall(r"\bv(\d+)", text)), default=0)


def build(text: str, leaves: Sequence[Node], node: Callable, number: Callable) -> tuple[Node, list[Node], list[Node]]:
    """The expression on these leaves: (result, its own steps, shared steps). ``node(op, inputs)`` and ``number(value)`` make nodes."""
    known = {f"v{k}": leaf for k, leaf in enumerate(leaves)}

    def operand(name: str) -> Node:
        return known[name] if name in known else number(float(name))

    own: list[Node] = []
    shared: list[Node] = []
    result = None
    for step in text.split("; "):
        match = _STEP.fullmatch(step)
        if match is None:
            return operand(step), own, shared
        kind, index, name, operands = match.groups()
        result = known[kind + index] = node(TABLE[name], tuple([operand(o) for o in operands.split(", ")]))
        (own if kind == "t" else shared).append(result)
    return result, own, shared


_SYMBOLS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**"}
READABLE_LENGTH = 100


def readable(text: str) -> str:
    """An expression as one formula, for people; longer ones are only counted."""
    known: dict[str, str] = {}
    formula = text
    for step in text.split("; "):
        match = _STEP.fullmatch(step)
        if match is None:
            return step
        kind, index, name, operands = match.groups()
        parts = [known.get(o, o) for o in operands.split(", ")]
        formula = f"{name}({', '.join(map(_bare, parts))})" if name not in _SYMBOLS else f"({parts[0]} {_SYMBOLS[name]} {parts[1]})"
        known[kind + index] = formula
        if len(formula) > READABLE_LENGTH:
            return f"{text.count(';') + 1} nodes"
    return _bare(formula)


def _bare(formula: str) -> str:
    """Without the outermost parentheses, where they enclose all of it."""
    if not formula.startswith("("):
        return formula
    depth = 0
    for k, character in enumerate(formula):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return formula[1:-1] if k == len(formula) - 1 else formula
    return formula
