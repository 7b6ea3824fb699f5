"""How a walk becomes a statement: its memory is filled from the front, its bodies are straight-line code on numbers."""

from __future__ import annotations

from codegen.loops import Affine, Buffer, Cell, Load, Nest, Store, Walk
from tracer.graph.graph import Graph
from tracer.graph.node import CONSTANT, Node
from tracer.ops.walk import Slot, parts_of

from .maps import identity_map, space_of
from .nests import OpenNest

HERE = Affine(0, ())  # the place of a number


def lower_walk(schedule, node: Node) -> None:
    """The memory as it is behind the last step."""
    bodies, slots, is_backward, is_adding = parts_of(node.attrs)
    given, table, *vectors = node.inputs
    memory = _memory(schedule, node, given)
    sources, table = [memory, *map(schedule.dense, vectors)], schedule.dense(table)
    position = len(schedule.statements)
    lowered = [_body(schedule, position, body, places) for body, places in zip(bodies, slots)]
    schedule.statements.append(Walk(sources, table, [nest for nest, _ in lowered], [cells for _, cells in lowered], is_backward, is_adding))
    schedule.made_at[node] = position


def _memory(schedule, node: Node, given: Node) -> Buffer:
    """The memory with what is in it first: the very buffer that was made for that, where nothing else reads it."""
    found = schedule.home.get(given)
    if found is not None and found.kind == "work" and schedule.users(given) == [node] and schedule.output_of(node) is None:
        schedule.home[node] = found
        return found
    memory = schedule.allocate(node)
    space, places = space_of(given.type.shape), identity_map(given.type.shape)
    nest = schedule.nest_for(space, schedule.earliest_to_read(given, space))
    nest.nest.roots.append(Store(nest.evaluate(given, places), memory, nest.place(memory, places)))
    return memory


def _body(schedule, position: int, body: Graph, places: list[Slot]) -> tuple[Nest, tuple[list[Cell], list[Cell]]]:
    cells = [Cell(Buffer("cell", k, node.type.dtype, ()), place) for k, (node, place) in enumerate(zip((*body.inputs, *body.outputs), places))]
    count = len(body.inputs)
    open_nest = OpenNest(schedule, (), position)
    made = open_nest.values
    for node, cell in zip(body.inputs, cells):
        made[node, ()] = open_nest.add(Load(cell.number, HERE))
    for node in body.nodes:
        if node.op is CONSTANT:
            open_nest.evaluate(node, ())
        elif (node, ()) not in made:
            made[node, ()] = open_nest.compute(node.op, tuple([made[o, ()] for o in node.inputs]), node.type.dtype, node.inputs[0].type.dtype, node)
    open_nest.nest.roots += [Store(made[node, ()], cell.number, HERE) for node, cell in zip(body.outputs, cells[count:])]
    return open_nest.nest, (cells[:count], cells[count:])


__all__ = ["lower_walk"]
