"""The first iteration of a loop, which often reads other things than later ones: elements of arguments, numbers, what another loop has left.

Where that is what goes from one iteration to the next, it is no reason to leave the iteration out: it is what stands in front of the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..graph.node import CONSTANT, Node
from .ragged import Ragged
from .runs import Run
from .stream import Stream, is_element, ordered_operands, split


class Front(NamedTuple):
    """What stands in front of a loop, by leaf in the place of its value; which operations of the first iteration have their operands the other way round."""

    values: dict[int, Node]
    turned: set[int]


def unpeeled(stream: Stream, runs: list[Run], ragged: list[Ragged]) -> tuple[list[Run], list[Front]]:
    """The runs with the iteration in front of them where that is one; for each run what stands in front."""
    found, fronts = [], []
    stops = [each.stop for each in (*runs, *ragged)]
    for run in runs:
        is_there = run.start - run.period >= max((stop for stop in stops if stop <= run.start), default=0)
        front = _Zeroth(stream, run).found() if is_there else None
        found.append(run if front is None else Run(run.start - run.period, run.period, run.count + 1))
        fronts.append(front or Front({}, set()))
    return found, fronts


class _Zeroth:
    """The operations in front of a run, beside those of its first two iterations."""

    def __init__(self, stream: Stream, run: Run):
        self.stream, self.run = stream, run
        self.start = run.start - run.period
        self.values: dict[int, Node] = {}       # leaf -> what is read where later iterations read its last value
        self.turned: set[int] = set()

    def found(self) -> Front | None:
        """What stands in front; None where these operations are no iteration."""
        for leaf in range(self.run.period):
            nodes = [self.stream.nodes[self.start + leaf + k * self.run.period] for k in range(3)]
            zeroth, first = nodes[:2]
            if (zeroth.op, zeroth.attrs, zeroth.type) != (first.op, first.attrs, first.type) or len(zeroth.inputs) != len(first.inputs):
                return None
            if not self._fits(leaf, *map(ordered_operands, nodes)):
                return None
        return Front(self.values, self.turned)

    def _fits(self, leaf: int, zeroth: Sequence[Node], first: Sequence[Node], second: Sequence[Node]) -> bool:
        before = dict(self.values)
        if all(self._is_before(*each) for each in zip(zeroth, first, second)):
            return True
        if not self.stream.nodes[self.start + leaf].op.commutative:
            return False
        self.values = before
        self.turned.add(leaf)
        return all(self._is_before(*each) for each in zip(zeroth[::-1], first, second))

    def _is_before(self, zeroth: Node, first: Node, second: Node) -> bool:
        """Is the operand what it would be one iteration earlier?"""
        if zeroth.type is not first.type:
            return False
        if first.op is CONSTANT:
            return zeroth.op is CONSTANT
        tokens = [self.stream.token_of(each) for each in (zeroth, first, second)]
        if tokens[1] is not None:
            return self._is_value_before(zeroth, *tokens)
        if first is second or not is_element(first):
            return zeroth is first and first is second
        if not is_element(zeroth) or zeroth.inputs[0] is not first.inputs[0] or second.inputs[0] is not first.inputs[0]:
            return False
        (a, rest), (b, same), (c, _) = map(split, (zeroth, first, second))
        return rest == same and b - a == c - b and sum(x != y for x, y in zip(zeroth.attrs[0], first.attrs[0])) == sum(
            x != y for x, y in zip(first.attrs[0], second.attrs[0]))

    def _is_value_before(self, node: Node, zeroth: int | None, first: int, second: int) -> bool:
        run, step = self.run, second - first
        if step == run.period and first >= run.start:
            return zeroth == first - step
        if step == run.period and self.start <= first:
            is_earlier = zeroth is None or zeroth < self.start
            return is_earlier and node.type is self.stream.nodes[first].type and self.values.setdefault(first - self.start, node) is node
        return zeroth == first - step and max(zeroth, zeroth + step * run.count) < self.start


__all__ = ["Front", "unpeeled"]
