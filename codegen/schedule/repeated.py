"""How a loop becomes statements.

A body of scalars, or of arrays small enough to be taken apart, is one nest in the order of its iterations, its states in registers and memory. Any
other body is scheduled like a graph of its own, and its statements stand in a :class:`codegen.loops.Loop`: what a state was, and what is
read and made row by row, are rows of buffers, another one in each iteration.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from codegen.loops import Affine, Buffer, Load, Loop, Store, row_of
from tracer.graph.graph import Graph
from tracer.graph.node import ARRAY, Node
from tracer.ops import TABLE
from tracer.rolling.bodies import is_scalar
from tracer.rolling.unpack import in_elements

from .maps import flatten, identity_map, space_of

INDEX = TABLE["index"]


def lower_loop(schedule, node: Node) -> None:
    """All outputs of a loop."""
    if node in schedule.made_at:
        return
    outputs = schedule.graph.siblings(node)
    scalars = in_scalars(node.attrs[0])
    (_Ordered(schedule, outputs, scalars) if scalars is not None else _Repeated(schedule, outputs)).lower()


def in_scalars(body: Graph) -> Graph | None:
    """The body with all arrays as scalars, the elements of each output one after another; None where it works on whole arrays."""
    return body if is_scalar(body) else in_elements(body)


class _Parts:
    """The outputs of one loop by their use."""

    def __init__(self, schedule, outputs: Sequence[Node]):
        self.schedule = schedule
        self.outputs = outputs
        node = outputs[0]
        self.body, self.length, states, rows, self.reads, _ = node.attrs
        self.before, self.rows, self.wholes = node.inputs[:states], node.inputs[states:states + rows], node.inputs[states + rows:]
        count = len(self.body.outputs)
        self.made: dict[int, Node] = {each.attrs[-1]: each for each in outputs if each.attrs[-1] < count}
        self.trajectories: dict[int, Node] = {each.attrs[-1] - count: each for each in outputs if each.attrs[-1] >= count}
        self.states = self._live_states()

    def _live_states(self) -> list[int]:
        """The states that what is asked for needs."""
        reads = dict(zip(self.body.inputs, self.reads))
        live, seen = set(), set()
        pending = [self.body.outputs[k] for k in (*self.made, *self.trajectories)]
        live.update(self.trajectories)
        while pending:
            node = pending.pop()
            if node in seen:
                continue
            seen.add(node)
            pending.extend(node.inputs)
            if node in reads:
                state = reads[node][0]
                live.add(state)
                pending.append(self.body.outputs[state])
        self.live_nodes = seen
        return sorted(live)

    def fill(self, memory: Buffer, state: int) -> None:
        """Write what stands in front of the loop into the first rows of a state's memory."""
        schedule, before = self.schedule, self.before[state]
        shape = before.type.shape
        space = space_of(shape)
        nest = schedule.nest_for(space, schedule.earliest_to_read(before, space))
        map = identity_map(shape)
        nest.nest.roots.append(Store(nest.evaluate(before, map), memory, flatten(map, memory.shape, nest.rank)))

    def memory(self, state: int) -> Buffer:
        """A state over all iterations, behind what stands in front of the first."""
        before, trajectory = self.before[state].type, self.trajectories.get(state)
        shape = (before.shape[0] + self.length, *before.shape[1:])
        memory = self.schedule.allocate(trajectory) if trajectory is not None else self.schedule.new_work(before.dtype, shape)
        self.fill(memory, state)
        return memory


    def leave(self, state: int, memory: Buffer) -> None:
        """What a state was made lies in its memory, behind what was in front of the loop; a result of the kernel is copied."""
        node = self.made.get(state)
        if node is None:
            return
        schedule, shape = self.schedule, node.type.shape
        made = schedule.home[node] = row_of(memory, shape, self.before[state].type.shape[0])
        target = schedule.output_of(node)
        if target is not None:
            nest = schedule.new_nest(space_of(shape))
            place = flatten(identity_map(shape), shape, nest.rank)
            nest.nest.roots.append(Store(nest.add(Load(made, place)), target, place))


# In scalars -------------------------------------------------------------------------------------------------------------

class _Ordered(_Parts):
    """One nest in the order of the iterations."""

    def __init__(self, schedule, outputs: Sequence[Node], scalars: Graph):
        super().__init__(schedule, outputs)
        self.scalars = scalars
        starts = np.cumsum([0, *[node.type.size for node in self.body.outputs]])
        self.parts = [scalars.outputs[a:b] for a, b in pairwise(starts)]

    def lower(self) -> None:
        schedule = self.schedule
        memories = {state: self.memory(state) for state in self.states}
        nest = schedule.new_nest((self.length,), ordered=True)
        self._load(nest, memories)
        for state, memory in memories.items():
            self._store(nest, state, memory, self.before[state].type.shape[0])
        for which, each in self.made.items():
            if which not in memories:
                self._store(nest, which, schedule.allocate(each), 0)
        for each in self.outputs:
            schedule.made_at[each] = nest.position
        for state, memory in memories.items():
            self.leave(state, memory)

    def _load(self, nest, memories: dict[int, Buffer]) -> None:
        """What the body is given: inputs themselves, and elements of those that are arrays."""
        given = dict(zip(self.scalars.inputs, [*self.reads, *self.rows, *self.wholes]))
        for node in self.scalars.nodes:
            source, at = (node.inputs[0], node.attrs[0]) if node.op is INDEX else (node, ())
            if source.op is ARRAY and node.op is INDEX:
                nest.values[node, ()] = nest.literal(source.attrs[1].values[at], source.type.dtype)
            elif (source in given and source.type.shape == ()) or node.op is INDEX:
                found = self._given(nest, given[source], source, at, memories)
                if found is not None:
                    nest.values[node, ()] = found

    def _given(self, nest, origin, source: Node, at: tuple[int, ...], memories: dict[int, Buffer]) -> int | None:
        if not isinstance(origin, Node):
            state, lag = origin
            if state not in memories:
                return None  # nobody needs it
            size = source.type.size
            element = flatten(tuple([Affine(k, ()) for k in at]), source.type.shape, 0).offset
            return nest.add(Load(memories[state], Affine((self.before[state].type.shape[0] - lag) * size + element, (size,))))
        fixed = tuple([Affine(k, (0,)) for k in at])
        return nest.evaluate(origin, (Affine(0, (1,)), *fixed) if origin in self.rows and origin.type.ndim > len(at) else fixed)

    def _store(self, nest, which: int, memory: Buffer, first: int) -> None:
        size = len(self.parts[which])
        for k, part in enumerate(self.parts[which]):
            nest.nest.roots.append(Store(nest.evaluate(part, ()), memory, Affine(first * size + k, (size,))))


# As statements ------------------------------------------------------------------------------------------------------------

class _Repeated(_Parts):
    """Statements that are run for each iteration."""

    def lower(self) -> None:
        schedule = self.schedule
        turning = {state: self._turning(state) for state in self.states if self._is_for_its_end(state)}
        memories = {state: turning.get(state) or self.memory(state) for state in self.states}
        level = schedule.level
        given = self._given(memories, turning, level)
        targets: list[tuple[Node, Buffer]] = []
        for state, memory in memories.items():
            before, new = self.before[state].type, self.body.outputs[state]
            targets.append((new, row_of(memory, new.type.shape, before.shape[0], 1, level, memory.shape[0] if state in turning else 0)))
        for which, node in self.made.items():
            new = self.body.outputs[which]
            if which not in memories:
                targets.append((new, row_of(schedule.allocate(node), new.type.shape, 0, 1, level)))
        statements = schedule.inner(self._asked(targets), given, [buffer for _, buffer in targets])
        schedule.statements.append(Loop(self.length, level, statements))
        position = len(schedule.statements) - 1
        for each in self.outputs:
            schedule.made_at[each] = position
        for state, memory in memories.items():
            if state in turning:
                self._keep_last(state, memory)
            else:
                self.leave(state, memory)

    def _asked(self, targets: list[tuple[Node, Buffer]]) -> Graph:
        body = self.body
        return Graph(body.inputs, [node for node, _ in targets], body.input_names, None, body.name)

    def _is_for_its_end(self, state: int) -> bool:
        """Does nothing read any row of what a state was but the last? Then no other is kept."""
        schedule = self.schedule
        for node in (self.made.get(state), self.trajectories.get(state)):
            if node is not None and (schedule.output_of(node) is not None or any(
                    not _is_at_end(user, node.type.shape[0] - 1) for user in schedule.users(node))):
                return False
        return True

    def _turning(self, state: int) -> Buffer:
        """Memory for as many values of a state as are read again, which are overwritten in turn."""
        before = self.before[state].type
        memory = self.schedule.new_work(before.dtype, (before.shape[0] + 1, *before.shape[1:]))
        self.fill(memory, state)
        return memory

    def _given(self, memories: dict[int, Buffer], turning: dict[int, Buffer], level: int) -> dict[Node, Buffer]:
        """Where the inputs of the body lie."""
        schedule, body, given = self.schedule, self.body, {}
        inputs = iter(body.inputs)
        for state, lag in self.reads:
            node = next(inputs)
            if state in memories:
                memory, before = memories[state], self.before[state].type
                given[node] = row_of(memory, node.type.shape, before.shape[0] - lag, 1, level, memory.shape[0] if state in turning else 0)
        for operand in self.rows:
            node = next(inputs)
            if node in self.live_nodes:
                buffer, start, step = row_view(schedule, operand)
                given[node] = row_of(buffer, node.type.shape, start, step, level)
        for operand in self.wholes:
            node = next(inputs)
            if node in self.live_nodes:
                given[node] = schedule.dense(operand)
        return given

    def _keep_last(self, state: int, memory: Buffer) -> None:
        """Only the last row of what a state was is there, and nothing reads any other."""
        row = (self.before[state].type.shape[0] + self.length - 1) % memory.shape[0]
        for node in (self.made.get(state), self.trajectories.get(state)):
            if node is not None:
                self.schedule.home[node] = row_of(memory, node.type.shape, row - node.type.shape[0] + 1)


def _is_at_end(user: Node, last: int) -> bool:
    """Is a node a read of nothing but this row?"""
    first = user.attrs[0][0] if user.op is INDEX else None
    return first == last or (isinstance(first, tuple) and first[:2] == (last, 1))


def row_view(schedule, node: Node) -> tuple[Buffer, int, int]:
    """(buffer, first row, step) of an operand that is read row by row: rows of what is in memory already are not copied."""
    start, step = 0, 1
    while node.op is INDEX and node not in schedule.home and is_rows(node):
        first, _, stride = node.attrs[0][0]
        start, step = first + stride * start, stride * step
        node = node.inputs[0]
    return schedule.dense(node), start, step


def is_rows(node: Node) -> bool:
    """Does an index take whole rows?"""
    first, *rest = node.attrs[0]
    return not isinstance(first, int) and all(each == (0, n, 1) for each, n in zip(rest, node.inputs[0].type.shape[1:]))


__all__ = ["in_scalars", "lower_loop"]
