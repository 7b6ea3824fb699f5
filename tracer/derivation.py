"""Derivatives that are asked for but not made yet.

What a sweep will give has known types, so that a trace can go on with *stand-ins*: nodes that say which derivative of what they stand for. The
graph with its stand-ins is the request; where the answer to it is in the cache, no sweep runs at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .graph.node import DERIVATIVE, Node
from .graph.types import ArrayType
from .trace.session import Session
from .trace.value import Traced


class Deferred(NamedTuple):
    """A sweep to come, and the nodes that stand for what it gives."""

    stand_ins: tuple[Node, ...]
    sweep: Callable[[], Sequence[Traced]]


def derived(session: Session, is_inner: bool, request: tuple, operands: Sequence[Traced], types: Sequence[ArrayType],
            sweep: Callable[[], Sequence[Traced]]) -> list[Traced]:
    """What ``sweep`` gives, or stand-ins of these types for it.

    ``request`` and ``operands`` say all that the sweep depends on. The derivatives of a function that is called inside another trace are
    made at once, for they are differentiated in turn.
    """
    if is_inner:
        with session.timed("derive"):
            return list(sweep())
    nodes = tuple([operand.node for operand in operands])
    stand_ins = tuple([session.trace.builder.node(DERIVATIVE, nodes, (type, *request, k)) for k, type in enumerate(types)])
    session.deferred.append(Deferred(stand_ins, sweep))
    return [Traced(node, session.trace) for node in stand_ins]


def expanded(session: Session) -> dict[Node, Node]:
    """Run what was deferred: the node that each stand-in stands for."""
    made: dict[Node, Node] = {}
    with session.timed("derive"):
        for stand_ins, sweep in session.deferred:
            for stand_in, value in zip(stand_ins, sweep(), strict=True):
                assert value.node.type is stand_in.type, (value.node, stand_in)
                made[stand_in] = value.node
    session.deferred.clear()  # sweeps refer to the session: in a circle, every node of the trace would outlive it until the collector runs
    return made
