"""The scheduler: statements in order, roots fused into the earliest nest of their index space.

Nodes are visited in topological order. A node that lives in memory gets a root in a nest of its space that stands no earlier than what the node
reads; one nest thus collects whatever runs over the same space, forward and backward alike. Straight-line scalars are a nest without loops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from codegen.loops import Buffer, Call, Loop, Nest, Program, Release, Statement, Store, Unwind, While
from tracer.graph.graph import Graph
from tracer.graph.node import ARRAY, CONSTANT, INPUT, Node
from tracer.ops import TABLE
from tracer.rolling.scalarise import scalarise

from .arms import lower_branch
from .block import in_row_blocks
from .expand import expand
from .maps import Map, identity_map, is_movement, space_of
from .memory import lay_out
from .nests import OpenNest
from .plan import GATHER, RESHAPE, is_inline, required, strided_inputs_to_copy, worth_storing
from .repeated import lower_loop
from .straight import in_pieces
from .structured import LOWERINGS as STRUCTURED
from .walks import lower_walk
from .while_loop import Recording, lower_unwind, lower_while

LOWERINGS = STRUCTURED | {TABLE["loop"]: lower_loop, TABLE["branch"]: lower_branch, TABLE["walk"]: lower_walk, TABLE["while"]: lower_while,
                          TABLE["unwind"]: lower_unwind}
LARGEST_BODY = 300
ROUNDS = 4


def schedule(graph: Graph, strided: frozenset[int] = frozenset()) -> Program:
    """The loops that compute a graph. ``strided``: positions of the inputs whose strides are known at run time only."""
    graph = expand(scalarise(graph))
    scheduler, statements = _settled(graph, lambda stored: Scheduler(graph, stored, strided))
    return lay_out(Program(graph.name, statements, scheduler.inputs, scheduler.outputs, scheduler.arrays, scheduler.work))


def _settled(graph: Graph, scheduler_of: Callable[[set[Node]], Scheduler]) -> tuple[Scheduler, list[Statement]]:
    """Schedule again while there is something that was computed in several places and had better been stored."""
    stored = required(graph)
    for _ in range(ROUNDS):
        scheduler = scheduler_of(stored)
        statements = scheduler.run()
        more = worth_storing(graph, scheduler.contexts, stored) - stored
        if not more:
            break
        stored |= more
    return scheduler, statements


class Scheduler:
    """One walk over a graph that places each node in a nest or a call; the statements come out in a legal order."""

    def __init__(self, graph: Graph, stored: set[Node], strided: frozenset[int]):
        self.graph = graph
        self.stored = stored
        self.strided = {graph.inputs[k] for k in strided}
        self.copied = strided_inputs_to_copy(graph, self.strided)
        self.level = 0                          # loops around the statements
        self.given: dict[Node, Buffer] = {}     # where inputs lie that are no inputs of the kernel
        self.statements: list[OpenNest | Call | Loop | While | Unwind] = []
        self.prologue: dict[tuple, OpenNest] = {}
        self.home: dict[Node, Buffer] = {}
        self.made_at: dict[Node, int] = {}
        self.contexts: dict[Node, set] = {}
        self.recordings: dict[tuple, Recording] = {}  # of loops, for the way back through them
        self.inputs: list[Buffer] = []
        self.arrays: list[np.ndarray] = []
        self.work: list[Buffer] = []
        self.outputs = [Buffer("output", k, n.type.dtype, n.type.shape, name=name)
                        for k, (n, name) in enumerate(zip(graph.outputs, graph.output_names))]
        self._output_of: dict[Node, Buffer] = {}
        self._place_outputs()
        self._users: dict[Node, list[Node]] = {}
        self._open: dict[tuple, list[OpenNest]] = {}
        self._requirement: dict[tuple, int] = {}

    def _place_outputs(self) -> None:
        self._output_of.clear()
        for node, buffer in zip(self.graph.outputs, self.outputs):
            if node.op.kind != "source":
                self._output_of.setdefault(node, buffer)

    # -- memory ----------------------------------------------------------------------------------------------------
    def new_work(self, dtype, shape) -> Buffer:
        buffer = Buffer("work", len(self.work), np.dtype(dtype), tuple(shape))
        self.work.append(buffer)
        return buffer

    def allocate(self, node: Node) -> Buffer:
        """The memory of a node: the output that it is, or a work buffer."""
        buffer = self.home[node] = self._output_of.get(node) or self.new_work(node.type.dtype, node.type.shape)
        return buffer

    def output_of(self, node: Node) -> Buffer | None:
        """The output that is made directly where it is wanted."""
        return self._output_of.get(node)

    def users(self, node: Node) -> list[Node]:
        """The nodes that read a node."""
        if not self._users:
            for each in self.graph.nodes:
                for operand in each.inputs:
                    self._users.setdefault(operand, []).append(each)
        return self._users.get(node, [])

    def dense(self, node: Node) -> Buffer:
        """Memory in which a node lies densely, numbers too."""
        if node.op is CONSTANT and node not in self.home:
            self.home[node] = self.new_work(node.type.dtype, ())
            self.initial(self.home[node], np.frombuffer(node.attrs[1], node.type.dtype)[0])
        return self.memory_of(node)

    def is_resident(self, node: Node) -> bool:
        """Has the node been made by a statement, so that it is read instead of computed?"""
        return node in self.made_at

    def memory_of(self, node: Node) -> Buffer:
        """Where a node lies; a value that so far was only in the registers of its nest is stored there now."""
        found = self.home.get(node)
        if found is None:
            if node not in self.made_at:
                self.place(node)
                return self.memory_of(node)
            nest = self.statements[self.made_at[node]]
            map = identity_map(node.type.shape)
            found = self.allocate(node)
            nest.nest.roots.append(Store(nest.values[node, map], found, nest.place(found, map)))
        return found

    def note(self, node: Node, position: int, map: Map) -> None:
        """Remember where an array is computed, for the decision what to store."""
        if node.type.size != 1:
            self.contexts.setdefault(node, set()).add((position, map))

    # -- order -----------------------------------------------------------------------------------------------------
    def earliest(self, node: Node, space: tuple[int, ...] | None) -> int:
        """The first statement that may compute the operands of this node: each behind (or inside) the nest that makes what it reads.

        A value is read inside its own nest when it is read at the very element that the nest is at.
        """
        known = self._requirement
        aligned = space is not None
        pending = [(node, aligned)]
        while pending:
            key = pending[-1]
            if key in known:
                pending.pop()
                continue
            current, aligned = key
            children = [(o, aligned and _aligned(current, o, space)) for o in current.inputs]
            unknown = []
            at = 0
            for child, same in children:
                if child.op.kind == "source" and child not in self.made_at:
                    continue
                if child in self.made_at:
                    at = max(at, self._readable_at(child, same, space))
                elif (child, same) in known:
                    at = max(at, known[child, same])
                else:
                    unknown.append((child, same))
            if unknown:
                pending.extend(unknown)
                continue
            known[key] = at
            pending.pop()
        return known[node, space is not None]

    def earliest_to_read(self, operand: Node, space: tuple[int, ...]) -> int:
        """The first statement over ``space`` that may ask for this operand at its own element."""
        if operand in self.made_at:
            return self._readable_at(operand, space_of(operand.type.shape) == space, space)
        return 0 if operand.op.kind == "source" else self.earliest(operand, space)

    def earliest_to_read_moved(self, operand: Node) -> int:
        """The first statement that may ask for this operand at any element."""
        if operand in self.made_at:
            return self._readable_at(operand, False, ())
        return 0 if operand.op.kind == "source" else self.earliest(operand, None)

    def _readable_at(self, node: Node, aligned: bool, space: tuple[int, ...]) -> int:
        position = self.made_at[node]
        if position < 0:
            return 0
        statement = self.statements[position]
        inside = (aligned and isinstance(statement, OpenNest) and statement.nest.extents == space
                  and (node, identity_map(node.type.shape)) in statement.values)
        return position if inside else position + 1

    def nest_for(self, space: tuple[int, ...], earliest: int) -> OpenNest:
        """The first nest over this space at or behind a position, or a new one at the end."""
        candidates = self._open.setdefault(space, [])
        full = False
        for nest in candidates:
            if space and len(nest.nest.body) >= LARGEST_BODY:
                full = True
            elif nest.position >= earliest:
                return nest
        nest = self.new_nest(space)
        if full:  # and not looked at again
            candidates[:] = [n for n in candidates if len(n.nest.body) < LARGEST_BODY]
        candidates.append(nest)
        return nest

    def new_nest(self, space: tuple[int, ...], ordered: bool = False) -> OpenNest:
        """A nest of its own at the end, which nothing else joins."""
        nest = OpenNest(self, space, len(self.statements), ordered)
        self.statements.append(nest)
        return nest

    def initial(self, buffer: Buffer, value) -> None:
        """Fill a buffer before everything else."""
        space = space_of(buffer.shape)
        nest = self.prologue.get(space)
        if nest is None:
            nest = self.prologue[space] = OpenNest(self, space, -1)
        literal = nest.literal(value, buffer.dtype)
        nest.nest.roots.append(Store(literal, buffer, nest.place(buffer, identity_map(buffer.shape))))

    # -- the walk --------------------------------------------------------------------------------------------------
    def inner(self, graph: Graph, given: dict[Node, Buffer], outputs: Sequence[Buffer]) -> list[Statement]:
        """The statements of a graph that is evaluated in each iteration of a loop, from and into these buffers."""
        return _settled(graph, lambda stored: self._inner(graph, stored, given, outputs))[1]

    def _inner(self, graph: Graph, stored: set[Node], given: dict[Node, Buffer], outputs: Sequence[Buffer]) -> Scheduler:
        scheduler = Scheduler(graph, stored, frozenset())
        scheduler.level, scheduler.given, scheduler.outputs = self.level + 1, given, list(outputs)
        scheduler.inputs, scheduler.arrays, scheduler.work = self.inputs, self.arrays, self.work
        scheduler._place_outputs()
        return scheduler

    def run(self) -> list[Statement]:
        # Scalars that need nothing but arguments come first, so that no pass over arrays waits for a later scalar's sake.
        self._open[()] = [self.new_nest(())]
        for node in self.graph.nodes:
            if node.op.kind == "elementwise" and not node.type.shape:
                self.place_scalar(node)
            elif node.op.kind == "source":
                self._place_source(node)
            elif is_inline(node):
                if node in self.stored or (node.type.size == 1 and not self._is_mere_reading(node)):
                    self.place(node)
            else:
                LOWERINGS[node.op](self, node)
        self._finish_outputs()
        statements = [nest.nest for nest in self.prologue.values()]
        for statement in self.statements:
            statements += in_pieces(statement.nest, self.new_work) if isinstance(statement, OpenNest) else [statement]
        if self.recordings:
            statements.append(Release(tuple([tape for each in self.recordings.values() for tape in each.tapes.values()])))
        self.statements, self.prologue, self._open = [], {}, {}  # nests refer to their scheduler: in a circle, they would outlive it until the collector runs
        return in_row_blocks([s for s in statements if not isinstance(s, Nest) or s.roots])

    def _is_mere_reading(self, node: Node) -> bool:
        """One element of what is there already: read where it is needed, rather than kept."""
        operand = node.inputs[0]
        return is_movement(node) and node not in self._output_of and (operand.type.size == 1 or operand.op.kind == "source" or operand in self.made_at)

    def _place_source(self, node: Node) -> None:
        if node in self.given:
            buffer = self.given[node]
        elif node.op is INPUT:
            if self.level:
                return  # nobody needs it
            name = self.graph.input_names[node.attrs[1]]
            buffer = Buffer("input", node.attrs[1], node.type.dtype, node.type.shape, node not in self.strided, name)
            self.inputs.append(buffer)
        elif node.op is ARRAY:
            buffer = Buffer("array", len(self.arrays), node.type.dtype, node.type.shape)
            self.arrays.append(node.attrs[1].values)
        elif node.op is CONSTANT:
            return
        self.home[node] = buffer
        self.made_at[node] = -1
        if node in self.copied:
            self.home[node] = self.copy(node)

    def copy(self, node: Node) -> Buffer:
        """A dense copy of a node's memory."""
        target = self.new_work(node.type.dtype, node.type.shape)
        self.store_into(node, target, identity_map(node.type.shape), space_of(node.type.shape))
        self.made_at[node] = len(self.statements) - 1
        return target

    def store_into(self, node: Node, target: Buffer, map: Map, space: tuple[int, ...]) -> int:
        """A nest of its own that writes the node, asked for at ``map``, densely into ``target``; the position of the nest."""
        nest = self.new_nest(space)
        value = nest.evaluate(node, map)
        nest.nest.roots.append(Store(value, target, nest.place(target, identity_map(target.shape))))
        return nest.position

    def place(self, node: Node) -> None:
        """Compute an inline node in a nest of its space; arrays are stored, scalars stay in registers until somebody needs them elsewhere."""
        space = space_of(node.type.shape)
        nest = self.nest_for(space, self.earliest(node, space))
        map = identity_map(node.type.shape)
        value = nest.compute_here(node, map)
        self.made_at[node] = nest.position
        if node.type.size != 1:
            buffer = self.allocate(node)
            nest.nest.roots.append(Store(value, buffer, nest.place(buffer, map)))

    def place_scalar(self, node: Node) -> None:
        """The same for an operation on scalars, of which long programs consist: its operands are made already, nothing has to be looked for."""
        nest = self._open[()][0]
        operands = self._values_in(nest, node.inputs)
        if operands is None:
            nest = self.nest_for((), self._earliest_of_scalar(node))
            values = nest.values
            operands = [values[o, ()] if (o, ()) in values else nest.evaluate(o, identity_map(o.type.shape)) for o in node.inputs]
        nest.values[node, ()] = nest.compute(node.op, tuple(operands), node.type.dtype, node.inputs[0].type.dtype, node)
        self.made_at[node] = nest.position

    @staticmethod
    def _values_in(nest: OpenNest, scalars: tuple[Node, ...]) -> list[int] | None:
        """The values of all of these in a nest, in which nothing has to be read any more; None where one is missing."""
        values, found = nest.values, []
        for scalar in scalars:
            value = values.get((scalar, ()))
            if value is None:
                return None
            found.append(value)
        return found

    def _earliest_of_scalar(self, node: Node) -> int:
        """The first statement that may compute an operation on scalars."""
        made_at, statements = self.made_at, self.statements
        earliest = 0
        for operand in node.inputs:
            position = made_at.get(operand)
            if position is None:
                earliest = max(earliest, self.earliest_to_read(operand, ()))
            elif position >= earliest:
                statement = statements[position]
                here = isinstance(statement, OpenNest) and not statement.nest.extents and (operand, ()) in statement.values
                earliest = position if here else position + 1
        return earliest

    def _finish_outputs(self) -> None:
        for node, buffer in zip(self.graph.outputs, self.outputs):
            if node.op is not CONSTANT and node.op.kind != "source":
                self.memory_of(node)
            if self._output_of.get(node) is not buffer:
                space = space_of(node.type.shape)
                nest = self.nest_for(space, len(self.statements))
                map = identity_map(node.type.shape)
                nest.nest.roots.append(Store(nest.evaluate(node, map), buffer, nest.place(buffer, map)))


def _aligned(node: Node, operand: Node, space: tuple[int, ...]) -> bool:
    """Is the operand read at the element that the loops are at?"""
    if (is_movement(node) and node.op is not RESHAPE) or (node.op is GATHER and operand is node.inputs[0]):
        return False
    return space_of(operand.type.shape) == space
