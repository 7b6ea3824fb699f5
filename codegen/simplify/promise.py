"""Which cones are worth a look: a structural test, cheap enough to be made on every cone of a long program.

What SymPy finds falls into few classes, and each leaves a trace in the operations of the cone. In "safe" almost all of real-number algebra is out (it moves
an overflow, or loses a NaN that an operand must pass on), so only nests of inverse functions and quotients of sine and cosine are asked about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tracer.graph.node import CONSTANT, Node
from tracer.graph.op import Op
from tracer.ops import TABLE

from .cost import LIBRARY, cost

# An operation -> those below it (with nothing but arithmetic between) that it may meet and cancel.
_MEETS = {
    "exp": ("log", "log1p", "log2", "log10"),
    "exp2": ("log2", "log"),
    "expm1": ("log", "log1p"),
    "log": ("exp", "exp2", "power", "sqrt", "cbrt"),
    "log2": ("exp2", "exp", "power", "sqrt"),
    "log10": ("power", "sqrt", "exp"),
    "sqrt": ("power", "exp"),
    "power": ("power", "sqrt", "cbrt", "exp"),
    "sin": ("arcsin", "arccos", "arctan"),
    "cos": ("arccos", "arcsin", "arctan"),
    "tan": ("arctan", "arcsin", "arccos"),
    "tanh": ("arctanh", "log"),
    "sinh": ("arcsinh", "log"),
    "cosh": ("arccosh", "arcsinh", "log"),
}
_BITS = {TABLE[name]: 1 << k for k, name in enumerate(sorted({n for names in _MEETS.values() for n in names}))}
_MEETING = {TABLE[name]: sum(_BITS[TABLE[n]] for n in names) for name, names in _MEETS.items()}
_ARITHMETIC = frozenset(TABLE[name] for name in ("add", "subtract", "multiply", "divide", "negative", "square", "reciprocal"))
_QUOTIENT, _SUMS = TABLE["divide"], frozenset((TABLE["add"], TABLE["subtract"]))
_PRODUCTS = frozenset(TABLE[name] for name in ("multiply", "divide", "negative", "square", "reciprocal"))
_PAIRS = (frozenset((TABLE["sin"], TABLE["cos"])), frozenset((TABLE["sinh"], TABLE["cosh"])))

_TELLING = frozenset(_MEETING).union(*_PAIRS)


def is_promising(members: Sequence[Node], level: str) -> bool:
    """May SymPy find a cheaper form of this cone, given in topological order?"""
    if not _TELLING.isdisjoint([node.op for node in members]):
        paired = _has_pair_in_product if level == "safe" else _has_pair
        if _has_inverse_nest(members) or paired(members):
            return True
    return level == "fast" and _may_cancel(members)


def _has_inverse_nest(ordered: Sequence[Node]) -> bool:
    below: dict[Node, int] = {}
    for node in ordered:
        mask = 0
        for operand in node.inputs:
            mask |= below.get(operand, 0)
        op = node.op
        if mask & _MEETING.get(op, 0):
            return True
        below[node] = (mask if op in _ARITHMETIC else 0) | _BITS.get(op, 0)
    return False


def _has_pair(ordered: Sequence[Node]) -> bool:
    """Sine and cosine of one argument, nothing else needing either."""
    seen: dict[Node, set[Op]] = {}
    for node in ordered:
        for pair in _PAIRS:
            if node.op in pair:
                functions = seen.setdefault(node.inputs[0], set())
                functions.add(node.op)
                if pair <= functions:
                    return True
    return False


def _has_pair_in_product(ordered: Sequence[Node]) -> bool:
    """Sine and cosine of one argument as factors of one product or quotient."""
    factors: dict[Node, frozenset[Node]] = {}
    for node in ordered:
        if any(node.op in pair for pair in _PAIRS):
            factors[node] = frozenset((node,))
        elif node.op in _PRODUCTS:
            found = factors[node] = frozenset().union(*[factors.get(o, ()) for o in node.inputs])
            if len(found) > 1 and _has_pair(sorted(found, key=lambda n: n.id)):
                return True
    return False


def _may_cancel(ordered: Sequence[Node]) -> bool:
    """Something read twice, in a cone with a quotient, with a sum of products, or with functions among its leaves."""
    members = set(ordered)
    reads = Counter(o for node in ordered for o in node.inputs if o not in members and o.op is not CONSTANT)
    if not any(count > 1 for count in reads.values()) and sum(cost(leaf) >= LIBRARY for leaf in reads) < 2:
        return False
    operations = {node.op for node in ordered}
    return _QUOTIENT in operations or (not _SUMS.isdisjoint(operations) and len(ordered) > 2)
