"""Loops whose number of iterations is known when they run: a body that is evaluated while the first of its outputs is true.

``while``   operands: the bool that says whether there is a first iteration, the states in front of it, then values that every iteration sees whole.
            Attributes: ``(body, which)``. ``body`` is a Graph of the states and the whole values; its outputs are whether there is another iteration,
            and the new states. The value is output ``which`` after the last iteration, what stood in front where there was none.
``unwind``  the way back through such a loop, from the last iteration to the first: its pullback. Operands: those of the loop, then cotangents of
            some states behind it. Attributes: ``(body, backward, carried, totals, which)``. ``backward`` is a Graph of the cotangents of the ``carried``
            states, the totals, then the states and whole values of an iteration; its outputs are the new cotangents and totals. ``totals`` says of which
            whole values the cotangents are added up, beginning with zero. Outputs are counted from the cotangents of the states on.

As with other loops, each output that is needed is a node of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..graph.evaluate import evaluate
from ..graph.graph import Graph
from ..graph.op import JOINTLY, STRUCTURAL, Op
from ..graph.types import ArrayType


def states_of(body: Graph) -> int:
    """How many states a body has."""
    return len(body.outputs) - 1


def float_states(body: Graph) -> list[int]:
    """Those that can carry a tangent or cotangent."""
    return [k for k, node in enumerate(body.outputs[1:]) if node.type.is_float]


def _made(types, attrs) -> ArrayType:
    body, which = attrs
    assert types[0].shape == () and types[0].is_bool and body.outputs[0].type is types[0], (types, attrs)
    assert [node.type for node in body.inputs] == list(types[1:]), (types, attrs)
    assert [node.type for node in body.outputs[1:]] == list(types[1:1 + states_of(body)]), (types, attrs)
    return body.outputs[which].type


def _rounds(body: Graph, going, values: list, wholes) -> Iterator[list]:
    """What the states are in front of each iteration; behind the last, ``values`` holds what they are then."""
    while going:
        yield list(values)
        going, *values[:] = evaluate(body, *values, *wholes)


def _run(going, *operands_and_attrs):
    *operands, body, which = operands_and_attrs
    values = list(operands[:states_of(body)])
    for _ in _rounds(body, going, values, operands[states_of(body):]):
        pass
    return np.bool_(False) if which == 0 else values[which - 1]


def _unwound(types, attrs) -> ArrayType:
    body, backward, carried, totals, which = attrs
    inner = [node.type for node in body.inputs]
    assert list(types[1:]) == [*inner, *[inner[k] for k in carried]], (types, attrs)
    summed = [inner[states_of(body) + k] for k in totals]
    assert [node.type for node in backward.inputs] == [*types[1 + len(inner):], *summed, *inner], attrs
    assert [node.type for node in backward.outputs] == [*types[1 + len(inner):], *summed], attrs
    return backward.outputs[which].type


def _run_back(going, *operands_and_attrs):
    *operands, body, backward, _, totals, which = operands_and_attrs
    states, inner = states_of(body), len(body.inputs)
    wholes = operands[states:inner]
    rounds = list(_rounds(body, going, list(operands[:states]), wholes))
    carried = [*operands[inner:], *[np.zeros_like(wholes[k]) for k in totals]]
    for values in reversed(rounds):
        carried = evaluate(backward, *carried, *values, *wholes)
    return carried[which]


WHILE = Op(name="while", kind="loop", infer=_made, evaluate=_run, vjp=JOINTLY, jvp=JOINTLY, lower=STRUCTURAL, source=STRUCTURAL,
           grad_fn="WhileBackward0", domain=None)
UNWIND = Op(name="unwind", kind="loop", infer=_unwound, evaluate=_run_back, vjp=JOINTLY, jvp=JOINTLY, lower=STRUCTURAL, source=STRUCTURAL,
            grad_fn="UnwindBackward0", domain=None)
