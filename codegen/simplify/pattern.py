"""Patterns of nodes: the language in which the rows of the rewrite tables are written, and their compilation.

A row is read as algebra: ``Rule(-(-x), x)``. Operators and the functions made by :func:`operation` build pattern trees;
:class:`RuleIndex` turns each row into closures and files it under the operation at its root and those of its operands,
so that a node that no row can match costs one dictionary lookup.
"""

from __future__ import annotations

import functools
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


class Variable(Pattern):
    """Any node; the same node wherever the name stands again."""

    def __init__(self, name: str):
        self.name = name

    def __str__(self) -> str:
        return self.name


class Number(Variable):
    """A constant whose value the compiled code may depend on."""


class Extent(Variable):
    """A number that follows from extents. The compiled code may not depend on its value, so conditions must not ask for it."""


class Literal(Pattern):
    """One number, to the bit: ``0.0`` is not ``-0.0``. In a replacement, that number in the root's dtype."""

    def __init__(self, value: float | bool):
        self.value = value

    def __str__(self) -> str:
        return repr(self.value)

    def is_value_of(self, node: Node) -> bool:
        """Is this the number of a constant node?"""
        return not node.attrs[2] and node.attrs[1] == _bits(type(self.value), repr(self.value), node.type.dtype)


@functools.cache
def _bits(kind: type, text: str, dtype: np.dtype) -> bytes | None:
    """The bit pattern of a number in a dtype, None where the dtype does not have it. Texts tell -0.0 from 0.0."""
    value = float(text) if kind is not bool else text == "True"
    stored = np.array(value).astype(dtype)
    return stored.tobytes() if stored == value else None


_INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**"}


class Call(Pattern):
    """An operation on patterns. Any attributes match; a replacement has exactly ``attrs``."""

    def __init__(self, op: Op, operands: tuple[Pattern, ...], attrs: tuple = ()):
        self.op = op
        self.operands = operands
        self.attrs = attrs

    def __str__(self) -> str:
        texts = [f"({o})" if isinstance(o, Call) and (o.op.name in _INFIX or o.op.name == "negative") else str(o) for o in self.operands]
        if self.op.name in _INFIX:
            return f"{texts[0]} {_INFIX[self.op.name]} {texts[1]}"
        return "-" + texts[0] if self.op.name == "negative" else f"{self.op.name}({', '.join(map(str, self.operands))})"


class AnyElementwise(Pattern):
    """Any element-wise operation with an operand made by ``operand``."""

    def __init__(self, operand: Op):
        self.operand = operand

    def __str__(self) -> str:
        return f"elementwise({self.operand.name}(x), …)"


def as_pattern(value) -> Pattern:
    """The value itself if it is a pattern, else the pattern of that number."""
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
    on           dtypes of the last operand: float, integer, bool or any
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


class _MatcherText:
    """The text of a function that compares nodes with a pattern: straight-line tests, those that fail most often first.

    The operations of the root and of its keyed operands are not tested: the rule is filed under them. Compiled code makes a failing attempt
    cost 0.3 us; nested closures took 3.
    """

    def __init__(self, pattern: Call):
        self.constants: dict[str, Any] = {"CONSTANT": CONSTANT}
        self._operations: list[str] = []
        self._numbers: list[str] = []
        self._same: list[str] = []
        self._bound: dict[str, str] = {}
        self._operands("node", pattern, keyed=True)
        bindings = ", ".join(f"{name!r}: {path}" for name, path in self._bound.items())
        tests = [*self._operations, *self._numbers, *self._same]
        self.text = f"lambda node: {{{bindings}}}" + (f" if {' and '.join(tests)} else None" if tests else "")

    def _operands(self, path: str, pattern: Call, keyed: bool) -> None:
        for k, operand in enumerate(pattern.operands):
            self._operand(f"{path}.inputs[{k}]", operand, keyed and k < KEYED_OPERANDS)

    def _operand(self, path: str, pattern: Pattern, keyed: bool) -> None:
        if isinstance(pattern, Call):
            if not keyed:
                name = self._constant(pattern.op)
                self._operations.append(f"{path}.op is {name}")
            self._operands(path, pattern, keyed=False)
            return
        if not keyed and _head(pattern) is CONSTANT:
            self._operations.append(f"{path}.op is CONSTANT")
        if isinstance(pattern, Literal):
            self._numbers.append(f"{self._constant(pattern.is_value_of)}({path})")
            return
        if isinstance(pattern, (Number, Extent)):
            self._numbers.append(f"{path}.attrs[2] is {isinstance(pattern, Extent)}")
        if pattern.name in self._bound:
            self._same.append(f"{self._bound[pattern.name]} is {path}")
        else:
            self._bound[pattern.name] = path

    def _constant(self, value) -> str:
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name


def _compile_match(pattern: Call) -> Callable[[Node], dict[str, Node] | None]:
    """A function that gives the bindings under which a node is the pattern, or None."""
    matcher = _MatcherText(pattern)
    return eval(matcher.text, matcher.constants)


def _compile_replacement(pattern, is_operand: bool = False) -> Callable[[Any, Node, dict], Node | None]:
    """(rewriter, replaced node, bindings) -> node."""
    if not isinstance(pattern, Pattern):
        return pattern
    if isinstance(pattern, Variable):
        name = pattern.name
        return lambda rewriter, root, bindings: bindings[name]
    if isinstance(pattern, Literal):
        value = pattern.value
        if is_operand:  # of a comparison, whose own dtype is bool
            return lambda rewriter, root, bindings: rewriter.constant(value, (root.inputs[-1] if root.type.is_bool else root).type.dtype)
        return lambda rewriter, root, bindings: rewriter.constant(value, root.type.dtype)
    op, attrs, operands = pattern.op, pattern.attrs, [_compile_replacement(o, is_operand=True) for o in pattern.operands]
    return lambda rewriter, root, bindings: rewriter.node(op, tuple([o(rewriter, root, bindings) for o in operands]), attrs)


def _arrangements(pattern: Pattern) -> list[Pattern]:
    """The pattern with the operands of its commutative operations in every order."""
    if not isinstance(pattern, Call):
        return [pattern]
    found = {}
    for operands in product(*map(_arrangements, pattern.operands)):
        for order in [operands, operands[::-1]] if pattern.op.commutative else [operands]:
            arranged = Call(pattern.op, order, pattern.attrs)
            found.setdefault(str(arranged), arranged)
    return list(found.values())


class _Attempt:
    """One arrangement of a rule, compiled: ``matches`` gives the bindings under which a node is its pattern, ``apply`` the replacement or None."""

    def __init__(self, rule: Rule, pattern: Call):
        self.rule = rule
        self.pattern = pattern
        self.heads = tuple(_head(o) for o in pattern.operands)[:KEYED_OPERANDS]

    @functools.cached_property
    def matches(self) -> Callable[[Node], dict[str, Node] | None]:
        return _compile_match(self.pattern)   # when first tried: a small function meets few of the rules

    @functools.cached_property
    def replace(self) -> Callable[..., Node | None]:
        return _compile_replacement(self.rule.replacement)

    def apply(self, rewriter, node: Node, bindings: dict[str, Node]) -> Node | None:
        rule = self.rule
        if not rule.allows(node.inputs[-1].type.dtype) or (rule.when is not None and not rule.when(bindings)):
            return None
        result = self.replace(rewriter, node, bindings)
        if result is not None:
            rewriter.report.count(rule.name)
        return result


class _GeneralAttempt:
    """A rule that looks at any element-wise node."""

    def __init__(self, rule: Rule):
        self.rule = rule

    def matches(self, node: Node) -> dict[str, Node]:
        return {}

    def apply(self, rewriter, node: Node, bindings: dict[str, Node]) -> Node | None:
        result = self.rule.replacement(rewriter, node, bindings)
        if result is not None:
            rewriter.report.count(self.rule.name)
        return result


def _head(pattern: Pattern) -> Op | None:
    """The operation that an operand must have to match, None where any will do."""
    if isinstance(pattern, Call):
        return pattern.op
    return CONSTANT if isinstance(pattern, (Number, Extent, Literal)) else None


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

    def attempts(self, op: Op, operands: tuple[Op, ...]) -> tuple[_Attempt | _GeneralAttempt, ...]:
        """The compiled rules that may match a node of ``op`` whose first operands have these operations, in table order."""
        found: list = [a for a in self._by_op.get(op, ())
                       if all(head is None or head is operand for head, operand in zip(a.heads, operands))]
        if op.kind == "elementwise":
            found += [g for g in self._general if g.rule.pattern.operand in operands]
        return tuple(found)
