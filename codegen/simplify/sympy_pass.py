"""Asking SymPy for a cheaper form of one cone. Imported only when a cone is promising and not known.

``sympy.simplify`` takes 17 s on a derivative of 129 operations, so a few targeted functions are asked instead, whose time is bounded by the size of the
expression or by a bound on its terms. What they answer is no more than a proposal: it is kept if it costs less and agrees at the probe points.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import sympy as sp
from sympy.simplify.fu import TR5, TR6, TR2i, TR10i

from codegen.report import Report
from tracer.errors import UnsupportedError
from tracer.graph.graph import live_nodes
from tracer.graph.node import Node
from tracer.graph.types import FLOAT64
from tracer.symbolic import cone_to_sympy, from_sympy
from tracer.trace.value import Traced

from . import recipe
from .cost import cost
from .driver import Rewriter
from .levels import index_of
from .probes import agrees_everywhere, agrees_ordinarily

TRIGONOMETRIC_ARGUMENTS = 2
TRIGONOMETRIC_SYMBOLS = 4
TERMS = 60  # bound on the terms of an expression when multiplied out; factoring beyond it can take minutes

_AGREES = {"safe": agrees_everywhere, "fast": agrees_ordinarily}


@functools.lru_cache(maxsize=4096)
def improve(level: str, text: str) -> str | None:
    """The text of a cheaper form of the expression with this canonical text; None if none was found."""
    rewriter = Rewriter(index_of(level), Report())
    builder = rewriter.builder
    leaves = [builder.input(FLOAT64, k) for k in range(recipe.leaf_count(text))]
    original, own, shared = recipe.build(text, leaves, builder.node, lambda value: builder.constant(value, FLOAT64.dtype))
    symbols = {leaf: sp.Symbol(f"v{k}", real=True) for k, leaf in enumerate(leaves)}
    free = set(live_nodes(shared)) if shared else set()
    best, lowest = None, sum([cost(node) for node in own])
    for proposal in dict.fromkeys(_proposals(_exact(cone_to_sympy(live_nodes((original,)), symbols)), level)):
        candidate = _nodes_of(proposal, rewriter, symbols)
        if candidate is None:
            continue
        price = sum([cost(node) for node in live_nodes((candidate,)) if node not in free])
        if price < lowest and _AGREES[level](original, candidate, leaves):
            best, lowest = candidate, price
    return None if best is None else recipe.write_answer(best, leaves)


def _nodes_of(proposal: sp.Expr, rewriter: Rewriter, symbols: dict[Node, sp.Symbol]) -> Node | None:
    """A proposal in the simplest nodes for it, in the builder of the original, so that what both use is one node. None if it has no real form."""
    if proposal.has(sp.nan, sp.zoo, sp.oo, sp.I):
        return None
    try:
        made = from_sympy(proposal, {symbol: Traced(leaf, rewriter.trace) for leaf, symbol in symbols.items()})
    except UnsupportedError:
        return None
    return rewriter.settle_all(made.node) if made.node.type is FLOAT64 else None


def _exact(expression: sp.Expr) -> sp.Expr:
    """With fractions for the numbers of the form, so that polynomials in them stay exact. Each is a whole number of 64ths."""
    return expression.xreplace({number: sp.Rational(number) for number in expression.atoms(sp.Float)})


def _proposals(expression: sp.Expr, level: str) -> Iterator[sp.Expr]:
    """Other forms of an expression, the cheapest to ask for first."""
    yield expression
    yield from (sp.powsimp(expression), sp.powdenest(expression), sp.expand_log(expression, force=True))
    trigonometric = expression.has(sp.sin, sp.cos, sp.tan)
    if trigonometric:
        yield TR2i(expression)
    if level != "fast":
        return
    yield sp.factor_terms(expression)
    if trigonometric or expression.has(sp.sinh, sp.cosh, sp.tanh):
        yield from _trigonometric_proposals(expression)
    if _terms(expression) <= TERMS:
        yield from _rational_proposals(expression)


def _trigonometric_proposals(expression: sp.Expr) -> Iterator[sp.Expr]:
    yield from (TR10i(expression), TR5(expression), TR6(expression))
    functions = expression.atoms(sp.Function)
    # Of nested functions trigsimp tries every combination: 31 s on 30 nodes. On few symbols and one or two arguments it takes 20 ms.
    simple = len({f.args for f in functions}) <= TRIGONOMETRIC_ARGUMENTS and not any(a.has(sp.Function) for f in functions for a in f.args)
    if simple and len(expression.free_symbols) <= TRIGONOMETRIC_SYMBOLS:
        matched = sp.trigsimp(expression)
        yield from (matched, sp.factor_terms(matched))


def _rational_proposals(expression: sp.Expr) -> Iterator[sp.Expr]:
    together = sp.together(expression)
    cancelled = sp.cancel(together)
    expanded = sp.expand(expression)
    yield from (together, cancelled, sp.factor(cancelled), expanded, sp.factor_terms(expanded),
                sp.powsimp(sp.expand(expression, power_base=False)), sp.logcombine(expression, force=True))


def _terms(expression: sp.Expr) -> int:
    """A bound on the number of terms when everything is multiplied out over a common denominator."""
    if expression.is_Add:
        dense = sum(map(_terms, expression.args))
        return dense * math.prod(_terms(sp.denom(a)) for a in expression.args)
    if expression.is_Mul:
        return math.prod(map(_terms, expression.args))
    if expression.is_Pow and expression.exp.is_Integer:
        return min(_terms(expression.base) ** min(abs(int(expression.exp)), 12), 10 * TERMS)
    return max(map(_terms, expression.args), default=1)
