"""How loops without a fixed number of iterations become statements, and the way back through them.

A state has two rows of memory, which are read and written in turn. Where the graph also goes back through the same loop, what the backward graph
asks of states lies on tapes instead, one row for each iteration; so the loop runs once for value and gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from codegen.loops import Affine, Buffer, Literal, Load, Nest, Store, Unwind, While, row_of
from tracer.graph.graph import Graph, live_nodes
from tracer.graph.node import Node
from tracer.ops import TABLE
from tracer.ops.while_loop import states_of

from .maps import flatten, identity_map, space_of

UNWIND = TABLE["unwind"]
TURNS = 2  # rows of what the next iteration reads: one is read, one is written


@dataclass(eq=False)
class Recording:
    """What a loop has left for the way back: the number of its iterations and tapes of states, by their numbers."""

    count: Buffer
    tapes: dict[int, Buffer]


def lower_while(schedule, node: Node) -> None:
    """All outputs of a ``while``."""
    if node not in schedule.made_at:
        _run(schedule, node, schedule.graph.siblings(node), [each for each in schedule.graph.nodes if each.op is UNWIND and loop_of(each) == loop_of(node)])


def lower_unwind(schedule, node: Node) -> None:
    """All outputs of an ``unwind``. What it goes back through is run now, unless its value was asked for and it has been."""
    if node in schedule.made_at:
        return
    recording = schedule.recordings.get(loop_of(node)) or _run(schedule, node, [], [node])
    outputs = {each.attrs[-1]: each for each in schedule.graph.siblings(node)}
    body, backward, *_ = node.attrs
    level, seeds = schedule.level, node.inputs[1 + len(body.inputs):]
    first, count = len(backward.outputs), states_of(body)
    carried = needed(backward, set(outputs), backward.outputs, backward.inputs)
    memories = {k: schedule.new_work(backward.outputs[k].type.dtype, (TURNS, *backward.outputs[k].type.shape)) for k in carried}
    read, written = ({k: row_of(memory, memory.shape[1:], start, 1, level, TURNS) for k, memory in memories.items()} for start in (1, 0))
    live = set(live_nodes([backward.outputs[k] for k in carried]))
    given = {backward.inputs[k]: row for k, row in read.items()}
    given |= {backward.inputs[first + k]: row_of(tape, tape.shape[1:], 0, 1, level) for k, tape in recording.tapes.items()}
    for inside, operand in zip(backward.inputs[first + count:], node.inputs[1 + count:]):
        if inside in live:
            given[inside] = schedule.dense(operand)
    before = [_copy(schedule.dense(seeds[k]), written[k]) if k < len(seeds) else _zero(written[k]) for k in carried]
    graph = Graph(backward.inputs, [backward.outputs[k] for k in carried], backward.input_names, None, backward.name)
    schedule.statements.append(Unwind(level, recording.count, before, schedule.inner(graph, given, [written[k] for k in carried])))
    _leave(schedule, {each: row_of(memories[k], memories[k].shape[1:], 0) for k, each in outputs.items()})


def _run(schedule, node: Node, outputs: Sequence[Node], unwinds: Sequence[Node]) -> Recording | None:
    body, (asked, *operands) = node.attrs[0], node.inputs[:1 + len(node.attrs[0].inputs)]
    level, count = schedule.level, states_of(body)
    going = schedule.new_work(np.bool_, ())
    schedule.store_into(asked, going, (), ())
    kept = taped(body, unwinds)
    wanted = {each.attrs[-1] - 1 for each in outputs if each.attrs[-1]} | kept
    states = needed(body, wanted, body.outputs[1:], body.inputs, body.outputs[:1])
    memories = {k: _memory(schedule, body.outputs[1 + k], k in kept) for k in states}
    rows = {start: {k: row_of(memory, memory.shape[1:], start, 1, level, 0 if k in kept else TURNS) for k, memory in memories.items()} for start in (0, 1)}
    live = set(live_nodes([body.outputs[0], *[body.outputs[1 + k] for k in states]]))
    given = {body.inputs[k]: row for k, row in rows[0].items()}
    given |= {inside: schedule.dense(operand) for inside, operand in zip(body.inputs[count:], operands[count:]) if inside in live}
    before = [_copy(schedule.dense(operands[k]), row_of(memory, memory.shape[1:], 0)) for k, memory in memories.items()]
    graph = Graph(body.inputs, [body.outputs[0], *[body.outputs[1 + k] for k in states]], body.input_names, None, body.name)
    statements = schedule.inner(graph, given, [going, *rows[1].values()])
    behind = [_copy(rows[0][each.attrs[-1] - 1], schedule.allocate(each)) for each in outputs if each.attrs[-1]]
    recording = Recording(schedule.new_work(np.int64, ()), {k: memories[k] for k in kept}) if unwinds else None
    tapes, number = (tuple(recording.tapes.values()), recording.count) if recording else ((), None)
    schedule.statements.append(While(level, going, before, statements, behind, tapes, number))
    for each in outputs:
        schedule.made_at[each] = len(schedule.statements) - 1
        if not each.attrs[-1]:
            schedule.home[each] = going
    if recording:
        schedule.recordings[loop_of(node)] = recording
    return recording


def loop_of(node: Node) -> tuple:
    """The loop that a ``while`` runs, and that an ``unwind`` goes back through."""
    body = node.attrs[0]
    return body, node.inputs[:1 + len(body.inputs)]


def needed(graph: Graph, wanted: Iterable[int], makes: Sequence[Node], reads: Sequence[Node], always: Sequence[Node] = ()) -> list[int]:
    """Which of what goes from one iteration to the next is needed for some of it: number k is made by ``makes[k]`` and read as ``reads[k]``."""
    found = set(wanted)
    while True:
        live = set(live_nodes([*always, *[makes[k] for k in found]]))
        more = {k for k in range(len(makes)) if reads[k] in live} - found
        if not more:
            return sorted(found)
        found |= more


def taped(body: Graph, unwinds: Sequence[Node]) -> set[int]:
    """The states that the ways back ask for."""
    found: set[int] = set()
    for each in unwinds:
        backward = each.attrs[1]
        live, first = set(live_nodes(backward.outputs)), len(backward.outputs)
        found |= {k for k in range(states_of(body)) if backward.inputs[first + k] in live}
    return found


def _memory(schedule, new: Node, is_taped: bool) -> Buffer:
    if not is_taped:
        return schedule.new_work(new.type.dtype, (TURNS, *new.type.shape))
    return Buffer("tape", len(schedule.work), new.type.dtype, (0, *new.type.shape), slot=schedule.new_work(np.int64, ()))


def _copy(source: Buffer, target: Buffer) -> Nest:
    """One array into the memory of another."""
    space, map = space_of(target.shape), identity_map(target.shape)
    place = flatten(map, target.shape, len(space))
    return Nest(space, [Load(source, place)], [Store(0, target, place)])


def _zero(target: Buffer) -> Nest:
    space = space_of(target.shape)
    place: Affine = flatten(identity_map(target.shape), target.shape, len(space))
    return Nest(space, [Literal(target.dtype.type(0).tobytes(), target.dtype, False)], [Store(0, target, place)])


def _leave(schedule, rows: dict[Node, Buffer]) -> None:
    """Outputs that lie in rows of memory; those of the kernel are copied."""
    position = len(schedule.statements) - 1
    for node, row in rows.items():
        schedule.made_at[node], schedule.home[node] = position, row
    for node, row in rows.items():
        target = schedule.output_of(node)
        if target is not None:
            nest = schedule.new_nest(space_of(row.shape))
            place = flatten(identity_map(row.shape), row.shape, nest.rank)
            nest.nest.roots.append(Store(nest.add(Load(row, place)), target, place))


__all__ = ["Recording", "loop_of", "lower_unwind", "lower_while", "needed", "taped"]
