"""Derivatives of loops without a fixed number of iterations, of any order.

The tangents of a ``while`` run beside it, as further states. Its pullback is the ``unwind`` of its body. The pullback of a loop that carries tangents
contains the second derivatives, so an ``unwind`` is differentiated without a rule of its own: forward, it is the unwind of the loop with tangents;
in reverse, so is the part that goes to the states, and the tangents themselves are the part that goes to the cotangents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..graph.graph import Graph, live_nodes
from ..graph.node import Node
from ..ops import TABLE
from ..ops.while_loop import float_states, states_of
from ..trace.context import Trace
from ..trace.value import Traced, make
from .loop import Inner
from .rules import zeros

WHILE, UNWIND, ADD = (TABLE[name] for name in ("while", "unwind", "add"))


@dataclass(eq=False)
class Run:
    """A body and what it is run on."""

    body: Graph
    going: Traced
    states: Sequence[Traced]
    wholes: Sequence[Traced]

    @property
    def floats(self) -> list[int]:
        """The states that can carry a tangent or cotangent."""
        return float_states(self.body)

    def operands(self) -> tuple[Traced, ...]:
        return (self.going, *self.states, *self.wholes)

    def final(self, state: int) -> Traced:
        """What a state is behind the loop."""
        return make(WHILE, self.operands(), (self.body, 1 + state))


def run_of(trace: Trace, node: Node) -> Run:
    """What a ``while`` or ``unwind`` runs."""
    body = node.attrs[0]
    going, *inner = [Traced(operand, trace) for operand in node.inputs[:1 + len(body.inputs)]]
    return Run(body, going, inner[:states_of(body)], inner[states_of(body):])


# Backward ---------------------------------------------------------------------------------------------------------------

def unwound(run: Run, seeds: dict[int, Traced], totals: Sequence[int], pullback: Callable) -> tuple[dict[int, Traced], dict[int, Traced]]:
    """The cotangents of what states were in front, and of some whole values, by their numbers, for those of states behind the loop."""
    trace, body = run.going.owner, run.body
    inner, states, carried = Inner(trace), states_of(run.body), _reached(run, seeds)
    cotangents = inner.inputs([body.inputs[k].type for k in carried])
    sums = inner.inputs([body.inputs[states + k].type for k in totals])
    given = inner.inputs([each.type for each in body.inputs])
    new = inner.copied(body, given)
    targets = [given[k] for k in (*carried, *[states + k for k in totals])]
    slopes = pullback(inner.trace, [new[body.outputs[1 + k]] for k in carried], targets, cotangents)
    slopes[len(carried):] = [make(ADD, pair) for pair in zip(sums, slopes[len(carried):])]
    backward = inner.graph([*cotangents, *sums, *given], slopes, body.name)
    operands = (*run.operands(), *[seeds[k] if k in seeds else zeros(trace, run.states[k].type) for k in carried])
    made = [make(UNWIND, operands, (body, backward, tuple(carried), tuple(totals), which)) for which in range(len(slopes))]
    return dict(zip(carried, made)), dict(zip(totals, made[len(carried):]))


def _reached(run: Run, seeds: dict[int, Traced]) -> list[int]:
    """The states that a cotangent behind the loop comes to."""
    floats, found = set(run.floats), set(seeds)
    while True:
        live = set(live_nodes([run.body.outputs[1 + k] for k in found]))
        more = {k for k in floats if run.body.inputs[k] in live} - found
        if not more:
            return sorted(found)
        found |= more


def _by_operand(run: Run, wanted: Sequence[bool], before: dict[int, Traced], totals: dict[int, Traced]) -> list[Traced | None]:
    states = len(run.states)
    found: list[Traced | None] = [None] * len(wanted)
    for k, value in before.items():
        found[1 + k] = value if wanted[1 + k] else None
    for k, value in totals.items():
        found[1 + states + k] = value
    return found


def _wanted_wholes(run: Run, wanted: Sequence[bool]) -> list[int]:
    first = 1 + len(run.states)
    return [k for k in range(len(run.wholes)) if wanted[first + k]]


def pull_through_while(trace: Trace, node: Node, cotangents: dict[int, Traced], wanted: Sequence[bool], pullback: Callable, _push) -> list[Traced | None]:
    """The cotangents of the operands of a ``while``, for those of its outputs by their number; ``pullback`` as for other loops."""
    run = run_of(trace, node)
    return _by_operand(run, wanted, *unwound(run, {which - 1: each for which, each in cotangents.items()}, _wanted_wholes(run, wanted), pullback))


def pull_through_unwind(trace: Trace, node: Node, cotangents: dict[int, Traced], wanted: Sequence[bool], pullback: Callable, push: Callable,
                        ) -> list[Traced | None]:
    """The cotangents of the operands of an ``unwind``; what comes to its outputs is a direction for the operands of the loop."""
    run, (carried, totals), first = run_of(trace, node), node.attrs[2:4], len(node.attrs[2])
    seeds = [Traced(each, trace) for each in node.inputs[len(node.inputs) - first:]]
    directions = {k: cotangents[position] for position, k in enumerate(carried) if position in cotangents}
    whole_directions = {k: cotangents[first + position] for position, k in enumerate(totals) if first + position in cotangents}
    beside = with_tangents(run, directions, whole_directions, push)
    tangent_of = {k: len(run.states) + position for position, k in enumerate(run.floats)}
    before, sums = unwound(beside, {tangent_of[k]: seed for k, seed in zip(carried, seeds)}, _wanted_wholes(run, wanted), pullback)
    found = _by_operand(run, wanted[:len(wanted) - first], {k: before[k] for k in run.floats if k in before}, sums)
    return [*found, *[beside.final(tangent_of[k]) if is_wanted else None for k, is_wanted in zip(carried, wanted[len(wanted) - first:])]]


# Forward ----------------------------------------------------------------------------------------------------------------

def with_tangents(run: Run, tangents: dict[int, Traced], whole_tangents: dict[int, Traced], push: Callable) -> Run:
    """The loop that carries the tangents of its float states behind the states; those of whole values stand behind these."""
    trace, body, floats = run.going.owner, run.body, run.floats
    inner, states, moving = Inner(trace), states_of(run.body), list(whole_tangents)
    values = inner.inputs([each.type for each in body.inputs[:states]])
    directions = inner.inputs([body.inputs[k].type for k in floats])
    wholes = inner.inputs([each.type for each in body.inputs[states:]])
    whole_directions = inner.inputs([body.inputs[states + k].type for k in moving])
    new = inner.copied(body, [*values, *wholes])
    made = push(inner.trace, [new[body.outputs[1 + k]] for k in floats], [*[values[k] for k in floats], *[wholes[k] for k in moving]],
                [*directions, *whole_directions])
    graph = inner.graph([*values, *directions, *wholes, *whole_directions], [*[new[each] for each in body.outputs], *made], body.name)
    given = [tangents[k] if k in tangents else zeros(trace, run.states[k].type) for k in floats]
    return Run(graph, run.going, [*run.states, *given], [*run.wholes, *whole_tangents.values()])


def push_through_while(trace: Trace, node: Node, given: Sequence[Traced | None], push: Callable) -> dict[int, Traced]:
    """The tangents of the float outputs of a ``while``, by their number, for those of its operands."""
    run = run_of(trace, node)
    beside = _pushed(run, given, push)
    return {1 + k: beside.final(len(run.states) + position) for position, k in enumerate(run.floats)}


def _pushed(run: Run, given: Sequence[Traced | None], push: Callable) -> Run:
    states = len(run.states)
    tangents = {k: given[1 + k] for k in run.floats if given[1 + k] is not None}
    whole_tangents = {k: given[1 + states + k] for k in range(len(run.wholes)) if given[1 + states + k] is not None}
    return with_tangents(run, tangents, whole_tangents, push)


def push_through_unwind(trace: Trace, node: Node, given: Sequence[Traced | None], push: Callable) -> dict[int, Traced]:
    """The tangents of all outputs of an ``unwind``: those of its backward graph run beside it, on the way back through the loop with tangents."""
    run, (_, backward, carried, totals, _) = run_of(trace, node), node.attrs
    beside, count, first = _pushed(run, given, push), len(backward.outputs), len(carried)
    states, floats, moving = len(run.states), len(run.floats), len(beside.wholes) - len(run.wholes)
    inner = Inner(trace)
    # The loop with tangents carries two cotangents for each: that of the state, whose change this is, and that of its tangent, which is the one here.
    changes = inner.inputs([each.type for each in backward.inputs[:first]])
    cotangents = inner.inputs([each.type for each in backward.inputs[:first]])
    sums = inner.inputs([each.type for each in backward.inputs[first:count]])
    values = inner.inputs([each.type for each in beside.body.inputs])
    primals, directions = values[:states], values[states:states + floats]
    wholes, whole_directions = values[states + floats:len(values) - moving], values[len(values) - moving:]
    new = inner.copied(backward, [*cotangents, *[zeros(inner.trace, each.type) for each in sums], *primals, *wholes])
    moved = [k for k in range(len(run.wholes)) if given[1 + states + k] is not None]
    made = push(inner.trace, [new[each] for each in backward.outputs], [*cotangents, *[primals[k] for k in run.floats], *[wholes[k] for k in moved]],
                [*changes, *directions, *whole_directions])
    added = [make(ADD, pair) for pair in zip(sums, made[first:])]
    outputs = [*made[:first], *[new[each] for each in backward.outputs[:first]], *added]
    graph = inner.graph([*changes, *cotangents, *sums, *values], outputs, backward.name)
    seeds = [Traced(each, trace) for each in node.inputs[len(node.inputs) - first:]]
    moves = [zeros(trace, seed.type) if each is None else each for seed, each in zip(seeds, given[len(given) - first:])]
    of_tangents = [states + run.floats.index(k) for k in carried]
    attrs = (beside.body, graph, (*carried, *of_tangents), tuple(totals))
    return {which: make(UNWIND, (*beside.operands(), *moves, *seeds), (*attrs, place))
            for which, place in enumerate([*range(first), *range(2 * first, 2 * first + len(totals))])}


__all__ = ["pull_through_unwind", "pull_through_while", "push_through_unwind", "push_through_while"]
