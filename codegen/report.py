"""What simplification did to one graph, for ``explain()``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Report:
    """Counts of one run of :func:`codegen.simplify.simplify`.

    rewrites                   name of a rule -> how often it was applied
    nodes_before, nodes_after  live nodes
    cost_before, cost_after    estimated work of an evaluation, in additions (see ``cost``)
    cones, cones_known         cones worth a look; those of them whose answer was known already
    sympy_calls                cones that SymPy was asked about
    unasked                    cones left as they are because the budget was spent
    exhausted                  nodes whose rewriting was stopped by its bound
    """

    rewrites: Counter = field(default_factory=Counter)
    nodes_before: int = 0
    nodes_after: int = 0
    cost_before: int = 0
    cost_after: int = 0
    cones: int = 0
    cones_known: int = 0
    sympy_calls: int = 0
    unasked: int = 0
    exhausted: int = 0

    def count(self, name: str) -> None:
        self.rewrites[name] += 1

    def lines(self) -> list[str]:
        """Readable text, the most frequent rewrite first."""
        result = [f"nodes {self.nodes_before} -> {self.nodes_after}, cost {self.cost_before} -> {self.cost_after}"]
        if self.cones:
            result.append(f"cones {self.cones}: {self.cones_known} known, {self.sympy_calls} asked of SymPy, {self.unasked} over the budget")
        ordered = sorted(self.rewrites.items(), key=lambda item: (-item[1], item[0]))
        return result + [f"{count:6} x  {name}" for name, count in ordered]

    def __str__(self) -> str:
        return "\n".join(self.lines())
