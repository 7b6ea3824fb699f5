"""From the graph of one sample to straight-line scalar code, each instruction of which will run on a vector of samples."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from codegen.loops import Affine, Buffer, Compute, Literal, Load, Nest, Store
from codegen.schedule.expand import expand
from codegen.schedule.straight import cut
from codegen.simplify import rewrite
from tracer.graph.graph import Graph
from tracer.graph.node import ARRAY, CONSTANT, INPUT, Node
from tracer.graph.op import STRUCTURAL, lowering
from tracer.ops import TABLE
from tracer.rolling.scalarise import elements

from .selects import in_selects

MOST_INSTRUCTIONS = 20_000  # beyond, compiling takes seconds


@dataclass(frozen=True, slots=True)
class NoLanes:
    """A graph that is run sample by sample, and why."""

    why: str


@dataclass(eq=False)
class LaneProgram:
    """Straight-line code for one sample, in pieces of bounded size.

    ``once``   what is the same for all samples, computed as scalars before any sample
    ``body``   the rest, each instruction on a vector of samples
    ``arrays`` the values of captured arrays, which stand between inputs and outputs among the leaves
    ``slots``  values that one piece hands to another: place by buffer; those of ``spread`` are scalars that ``once`` hands to ``body``
    """

    inputs: list[Buffer]
    outputs: list[Buffer]
    mapped: tuple[bool, ...]
    arrays: list[np.ndarray] = field(default_factory=list)
    array_buffers: list[Buffer] = field(default_factory=list)
    once: list[Nest] = field(default_factory=list)
    body: list[Nest] = field(default_factory=list)
    slots: dict[Buffer, int] = field(default_factory=dict)
    spread: set[Buffer] = field(default_factory=set)

    @property
    def leaves(self) -> list[Buffer]:
        """Inputs, captured arrays and outputs: all that lies outside of the workspace."""
        return [*self.inputs, *self.array_buffers, *self.outputs]

    @property
    def instructions(self) -> int:
        return sum(len(nest.body) for nest in self.body)


def lower(graph: Graph, mapped: tuple[bool, ...]) -> LaneProgram | NoLanes:
    """The lane program of the graph of one sample; ``mapped``: the inputs that differ from sample to sample."""
    shapes = [node.type.shape for node in graph.outputs]
    flat = elements(expand(in_selects(graph)), MOST_INSTRUCTIONS)
    if isinstance(flat, str):
        return NoLanes(flat)
    flat = rewrite(flat)
    for node in flat.nodes:
        if node.op.kind == "source" or _element(node) is not None:
            continue
        if node.op.kind != "elementwise" or node.type.shape or lowering(node.op, node.inputs[0].type.dtype) is STRUCTURAL:
            return NoLanes(f"`{node.op.name}` works on whole arrays")
    return _Lowering(flat, shapes, mapped).run()


def _element(node: Node) -> int | None:
    """Which element of an input or captured array a node reads, if that is all it does."""
    source = node.inputs[0]
    if source.op.kind != "source" or node.type.shape or node.op.kind != "movement":
        return None
    if node.op is TABLE["index"]:
        return int(np.ravel_multi_index(node.attrs[0], source.type.shape))
    return 0  # an array of one element, in another shape


class _Lowering:
    """One walk over a graph of scalars."""

    def __init__(self, graph: Graph, shapes: list[tuple], mapped: tuple[bool, ...]):
        self.graph = graph
        self.shapes = shapes
        self.buffers: dict[Node, Buffer] = {}
        self.program = LaneProgram([], [], mapped)
        self.nests = {True: Nest(()), False: Nest(())}   # by: is it the same for all samples
        self.at: dict[Node, tuple[bool, int]] = {}
        self.known: dict[tuple, int] = {}

    def run(self) -> LaneProgram:
        program = self.program
        for position, node in enumerate(self.graph.inputs):
            buffer = self.buffers[node] = Buffer("input", position, node.type.dtype, node.type.shape)
            program.inputs.append(buffer)
        for node in self.graph.nodes:
            self._visit(node)
        self._outputs()
        # Slots hold one vector each; a program's slots are not shared between values, so that what is computed once stays.
        program.once = self._pieces(self.nests[True])
        program.body = self._pieces(self.nests[False])
        return program

    def _visit(self, node: Node) -> None:
        if node.op is ARRAY:
            buffer = self.buffers[node] = Buffer("array", len(self.program.arrays), node.type.dtype, node.type.shape)
            self.program.arrays.append(node.attrs[1].values)
            self.program.array_buffers.append(buffer)
        elif node.op is INPUT:
            if not node.type.shape:
                self._load(node, self.buffers[node], 0)
        elif node.op is CONSTANT:
            return
        elif node.op.kind == "elementwise":
            same = all(self._is_same(o) for o in node.inputs)
            operands = tuple([self._value(o, same) for o in node.inputs])
            self._add(node, same, Compute(node.op, operands, node.type.dtype, node.inputs[0].type.dtype, node))
        else:
            self._load(node, self.buffers[node.inputs[0]], _element(node))

    def _load(self, node: Node, buffer: Buffer, place: int) -> None:
        same = buffer.kind == "array" or not self.program.mapped[buffer.position]
        self._add(node, same, Load(buffer, Affine(place, ())))

    def _add(self, node: Node, same: bool, instruction) -> None:
        body = self.nests[same].body
        self.at[node] = same, len(body)
        body.append(instruction)

    def _is_same(self, node: Node) -> bool:
        return node.op is CONSTANT or self.at[node][0]

    def _value(self, node: Node, same: bool) -> int:
        """The position of a value in the code for all samples alike (``same``) or for each."""
        body = self.nests[same].body
        if node.op is CONSTANT:
            return self._shared(("literal", same, node), lambda: Literal(node.attrs[1], node.type.dtype, False), body)
        where, position = self.at[node]
        if where == same:
            return position
        # Computed once, and spread over the lanes.
        return self._shared(("spread", node), lambda: Load(self._spread(node, position), Affine(0, ())), body)

    def _shared(self, key: tuple, make, body: list) -> int:
        found = self.known.get(key)
        if found is None:
            instruction = make()
            found = self.known[key] = len(body)
            body.append(instruction)
        return found

    def _spread(self, node: Node, position: int) -> Buffer:
        slot = self._slot(node.type.dtype, ())
        self.program.spread.add(slot)
        self.nests[True].roots.append(Store(position, slot, Affine(0, ())))
        return slot

    def _slot(self, dtype: np.dtype, shape: tuple) -> Buffer:
        slot = Buffer("work", len(self.program.slots), np.dtype(dtype), shape)
        self.program.slots[slot] = len(self.program.slots)
        return slot

    def _outputs(self) -> None:
        nodes = iter(self.graph.outputs)
        for position, shape in enumerate(self.shapes):
            values = [next(nodes) for _ in range(math.prod(shape))]
            dtype = values[0].type.dtype if values else np.dtype(float)
            buffer = Buffer("output", position, dtype, shape)
            self.program.outputs.append(buffer)
            for place, node in enumerate(values):
                self.nests[False].roots.append(Store(self._value(node, False), buffer, Affine(place, ())))

    def _pieces(self, nest: Nest) -> list[Nest]:
        return [piece for piece in cut(nest, self._slot) if piece.roots]
