"""How a loop becomes a statement: a nest in the order of its iterations, with what its states were in memory behind one another."""

from __future__ import annotations

from codegen.loops import Affine, Buffer, Load, Store
from tracer.graph.node import Node

from .maps import identity_map, space_of


def lower_loop(schedule, node: Node) -> None:
    """All outputs of a loop whose body works on scalars."""
    if node in schedule.made_at:
        return
    body, length, states, rows, reads, _ = node.attrs
    outputs = [each for each in schedule.graph.nodes if each.op is node.op and each.inputs == node.inputs and each.attrs[:-1] == node.attrs[:-1]]
    memories = [_state_memory(schedule, before, length) for before in node.inputs[:states]]
    nest = schedule.new_nest((length,), ordered=True)
    for given, (state, lag) in zip(body.inputs, reads):
        depth = node.inputs[state].type.shape[0]
        nest.values[given, ()] = nest.add(Load(memories[state], Affine(depth - lag, (1,))))
    for given, row in zip(body.inputs[len(reads):], node.inputs[states:states + rows]):
        nest.values[given, ()] = nest.evaluate(row, (Affine(0, (1,)),))
    for given, whole in zip(body.inputs[len(reads) + rows:], node.inputs[states + rows:]):
        nest.values[given, ()] = nest.evaluate(whole, ())
    values = [nest.evaluate(made, ()) for made in body.outputs]
    for before, memory, value in zip(node.inputs, memories, values):
        nest.nest.roots.append(Store(value, memory, Affine(before.type.shape[0], (1,))))
    for each in outputs:
        nest.nest.roots.append(Store(values[each.attrs[-1]], schedule.allocate(each), Affine(0, (1,))))
        schedule.made_at[each] = nest.position


def _state_memory(schedule, before: Node, length: int) -> Buffer:
    """A state over all iterations, behind what stands in front of the first."""
    depth = before.type.shape[0]
    memory = schedule.new_work(before.type.dtype, (depth + length,))
    space = space_of(before.type.shape)
    nest = schedule.nest_for(space, schedule.earliest_to_read(before, space))
    map = identity_map(before.type.shape)
    nest.nest.roots.append(Store(nest.evaluate(before, map), memory, Affine(map[0].offset, map[0].coefs)))
    return memory
