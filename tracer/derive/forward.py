"""Forward mode: tangents beside primals, in one sweep from the inputs to the outputs."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.graph import live_nodes
from ..graph.node import Node, loop_of
from ..graph.op import JOINTLY, LINEAR, NOT_DIFFERENTIABLE, ZERO
from ..ops import TABLE
from ..trace.value import Traced, make
from .branch import push_through_arms
from .loop import push_through
from .rules import factor, refuse_derivative, times, zeros
from .walk import push_through_walk
from .while_loop import push_through_unwind, push_through_while

WHERE, BROADCAST = TABLE["where"], TABLE["broadcast_to"]
_THROUGH = {TABLE["loop"]: push_through, TABLE["branch"]: push_through_arms, TABLE["walk"]: push_through_walk, TABLE["while"]: push_through_while,
            TABLE["unwind"]: push_through_unwind}


def tangents(trace, outputs: Sequence[Traced], wrt: Sequence[Traced], directions: Sequence[Traced]) -> list[Traced]:
    """The Jacobian-vector product: tangents of the outputs for the tangents ``directions`` of ``wrt``."""
    known: dict[Node, Traced] = {value.node: tangent for value, tangent in zip(wrt, directions)}
    outside = trace.location
    loops: dict[tuple, dict[int, Traced]] = {}
    # Tangents that have passed through a select are products with strong zeros, as cotangents are in reverse.
    for node in live_nodes([output.node for output in outputs]):
        if node not in known and node.type.is_float and not known.keys().isdisjoint(node.inputs):
            trace.location = node.where
            tangent = _loop_tangent(trace, node, known, loops) if node.op.jvp is JOINTLY else _tangent(trace, node, known)
            if tangent is not None:
                known[node] = tangent
    trace.location = outside
    return [known[output.node] if output.node in known else zeros(trace, output.node.type) for output in outputs]


def _tangent(trace, node: Node, known: dict[Node, Traced]) -> Traced | None:
    op = node.op
    if op is WHERE:
        condition, *arms = node.inputs
        sides = [known[arm] if arm in known else zeros(trace, arm.type) for arm in arms]
        return None if not any(arm in known for arm in arms) else make(WHERE, (Traced(condition, trace), *sides))
    inputs = tuple([Traced(operand, trace) for operand in node.inputs])
    out = Traced(node, trace)
    if op.kind == "elementwise":
        return _elementwise_tangent(node, inputs, out, known)
    if op.jvp is ZERO:
        return None
    if op.jvp is NOT_DIFFERENTIABLE:
        raise refuse_derivative(node)
    given = tuple([known.get(operand) for operand in node.inputs])
    if op.jvp is LINEAR:
        filled = tuple([t if t is not None else zeros(trace, o.type) for t, o in zip(given, node.inputs)])
        return make(op, filled, node.attrs)
    return op.jvp(given, inputs, out, node.attrs)


def _loop_tangent(trace, node: Node, known: dict[Node, Traced], loops: dict[tuple, dict[int, Traced]]) -> Traced:
    """The outputs of one loop have their tangents from one loop."""
    key = loop_of(node)
    if key not in loops:
        loops[key] = _THROUGH[node.op](trace, node, [known.get(operand) for operand in node.inputs], tangents)
    return loops[key][node.attrs[-1]]


def _elementwise_tangent(node: Node, inputs, out: Traced, known: dict[Node, Traced]) -> Traced | None:
    total = None
    for position, operand in enumerate(node.inputs):
        if operand in known:
            by = factor(node, position, inputs, out)
            if by is not ZERO:
                product = times(known[operand], by, strong=False)
                if product.dtype != out.dtype:
                    product = product.astype(out.dtype)
                total = product if total is None else total + product
    if total is not None and total.shape != out.shape:
        total = make(BROADCAST, (total,), (out.shape,))
    return total
