"""Patterns of nodes: the language in which the rows of the rewrite tables are written, and their compilation.

A row is read as algebra: ``Rule(-(-x), x)``. Operators and the functions made by :func:`operation` build pattern trees;
:class:`RuleIndex` turns each row into closures and files it under the operation at its root and those of its operands,
so that a node that no row can match costs one dictionary lookup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from tracer.graph.node import CONSTANT, Node
from tracer.graph.op import Op
from tracer.ops import TABLE

KEYED_OPERANDS = 3  # a rule is filed under the operations of at most this many operands


class Pattern:
    """A tree that nodes are compared with; also what replaces them."""

    def __add__(self, other): return Call(TABLE["add"], (self, as_pattern(other)))
    def __radd__(self, other): return Call(TABLE["add"], (as_pattern(other), self))
    def __sub__(self, other): return Call(TABLE["subtract"], (self, as_pattern(other)))
    def __rsub__(self, other): return Call(TABLE["subtract"], (as_pattern(other), self))
    def __mul__(self, other): return Call(TABLE["multiply"], (self, as_pattern(other)))
    def __rmul__(self, other): return Call(TABLE["multiply"], (as_pattern(other), self))
    def __truediv__(self, other): return Call(TABLE["divide"], (self, as_pattern(other)))
    def __rtruediv__(self, other): return Call(TABLE["divide"], (as_pattern(other), self))
    def __pow__(self, other): return Call(TABLE["power"], (self, as_pattern(other)))
    def __rpow__(self, other): return Call(TABLE["power"], (as_pattern(other), self))
    def __neg__(self): return Call(TABLE["negative"], (self,))


@dataclass(frozen=True)
class Variable(Pattern):
    """Any node; the same node wherever the name stands again."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Number(Variable):
    """A constant whose value the compiled code may depend on."""


@dataclass(frozen=True)
class Literal(Pattern):
    """One number, to the bit: ``0.0`` is not ``-0.0``. In a replacement, that number in the root's dtype."""

    value: float | bool

    def __str__(self) -> str:
        return repr(self.value)

    def bits(self, dtype: np.dtype) -> bytes | None:
        """Its bit pattern, None where the dtype does not have the number."""
        stored = np.array(self.value).astype(dtype)
        return stored.tobytes() if stored == self.value else None


_INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**"}


@dataclass(frozen=True)
class Call(Pattern):
    """An operation on patterns. Any attributes match; a replacement has exactly ``attrs``."""

    op: Op
    operands: tuple[Pattern, ...]
    attrs: tuple = ()

    def __str__(self) -> str:
        texts = [f"({o})" if isinstance(o, Call) and (o.op.name in _INFIX or o.op.name == "negative") else str(o) for o in self.operands]
        if self.op.name in _INFIX:
            return f"{texts[0]} {_INFIX[self.op.name]} {texts[1]}"
        return "-" + texts[0] if self.op.name == "negative" else f"{self.op.name}({', '.join(map(str, self.operands))})"


@dataclass(frozen=True)
class AnyElementwise(Pattern):
    """Any element-wise operation with an operand made by ``operand``."""

    operand: Op

    def __str__(self) -> str:
        return f"elementwise({self.operand.name}(x), …)"


def as_pattern(value) -> Pattern:
    return value if isinstance(value, Pattern) else Literal(value)


def operation(name: str) -> Callable[..., Call]:
    """The function that makes patterns of this operation."""
    op = TABLE[name]
    return lambda *operands, attrs=(): Call(op, tuple(map(as_pattern, operands)), attrs)


@dataclass(frozen=True, eq=False)
class Rule:
    """One rewrite.

    pattern      what is replaced
    replacement  a pattern over the same variables, a number, or (rewriter, node, bindings) -> Node or None
    tag          always    removes what only the derivative needed; done at every level
                 exact     the same bits for every input (NaN payloads aside)
                 accuracy  bits may change, but only towards the exact value: within 2 ulp, finite where it overflowed
                 range     finite where it overflowed; elsewhere within 2 ulp of the largest operand or the result
                 guard     the sign of a zero gradient may change, nothing else
                 real      real-number algebra; rounding, NaN and inf may change
    on           dtypes of the first operand: float, integer, bool or any
    when         a further condition on the bindings
    label        the name in reports where the rows themselves do not read well
    """

    pattern: Pattern
    replacement: Pattern | float | bool | Callable[..., Node | None]
    tag: str = "exact"
    on: str = "float"
    when: Callable[[dict[str, Node]], bool] | None = None
    label: str = ""

    def __post_init__(self):
        if not callable(self.replacement):
            object.__setattr__(self, "replacement", as_pattern(self.replacement))

    @property
    def name(self) -> str:
        return self.label or f"{self.pattern} -> {self.replacement}"

    def allows(self, dtype: np.dtype) -> bool:
        return self.on == "any" or dtype.kind in {"float": "f", "integer": "iu", "bool": "b"}[self.on]


Match = Callable[[Node, dict], bool]


def _compile_match(pattern: Pattern, bound: set[str]) -> Match:
    if isinstance(pattern, Variable):
        return _compile_variable(pattern, bound)
    if isinstance(pattern, Literal):
        known: dict[np.dtype, bytes | None] = {}

        def is_literal(node, bindings):
            if node.op is not CONSTANT or node.attrs[2]:
                return False
            dtype = node.type.dtype
            if dtype not in known:
                known[dtype] = pattern.bits(dtype)
            return node.attrs[1] == known[dtype]
        return is_literal
    op, operands = pattern.op, [_compile_match(o, bound) for o in pattern.operands]

    def is_call(node, bindings):
        if node.op is not op:
            return False
        for matches, operand in zip(operands, node.inputs):
            if not matches(operand, bindings):
                return False
        return True
    return is_call


def _compile_variable(pattern: Variable, bound: set[str]) -> Match:
    name = pattern.name
    if name in bound:
        return lambda node, bindings: bindings[name] is node
    bound.add(name)
    if isinstance(pattern, Number):
        def is_number(node, bindings):
            bindings[name] = node
            return node.op is CONSTANT and not node.attrs[2]
        return is_number

    def is_anything(node, bindings):
        bindings[name] = node
        return True
    return is_anything


def _compile_replacement(pattern) -> Callable[[Any, Node, dict], Node | None]:
    """(rewriter, replaced node, bindings) -> node."""
    if not isinstance(pattern, Pattern):
        return pattern
    if isinstance(pattern, Variable):
        name = pattern.name
        return lambda rewriter, root, bindings: bindings[name]
    if isinstance(pattern, Literal):
        value = pattern.value
        return lambda rewriter, root, bindings: rewriter.constant(value, root.type.dtype)
    op, attrs, operands = pattern.op, pattern.attrs, [_compile_replacement(o) for o in pattern.operands]
    return lambda rewriter, root, bindings: rewriter.node(op, tuple([o(rewriter, root, bindings) for o in operands]), attrs)


def _arrangements(pattern: Pattern) -> list[Pattern]:
    """The pattern with the operands of its commutative operations in every order."""
    if not isinstance(pattern, Call):
        return [pattern]
    found = []
    for operands in product(*map(_arrangements, pattern.operands)):
        orders = [operands, operands[::-1]] if pattern.op.commutative else [operands]
        found += [Call(pattern.op, order, pattern.attrs) for order in orders]
    return list(dict.fromkeys(found))


class _Attempt:
    """One arrangement of a rule, compiled: called with (rewriter, node) it gives the replacement or None."""

    __slots__ = ("rule", "heads", "matches", "replace")

    def __init__(self, rule: Rule, pattern: Call):
        self.rule = rule
        self.heads = tuple(_head(o) for o in pattern.operands)[:KEYED_OPERANDS]
        self.matches = _compile_match(pattern, set())
        self.replace = _compile_replacement(rule.replacement)

    def __call__(self, rewriter, node: Node) -> Node | None:
        bindings: dict[str, Node] = {}
        rule = self.rule
        if not self.matches(node, bindings) or not rule.allows(node.inputs[0].type.dtype) or (rule.when is not None and not rule.when(bindings)):
            return None
        result = self.replace(rewriter, node, bindings)
        if result is not None:
            rewriter.report.count(rule.name)
        return result


class _GeneralAttempt:
    """A rule that looks at any element-wise node."""

    __slots__ = ("rule",)

    def __init__(self, rule: Rule):
        self.rule = rule

    def __call__(self, rewriter, node: Node) -> Node | None:
        result = self.rule.replacement(rewriter, node, {})
        if result is not None:
            rewriter.report.count(self.rule.name)
        return result


def _head(pattern: Pattern) -> Op | None:
    """The operation that an operand must have to match, None where any will do."""
    if isinstance(pattern, Call):
        return pattern.op
    return CONSTANT if isinstance(pattern, (Number, Literal)) else None


class RuleIndex:
    """Rules by the operation at the root; what can match a node of given operand operations is worked out once for each combination."""

    def __init__(self, rules: Iterable[Rule]):
        self.rules = tuple(rules)
        self._by_op: dict[Op, list[_Attempt]] = {}
        self._general: list[_GeneralAttempt] = []
        for rule in self.rules:
            if isinstance(rule.pattern, AnyElementwise):
                self._general.append(_GeneralAttempt(rule))
            else:
                for pattern in _arrangements(rule.pattern):
                    self._by_op.setdefault(pattern.op, []).append(_Attempt(rule, pattern))

    def attempts(self, op: Op, operands: tuple[Op, ...]) -> tuple[Callable, ...]:
        """The compiled rules that may match a node of ``op`` whose first operands have these operations, in table order."""
        found: list = [a for a in self._by_op.get(op, ())
                       if all(head is None or head is operand for head, operand in zip(a.heads, operands))]
        if op.kind == "elementwise":
            found += [g for g in self._general if g.rule.pattern.operand in operands]
        return tuple(found)
