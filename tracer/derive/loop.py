"""Derivatives of loops: another loop each, forward beside the first, backward against it.

A cotangent that goes through a state comes from a later iteration, so that what the backward loop carries is, for each read of a state, the cotangent
of what was read. Values of the forward loop come in as rows, from the trajectories of its states; what does not depend on the carried cotangents
is taken out of the loop when it is put together (``rolling.bodies``), and runs in lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..graph.graph import Graph
from ..graph.node import Node
from ..ops import TABLE
from ..rolling.bodies import Body, all_of, read_before, rows_of
from ..rolling.distribute import outputs_of
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

    def read_values(self) -> list[Traced]:
        """What each read of a state sees, over all iterations."""
        return [read_before(self.before[state], self.made(state), lag) for state, lag in self.reads]


class _Inner:
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
    inner = _Inner(trace)
    reads = [k for k, (state, _) in enumerate(parts.reads) if parts.before[state].node.type.is_float]
    body = parts.body
    carried = inner.inputs([body.inputs[k].type for k in reads])
    arriving = {which: dense for which, (dense, _) in cotangents.items() if dense is not None}
    arrived = inner.inputs([body.outputs[which].type for which in arriving])
    states, rest = len(parts.before), len(parts.reads)
    given = inner.inputs([each.type for each in body.inputs])
    new = inner.copied(body, given)
    seeds = _seeds(parts, reads, carried, dict(zip(arriving, arrived)))
    targets = [given[k] for k in reads] + [given[rest + k] for k, is_wanted in enumerate(wanted[states:]) if is_wanted]
    slopes = pullback(inner.trace, [new[body.outputs[which]] for which in seeds], targets, list(seeds.values()))
    backward = Body(inner.graph([*carried, *arrived, *given], slopes, trace.name), parts.length,
                    [_carried_in(parts, k, cotangents) for k in reads], [(k, parts.reads[read][1]) for k, read in enumerate(reads)],
                    [reversed_rows(each) for each in (*arriving.values(), *parts.read_values(), *parts.rows)], parts.wholes)
    return _collect(parts, reads, backward, wanted)


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
    return make(BROADCAST, (constant(parts.trace, 0, type.dtype),), ((lag, *type.shape),))


def _collect(parts: Parts, reads: list[int], backward: Body, wanted: Sequence[bool]) -> list[Traced | None]:
    states = len(parts.before)
    from_reads = [k for k, read in enumerate(reads) if wanted[parts.reads[read][0]]]
    others = [k for k in range(states, len(wanted)) if wanted[k]]
    numbers = [*from_reads, *range(len(reads), len(reads) + len(others))]
    made = dict(zip(numbers, outputs_of(backward, numbers, parts.trace)))
    found: list[Traced | None] = [None] * len(wanted)
    for state in range(states):
        if wanted[state]:
            found[state] = _of_before(parts, state, [(parts.reads[reads[k]][1], made[k]) for k in from_reads if parts.reads[reads[k]][0] == state])
    for position, k in enumerate(others, len(reads)):
        is_row = k < states + len(parts.rows)
        found[k] = reversed_rows(made[position]) if is_row else make(SUM, (made[position],), ((0,),))
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
    inner, body = _Inner(trace), parts.body
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
    zeros = [make(BROADCAST, (constant(trace, 0, parts.before[k].dtype),), (parts.before[k].shape,)) if given[k] is None else given[k] for k in floats]
    inputs = [*read_tangents, *row_tangents.values(), *values, *whole_tangents.values(), *wholes]
    forward = Body(inner.graph(inputs, tangents, trace.name), parts.length, zeros,
                   [(floats.index(parts.reads[k][0]), parts.reads[k][1]) for k in reads],
                   [*[given[k] for k in row_tangents], *parts.read_values(), *parts.rows], [*[given[k] for k in whole_tangents], *parts.wholes])
    return dict(zip(numbers, outputs_of(forward, range(len(numbers)), trace)))


__all__ = ["last_row_of", "pull_through", "push_through"]
