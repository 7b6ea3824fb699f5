"""Simplification: Graph -> Graph with the same meaning and less work.

One linear pass applies a table of rewrites (``rules``, ``movement_rules``, ``fast_rules``) and shares what is common. Then small cones of
element-wise nodes that look promising are looked up in a table of known forms and, only if they are not in it, shown to SymPy (``cones``,
``sympy_pass``). Levels:

``"safe"``   nothing that loses accuracy or changes where NaN and inf appear; rewrites that only come closer to the exact value are done
``"fast"``   real-number algebra
``False``    only what the derivative left behind is removed
"""

from __future__ import annotations

from codegen.report import Report
from tracer.graph.graph import Graph

from .cones import simplify_cones
from .cost import total_cost
from .driver import Rewriter
from .levels import LEVELS, index_of
from .pattern import Rule

OPTIONS = ("safe", "fast", False)


def simplify(graph: Graph, level: str | bool = "safe", report: Report | None = None) -> Graph:
    """The graph in a cheaper form; inputs, outputs and their names stay.

    ``level`` is ``"safe"``, ``"fast"`` or ``False``; ``report`` is filled with what was done. Raises ValueError for another level.
    The same graph gives the same result in every process.
    """
    if level not in OPTIONS:
        raise ValueError(f'simplify={level!r} is not a level; use "safe", "fast" or False')
    report = Report() if report is None else report
    simplified = rewrite(graph, level, report)
    if level:
        simplified = simplify_cones(simplified, level, index_of(level), report)
    report.nodes_before, report.cost_before = len(graph.nodes), total_cost(graph.nodes)
    report.nodes_after, report.cost_after = len(simplified.nodes), total_cost(simplified.nodes)
    return simplified


def rewrite(graph: Graph, level: str | bool = "exact", report: Report | None = None) -> Graph:
    """The graph after one pass of a table of ``levels`` and without SymPy.

    After the expansion of operations, ``"exact"`` joins what the expansions of a value and of its derivative have in common: the one exponential of
    a logistic loss and its gradient.
    """
    return Rewriter(index_of(level), Report() if report is None else report, graph.name, fold=bool(level)).rebuild(graph)


__all__ = ["LEVELS", "OPTIONS", "Report", "Rule", "rewrite", "simplify"]
