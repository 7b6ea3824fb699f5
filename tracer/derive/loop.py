"""Derivatives of loops: another loop each, forward beside the first, backward against it.

A cotangent that goes through a state comes from a later iteration, so that what the backward loop carries is, for each read of a state, the cotangent
of what was read. Values of the forward loop come in as rows, from the trajectories of its states. Of a body of scalars, what does not depend on
the carried cotangents is taken out of the loop when it is put together (``rolling.bodies``), and runs in lanes. A body of arrays stays whole:
it is computed again backwards, and the cotangents of what all iterations see are added up on the way, so that nothing but the
trajectories of the states takes memory over all iterations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..graph.graph import Graph
from ..graph.node import Node
from ..ops import TABLE
from ..rolling.bodies import Body, all_of, joined, read_before, row_of, rows_of
from ..rolling.distribute import outputs_of
from ..rolling.unpack import is_small
from ..trace.context import Trace
from ..trace.value import Traced, constant, make

LOOP, ASSEMBLE, BROADCAST, ADD, SUM = (TABLE[name] for name in ("loop", "assemble", "broadcast_to", "add", "sum"))


class Parts:
    """A loop node's operands and attributes by their names."""

    def __init__(self, trace: Trace, node: Node):
        self.body, self.length, states, rows, self.reads, _ = node.attrs
        operands = [Traced(operand, trace) for operand in node.inputs]
        self.before, self.rows, self.wholes = operands[:states], operands[states:states + rows], operands[states + rows:]
        self.trace = trace
        self.node = node

    def made(self, which: int) -> Traced:
        """An output of the loop."""
        return Traced(self.trace.builder.node(LOOP, self.node.inputs, (*self.node.attrs[:-1], which), self.node.where), self.trace)

    def trajectory(self, state: int) -> Traced:
        """What stood in front of the loop and what a state was made."""
        return self.made(len(self.body.outputs) + state)

    def read_values(self) -> list[Traced]:
        """What each read of a state sees, over all iterations."""
        if is_small(self.body):
            return [read_before(self.before[state], self.made(state), lag) for state, lag in self.reads]
        return [rows_of(self.trajectory(state), self.before[state].shape[0] - lag, self.length) for state, lag in self.reads]


class Inner:
    """A body that is being made of another: its inputs come first, reads of states before rows before wholes."""

    def __init__(self, trace: Trace):
        self.trace = Trace(trace.name)
        self.trace.location = trace.location
        self.count = 0

    def inputs(self, types) -> list[Traced]:
        found = [Traced(self.trace.builder.input(type, self.count + k), self.trace) for k, type in enumerate(types)]
        self.count += len(found)
        return found

    def copied(self, body: Graph, given: Sequence[Traced]) -> dict[Node, Traced]:
        """The nodes of a body on these inputs."""
        new = dict(zip(body.inputs, given))
        for node in body.nodes:
            if node not in new:
                made = self.trace.builder.node(node.op, tuple([new[o].node for o in node.inputs]), node.attrs, node.where)
                new[node] = Traced(made, self.trace)
        return new

    def graph(self, inputs: Sequence[Traced], outputs: Sequence[Traced], name: str) -> Graph:
        return Graph([each.node for each in inputs], [each.node for each in outputs], name=name)


def reversed_rows(array: Traced) -> Traced:
    """The rows from the last to the first."""
    return rows_of(array, array.shape[0] - 1, array.shape[0], -1)


# Backward ---------------------------------------------------------------------------------------------------------------

def pull_through(trace: Trace, node: Node, cotangents: dict[int, tuple[Traced | None, Traced | None]], wanted: Sequence[bool],
                 pullback: Callable) -> list[Traced | None]:
    """The cotangents of a loop's operands.

    ``cotangents``: by the number of the output, what came to all its rows and what came to the last row alone; ``wanted``: for which operands;
    ``pullback(trace, outputs, wrt, seeds)``: the reverse sweep.
    """
    parts = Parts(trace, node)
    in_front, cotangents = _taken_apart(parts, cotangents)
    inner = Inner(trace)
    body, states, rest = parts.body, len(parts.before), len(parts.reads)
    reads = [k for k, (state, _) in enumerate(parts.reads) if parts.before[state].node.type.is_float]
    others = [k for k in range(states, len(wanted)) if wanted[k]]
    summed = [] if is_small(body) else [k for k in others if k >= states + len(parts.rows)]
    others = summed + [k for k in others if k not in summed]
    carried = inner.inputs([body.inputs[k].type for k in reads])
    totals = inner.inputs([body.inputs[rest + k - states].type for k in summed])
    arriving = {which: dense for which, (dense, _) in cotangents.items() if dense is not None}
    arrived = inner.inputs([body.outputs[which].type for which in arriving])
    given = inner.inputs([each.type for each in body.inputs])
    new = inner.copied(body, given)
    seeds = _seeds(parts, reads, carried, dict(zip(arriving, arrived)))
    targets = [given[k] for k in reads] + [given[rest + k - states] for k in others]
    slopes = pullback(inner.trace, [new[body.outputs[which]] for which in seeds], targets, list(seeds.values()))
    first = len(reads)
    slopes[first:first + len(summed)] = [make(ADD, pair) for pair in zip(totals, slopes[first:])]
    backward = Body(inner.graph([*carried, *totals, *arrived, *given], slopes, trace.name), parts.length,
                    [*[_carried_in(parts, k, cotangents) for k in reads], *[_zeros(trace, (1, *total.shape), total.dtype) for total in totals]],
                    [*[(k, parts.reads[read][1]) for k, read in enumerate(reads)], *[(first + k, 1) for k in range(len(summed))]],
                    [reversed_rows(each) for each in (*arriving.values(), *parts.read_values(), *parts.rows)], parts.wholes)
    return _collect(parts, reads, others, summed, backward, wanted, in_front)


def _taken_apart(parts: Parts, cotangents: dict) -> tuple[dict[int, Traced], dict]:
    """Cotangents of trajectories as those of what stands in front, by state, and those of what is made."""
    count, in_front = len(parts.body.outputs), {}
    found = {which: each for which, each in cotangents.items() if which < count}
    for which, (dense, _) in cotangents.items():
        if which >= count:
            state = which - count
            depth = parts.before[state].shape[0]
            in_front[state], made = rows_of(dense, 0, depth), rows_of(dense, depth, parts.length)
            before, last = found.get(state, (None, None))
            found[state] = made if before is None else make(ADD, (before, made)), last
    return in_front, found


def _zeros(trace: Trace, shape: tuple[int, ...], dtype) -> Traced:
    return make(BROADCAST, (constant(trace, 0, dtype),), (shape,))


def _seeds(parts: Parts, reads: list[int], carried: list[Traced], arrived: dict[int, Traced]) -> dict[int, Traced]:
    """The cotangent of each output of the body in one iteration."""
    seeds = dict(arrived)
    for read, value in zip(reads, carried):
        state = parts.reads[read][0]
        seeds[state] = make(ADD, (seeds[state], value)) if state in seeds else value
    return seeds


def _carried_in(parts: Parts, read: int, cotangents: dict) -> Traced:
    """What a carried cotangent is behind the last iteration: that of the last row for the nearest read of its state, else zero."""
    state, lag = parts.reads[read]
    type = parts.body.inputs[read].type
    _, last = cotangents.get(state, (None, None))
    if last is not None and lag == 1:
        return make(TABLE["reshape"], (last,), ((1, *type.shape),))
    return _zeros(parts.trace, (lag, *type.shape), type.dtype)


def _collect(parts: Parts, reads: list[int], others: list[int], summed: list[int], backward: Body, wanted: Sequence[bool],
             in_front: dict[int, Traced]) -> list[Traced | None]:
    states = len(parts.before)
    from_reads = [k for k, read in enumerate(reads) if wanted[parts.reads[read][0]]]
    numbers = [*from_reads, *range(len(reads), len(reads) + len(others))]
    made = dict(zip(numbers, outputs_of(backward, numbers, parts.trace)))
    found: list[Traced | None] = [None] * len(wanted)
    for state in range(states):
        if wanted[state]:
            found[state] = _of_before(parts, state, [(parts.reads[reads[k]][1], made[k]) for k in from_reads if parts.reads[reads[k]][0] == state])
            if state in in_front:
                found[state] = in_front[state] if found[state] is None else make(ADD, (found[state], in_front[state]))
    for position, k in enumerate(others, len(reads)):
        if k in summed:
            found[k] = row_of(made[position], parts.length - 1)
        else:
            found[k] = reversed_rows(made[position]) if k < states + len(parts.rows) else make(SUM, (made[position],), ((0,),))
    return found


def _of_before(parts: Parts, state: int, carried: list[tuple[int, Traced]]) -> Traced | None:
    """The cotangent of what stands in front of the loop: the first reads with a lag see its last rows."""
    before = parts.before[state]
    depth, length = before.shape[0], parts.length
    pieces, specs = [], []
    for lag, made in carried:
        count = min(lag, length)
        pieces.append(rows_of(made, length - 1, count, -1))
        specs.append(((depth - lag, count, 1), *all_of(before.shape[1:])))
    return make(ASSEMBLE, tuple(pieces), (before.shape, tuple(specs))) if pieces else None


def last_row_of(node: Node, spec: tuple) -> bool:
    """Does a read of a loop's output see its last row, whole?"""
    return spec == (node.type.shape[0] - 1, *all_of(node.type.shape[1:]))


# Forward ----------------------------------------------------------------------------------------------------------------

def push_through(trace: Trace, node: Node, given: Sequence[Traced | None], push: Callable) -> dict[int, Traced]:
    """The tangents of all float outputs of a loop, by their number, for the tangents of its operands.

    ``push(trace, outputs, wrt, directions)``: the forward sweep.
    """
    parts = Parts(trace, node)
    inner, body = Inner(trace), parts.body
    states, rest = len(parts.before), len(parts.reads)
    floats = [k for k, each in enumerate(parts.before) if each.node.type.is_float]
    reads = [k for k, (state, _) in enumerate(parts.reads) if state in floats]
    moving = [k for k in range(states, len(given)) if given[k] is not None]
    is_row = {k: k < states + len(parts.rows) for k in moving}
    read_tangents = inner.inputs([body.inputs[k].type for k in reads])
    row_tangents = {k: inner.inputs([body.inputs[rest + k - states].type])[0] for k in moving if is_row[k]}
    values = inner.inputs([each.type for each in body.inputs[:rest + len(parts.rows)]])
    whole_tangents = {k: inner.inputs([body.inputs[rest + k - states].type])[0] for k in moving if not is_row[k]}
    wholes = inner.inputs([each.type for each in body.inputs[rest + len(parts.rows):]])
    new = inner.copied(body, [*values, *wholes])
    wrt = [new[body.inputs[k]] for k in reads] + [new[body.inputs[rest + k - states]] for k in moving]
    directions = [*read_tangents, *[(row_tangents if is_row[k] else whole_tangents)[k] for k in moving]]
    numbers = [*floats, *[k for k in range(states, len(body.outputs)) if body.outputs[k].type.is_float]]
    tangents = push(inner.trace, [new[body.outputs[k]] for k in numbers], wrt, directions)
    zeros = [_zeros(trace, parts.before[k].shape, parts.before[k].dtype) if given[k] is None else given[k] for k in floats]
    inputs = [*read_tangents, *row_tangents.values(), *values, *whole_tangents.values(), *wholes]
    forward = Body(inner.graph(inputs, tangents, trace.name), parts.length, zeros,
                   [(floats.index(parts.reads[k][0]), parts.reads[k][1]) for k in reads],
                   [*[given[k] for k in row_tangents], *parts.read_values(), *parts.rows], [*[given[k] for k in whole_tangents], *parts.wholes])
    found = dict(zip(numbers, outputs_of(forward, range(len(numbers)), trace)))
    for k, before in zip(floats, zeros):
        # Derivatives of derivatives alone ask for tangents of what stood in front.
        found[len(body.outputs) + k] = joined([before, found[k]])
    return found


__all__ = ["Inner", "last_row_of", "pull_through", "push_through"]
