"""Reverse mode: one backward sweep over the live nodes.

Cotangents are nodes of the same builder, so value and gradient share everything, and a gradient can be swept again.

A cotangent that has passed through a select is *guarded*: in the arm that was not taken it is exactly zero, and its products
are strong-zero (0 * inf = 0), so that what the other arm would have computed never turns into a NaN. Everywhere else IEEE rules hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import DerivativeError
from ..graph.node import Node, loop_of
from ..graph.op import JOINTLY, NOT_DIFFERENTIABLE, ZERO
from ..ops import TABLE
from ..ops.while_loop import states_of
from ..trace.value import Traced, constant, make
from .branch import pull_through_arms
from .forward import tangents
from .loop import last_row_of, pull_through
from .rules import factor, refuse_derivative, sum_to, times, zeros
from .walk import pull_through_walk
from .while_loop import pull_through_unwind, pull_through_while

WHERE, ASSEMBLE, ADD, BROADCAST, BRANCH = (TABLE[name] for name in ("where", "assemble", "add", "broadcast_to", "branch"))
_TURNING = TABLE["while"], TABLE["unwind"]


@dataclass(slots=True)
class Cotangent:
    """What has reached a node so far: dense contributions, pieces of index reads, and if a select was on the way."""

    dense: Traced | None = None
    pieces: list[tuple[Node, tuple]] = field(default_factory=list)
    guarded: bool = False


def gradients(trace, output: Traced, wrt: Sequence[Traced], seed: Traced | None = None) -> list[Traced]:
    """The cotangents of ``wrt`` (nodes that the output may depend on), for cotangent ``seed`` of the output (default 1).

    Where the output does not depend on one, its gradient is a zero of its shape.
    """
    if seed is None:
        seed = constant(trace, 1, output.dtype)
        if output.shape:
            seed = make(BROADCAST, (seed,), (output.shape,))
    return pullback(trace, [output], wrt, [seed])


def pullback(trace, outputs: Sequence[Traced], wrt: Sequence[Traced], seeds: Sequence[Traced | None], guarded: bool = False) -> list[Traced]:
    """The vector-Jacobian product: cotangents of ``wrt`` for the cotangents ``seeds`` of several outputs; ``guarded``: have these passed a select?"""
    nodes = trace.builder.live([output.node for output in outputs])
    targets = {value.node for value in wrt}
    on_the_way = _between(nodes, targets)
    cotangents: dict[Node, Cotangent] = {}
    for output, seed in zip(outputs, seeds):
        if seed is not None and output.node in on_the_way:
            _add(cotangents, output.node, seed, guarded)
    outside = trace.location
    loops = _loops(node for node in nodes if node in on_the_way and node not in targets)
    for node in reversed(nodes):
        if node.op.vjp is JOINTLY:
            siblings = loops.get(loop_of(node), ())
            if node in siblings[:1]:
                trace.location = node.where
                _push_loop(trace, [each for each in siblings if each in cotangents], cotangents, on_the_way)
        elif node in cotangents and node in on_the_way and node not in targets:
            trace.location = node.where
            _push(trace, node, cotangents, on_the_way)
    trace.location = outside
    return [_collected(trace, cotangents.get(value.node), value.node) for value in wrt]


def _between(nodes: list[Node], targets: set[Node]) -> set[Node]:
    """The targets and all nodes that depend on one and can carry a gradient."""
    found = set(targets)
    for node in nodes:
        if node.type.is_float and not found.isdisjoint(node.inputs):
            found.add(node)
    return found


def _loops(nodes) -> dict[tuple, list[Node]]:
    """The outputs of each loop, in the order of their creation."""
    found: dict[tuple, list[Node]] = {}
    for node in nodes:
        if node.op.vjp is JOINTLY:
            found.setdefault(loop_of(node), []).append(node)
    return found


def _push_loop(trace, outputs: list[Node], cotangents: dict[Node, Cotangent], on_the_way: set[Node]) -> None:
    """Give the cotangents of all outputs of a loop on to its operands: when the first of them is reached, whatever uses any of them has been."""
    if not outputs:
        return
    node, guarded = outputs[0], any(cotangents[each].guarded for each in outputs)
    wanted = [operand in on_the_way for operand in node.inputs]

    def sweep(*arguments):
        return pullback(*arguments, guarded)
    results = _THROUGH[node.op](trace, outputs, cotangents, wanted, sweep)
    # What an arm that is not taken, or a loop that does not turn, was given has a cotangent of zero, as behind a select.
    always = 1 + states_of(node.attrs[0]) if node.op in _TURNING else 0 if node.op is BRANCH else len(results)
    for position, (operand, result) in enumerate(zip(node.inputs, results)):
        if result is not None:
            _add(cotangents, operand, result, guarded or position >= always)


def _through_arms(trace, outputs: list[Node], cotangents: dict[Node, Cotangent], wanted: list[bool], sweep) -> list[Traced | None]:
    return pull_through_arms(trace, outputs[0], {each.attrs[-1]: _dense(trace, cotangents[each], each) for each in outputs}, wanted, sweep)


def _through_loop(trace, outputs: list[Node], cotangents: dict[Node, Cotangent], wanted: list[bool], sweep) -> list[Traced | None]:
    node = outputs[0]
    carried = {state for state, lag in node.attrs[4] if lag == 1}
    arrived = {}
    for each in outputs:
        entry, last = cotangents[each], None
        if each.attrs[-1] in carried:
            at_end = [Traced(piece, trace) for piece, spec in entry.pieces if last_row_of(each, spec)]
            entry.pieces = [(piece, spec) for piece, spec in entry.pieces if not last_row_of(each, spec)]
            for piece in at_end:
                last = piece if last is None else make(ADD, (last, piece))
        arrived[each.attrs[-1]] = _dense(trace, entry, each), last
    return pull_through(trace, node, arrived, wanted, sweep)


def _through_walk(trace, outputs: list[Node], cotangents: dict[Node, Cotangent], wanted: list[bool], sweep) -> list[Traced | None]:
    node, = outputs
    entry = cotangents[node]
    return pull_through_walk(trace, node, _dense(trace, entry, node), wanted, entry.guarded, pullback)


def _through_while(trace, outputs: list[Node], cotangents: dict[Node, Cotangent], wanted: list[bool], sweep) -> list[Traced | None]:
    through = pull_through_while if outputs[0].op is TABLE["while"] else pull_through_unwind
    return through(trace, outputs[0], {each.attrs[-1]: _dense(trace, cotangents[each], each) for each in outputs}, wanted, sweep, tangents)


_THROUGH = {TABLE["loop"]: _through_loop, TABLE["branch"]: _through_arms, TABLE["walk"]: _through_walk, TABLE["while"]: _through_while,
            TABLE["unwind"]: _through_while}


def _push(trace, node: Node, cotangents: dict[Node, Cotangent], on_the_way: set[Node]) -> None:
    """Give a node's cotangent on to its operands."""
    entry = cotangents[node]
    cotangent = _dense(trace, entry, node)
    op = node.op
    if op is WHERE:
        _push_select(trace, node, cotangent, cotangents, on_the_way)
    elif op.kind == "elementwise":
        _push_elementwise(trace, node, cotangent, entry.guarded, cotangents, on_the_way)
    elif op is TABLE["index"]:
        operand = node.inputs[0]
        if operand in on_the_way:
            target = cotangents.setdefault(operand, Cotangent())
            target.pieces.append((cotangent.node, node.attrs[0]))
            target.guarded |= entry.guarded
    else:
        _push_structured(trace, node, cotangent, entry.guarded, cotangents, on_the_way)


def _push_select(trace, node, cotangent, cotangents, on_the_way) -> None:
    condition, *arms = node.inputs
    zero = constant(trace, 0, node.type.dtype)
    for position, arm in enumerate(arms):
        if arm in on_the_way:
            sides = (cotangent, zero) if position == 0 else (zero, cotangent)
            passed = make(WHERE, (Traced(condition, trace), *sides))
            _add(cotangents, arm, sum_to(passed, arm.type.shape), guarded=True)


def _push_elementwise(trace, node, cotangent, guarded, cotangents, on_the_way) -> None:
    inputs = tuple([Traced(operand, trace) for operand in node.inputs])
    out = Traced(node, trace)
    for position, operand in enumerate(node.inputs):
        if operand in on_the_way:
            by = factor(node, position, inputs, out)
            if by is not ZERO:
                product = times(cotangent, by, guarded)
                if product.node.type is not operand.type:
                    product = sum_to(product if product.dtype == operand.type.dtype else product.astype(operand.type.dtype), operand.type.shape)
                _add(cotangents, operand, product, guarded)


def _push_structured(trace, node, cotangent, guarded, cotangents, on_the_way) -> None:
    if node.op.vjp is ZERO:
        return
    if node.op.vjp is NOT_DIFFERENTIABLE:
        raise refuse_derivative(node)
    inputs = tuple([Traced(operand, trace) for operand in node.inputs])
    results = node.op.vjp(cotangent, inputs, Traced(node, trace), node.attrs, lambda value, by: times(value, by, guarded))
    if len(results) != len(inputs):
        raise AssertionError(f"the vjp of {node.op.name} gives {len(results)} cotangents for {len(inputs)} inputs")
    for operand, result in zip(node.inputs, results):
        if result is not None and operand in on_the_way:
            if result.shape != operand.type.shape or result.dtype != operand.type.dtype:
                raise AssertionError(f"the vjp of {node.op.name} gives {result.node.type} for an input {operand.type}")
            _add(cotangents, operand, result, guarded)


def _add(cotangents: dict[Node, Cotangent], node: Node, value: Traced, guarded: bool) -> None:
    entry = cotangents.get(node)
    if entry is None:
        cotangents[node] = Cotangent(value, [], guarded)
        return
    entry.dense = value if entry.dense is None else make(ADD, (entry.dense, value))
    entry.guarded |= guarded


def _dense(trace, entry: Cotangent, node: Node) -> Traced:
    """All contributions in one value: the pieces of all index reads meet in one assemble node, never pad-and-add per read."""
    if entry.pieces:
        # Reads come back in reverse; in the order of the reads the assembly is regular for folding.
        pieces = entry.pieces[::-1]
        values = tuple([Traced(piece, trace) for piece, _ in pieces])
        assembled = make(ASSEMBLE, values, (node.type.shape, tuple([spec for _, spec in pieces])))
        entry.dense = assembled if entry.dense is None else make(ADD, (entry.dense, assembled))
        entry.pieces = []
    return entry.dense


def _collected(trace, entry: Cotangent | None, node: Node) -> Traced:
    if not node.type.is_float:
        raise DerivativeError(f"a gradient with respect to {node.type} was asked for; only floats have one")
    if entry is None:
        return zeros(trace, node.type)
    return _dense(trace, entry, node)
