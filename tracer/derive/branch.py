"""Derivatives of branches: another branch each, whose arms compute what they need of the value once more, so that the other arm costs nothing here either."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..graph.graph import Graph
from ..graph.node import Node
from ..ops import TABLE
from ..trace.context import Trace
from ..trace.value import Traced, make
from .loop import Inner

BRANCH = TABLE["branch"]


def pull_through_arms(trace: Trace, node: Node, cotangents: dict[int, Traced], wanted: Sequence[bool], pullback: Callable) -> list[Traced | None]:
    """The cotangents of a branch's operands, for those of its outputs by their number; ``wanted`` and ``pullback`` as for loops."""
    targets = [k for k, is_wanted in enumerate(wanted[1:]) if is_wanted]

    def backward(arm: Graph) -> Graph:
        inner = Inner(trace)
        seeds = inner.inputs([arm.outputs[which].type for which in cotangents])
        given = inner.inputs([each.type for each in arm.inputs])
        new = inner.copied(arm, given)
        slopes = pullback(inner.trace, [new[arm.outputs[which]] for which in cotangents], [given[k] for k in targets], seeds)
        return inner.graph([*seeds, *given], slopes, trace.name)
    made = _branch(trace, node, backward, list(cotangents.values()), len(targets))
    found: list[Traced | None] = [None] * len(wanted)
    for k, each in zip(targets, made):
        found[k + 1] = each
    return found


def push_through_arms(trace: Trace, node: Node, given: Sequence[Traced | None], push: Callable) -> dict[int, Traced]:
    """The tangents of all float outputs of a branch, by their number, for the tangents of its operands."""
    moving = [k for k, tangent in enumerate(given[1:]) if tangent is not None]
    numbers = [k for k, each in enumerate(node.attrs[0].outputs) if each.type.is_float]

    def forward(arm: Graph) -> Graph:
        inner = Inner(trace)
        directions = inner.inputs([arm.inputs[k].type for k in moving])
        values = inner.inputs([each.type for each in arm.inputs])
        new = inner.copied(arm, values)
        tangents = push(inner.trace, [new[arm.outputs[which]] for which in numbers], [values[k] for k in moving], directions)
        return inner.graph([*directions, *values], tangents, trace.name)
    return dict(zip(numbers, _branch(trace, node, forward, [given[k + 1] for k in moving], len(numbers))))


def _branch(trace: Trace, node: Node, derived: Callable[[Graph], Graph], more: list[Traced], count: int) -> list[Traced]:
    arms = tuple([derived(arm) for arm in node.attrs[:2]])
    condition, *operands = [Traced(operand, trace) for operand in node.inputs]
    return [make(BRANCH, (condition, *more, *operands), (*arms, which)) for which in range(count)]


__all__ = ["pull_through_arms", "push_through_arms"]
