"""From the graph of one sample to straight-line scalar code, and rounds of it; each instruction will run on a vector of samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from codegen.llvm.vector_math import has_special
from codegen.loops import Affine, Buffer, Compute, Literal, Load, Nest, Store
from codegen.schedule.expand import expand
from codegen.schedule.straight import cut
from codegen.simplify import rewrite
from tracer.graph.graph import Graph
from tracer.graph.node import ARRAY, CONSTANT, Node
from tracer.graph.op import STRUCTURAL, Op, Special, lowering
from tracer.ops import TABLE
from tracer.rolling.scalarise import elements

from . import turns
from .pieces import Piece, Turning, Unwinding, nests
from .selects import in_selects
from .unpacked import TURNS, UNWIND, Refused, unpacked

MOST_INSTRUCTIONS = 20_000  # beyond, compiling takes seconds


@dataclass(frozen=True, slots=True)
class NoLanes:
    """A graph that is run sample by sample, and why."""

    why: str


@dataclass(eq=False)
class LaneProgram:
    """Straight-line code for one sample, in pieces of bounded size, and rounds of such pieces.

    ``once``   what is the same for all samples, computed as scalars before any sample
    ``body``   the rest, each instruction on a vector of samples
    ``arrays`` the values of captured arrays, which stand between inputs and outputs among the leaves
    ``slots``  values that one piece hands to another: place by buffer; those of ``spread`` are scalars that ``once`` hands to ``body``
    ``tapes``  how many loops leave something of each round for their way back
    """

    inputs: list[Buffer]
    outputs: list[Buffer]
    mapped: tuple[bool, ...]
    arrays: list[np.ndarray] = field(default_factory=list)
    array_buffers: list[Buffer] = field(default_factory=list)
    once: list[Nest] = field(default_factory=list)
    body: list[Piece] = field(default_factory=list)
    slots: dict[Buffer, int] = field(default_factory=dict)
    spread: set[Buffer] = field(default_factory=set)
    tapes: int = 0

    @property
    def leaves(self) -> list[Buffer]:
        """Inputs, captured arrays and outputs: all that lies outside of the workspace."""
        return [*self.inputs, *self.array_buffers, *self.outputs]

    @property
    def instructions(self) -> int:
        return sum(len(nest.body) for nest, _ in nests(self.body))


def lower(graph: Graph, mapped: tuple[bool, ...]) -> LaneProgram | NoLanes:
    """The lane program of the graph of one sample; ``mapped``: the inputs that differ from sample to sample."""
    shapes = [node.type.shape for node in graph.outputs]
    try:
        flat = elements(unpacked(expand(in_selects(graph)), MOST_INSTRUCTIONS), MOST_INSTRUCTIONS, TURNS)
    except Refused as refused:
        return NoLanes(str(refused))
    if isinstance(flat, str):
        return NoLanes(flat)
    flat = rewrite(flat)
    why = _refused(flat, False)
    return NoLanes(why) if why else Lowering(flat, shapes, mapped).run()


def _refused(graph: Graph, turns: bool) -> str | None:
    """Why there are no lanes for a graph of scalars, or, where it ``turns``, for the body of a loop."""
    for node in graph.nodes:
        if node.op in TURNS:
            why = next(filter(None, [_refused(each, True) for each in node.attrs if type(each) is Graph]), None)
            if why:
                return why
        elif node.op.kind != "source" and _element(node) is None:
            form = lowering(node.op, node.inputs[0].type.dtype)
            if node.op.kind != "elementwise" or node.type.shape or form is STRUCTURAL:
                return f"`{node.op.name}` works on whole arrays"
            if turns and isinstance(form, Special) and not has_special(form.export):
                # Lanes that have ended would call it too: where one of 16 samples turns 500 times as often, 13 times the time of a loop over samples.
                return f"`{node.op.name}` in a `while` is called for one lane after another"
    return None


def _element(node: Node) -> int | None:
    """Which element of an input or captured array a node reads, if that is all it does."""
    source = node.inputs[0]
    if source.op.kind != "source" or node.type.shape or node.op.kind != "movement":
        return None
    if node.op is TABLE["index"]:
        return int(np.ravel_multi_index(node.attrs[0], source.type.shape))
    return 0  # an array of one element, in another shape


class Lowering:
    """One walk over a graph of scalars, and over the bodies of its loops.

    ``at``    where each value is: a nest and the position there, a slot, or a constant
    ``nest``  what instructions on vectors are added to; loops end it, and begin another
    ``mask``  in a round: the slot that says which lanes take part
    """

    def __init__(self, graph: Graph, shapes: list[tuple], mapped: tuple[bool, ...]):
        self.graph = graph
        self.shapes = shapes
        self.buffers: dict[Node, Buffer] = {}
        self.program = LaneProgram([], [], mapped)
        self.once, self.nest = Nest(()), Nest(())
        self.pieces: list[Piece] = [self.nest]
        self.at: dict[Node, tuple[Nest, int] | Buffer | Node] = {}
        self.known: dict[tuple, int] = {}
        self.handed: dict[tuple[Nest, int], Buffer] = {}
        self.mask: Buffer | None = None
        self.recordings: dict[tuple, turns.Recording] = {}

    def run(self) -> LaneProgram:
        program = self.program
        for position, node in enumerate(self.graph.inputs):
            buffer = self.buffers[node] = Buffer("input", position, node.type.dtype, node.type.shape)
            program.inputs.append(buffer)
            if not node.type.shape:
                self._load(node, buffer, 0)
        self._visit_all()
        self._outputs()
        # Slots hold one vector each; a program's slots are not shared between values, so that what is computed once stays.
        program.once = self._cut([self.once])
        program.body = self._cut(self.pieces)
        return program

    def _visit_all(self) -> None:
        for node in self.graph.nodes:
            if node.op in TURNS:
                (turns.unwind if node.op is UNWIND else turns.turn)(self, node)
            elif node.op is ARRAY and node not in self.buffers:
                buffer = self.buffers[node] = Buffer("array", len(self.program.arrays), node.type.dtype, node.type.shape)
                self.program.arrays.append(node.attrs[1].values)
                self.program.array_buffers.append(buffer)
            elif node.op.kind == "elementwise":
                nest = self.once if all(map(self._is_same, node.inputs)) else self.nest
                operands = tuple([self.value(o, nest) for o in node.inputs])
                self._add(node, nest, Compute(node.op, operands, node.type.dtype, node.inputs[0].type.dtype, node))
            elif node.op.kind != "source":
                self._load(node, self.buffers[node.inputs[0]], _element(node))

    def _load(self, node: Node, buffer: Buffer, place: int) -> None:
        same = buffer.kind == "array" or not self.program.mapped[buffer.position]
        self._add(node, self.once if same else self.nest, Load(buffer, Affine(place, ())))

    def _add(self, node: Node, nest: Nest, instruction) -> None:
        self.at[node] = nest, len(nest.body)
        nest.body.append(instruction)

    def place(self, node: Node) -> tuple[Nest, int] | Buffer | Node:
        """Where a value is."""
        return node if node.op is CONSTANT else self.at[node]

    def _is_same(self, node: Node) -> bool:
        """Is it known before any sample?"""
        place = self.place(node)
        return isinstance(place, Node) or (isinstance(place, tuple) and place[0] is self.once)

    def value(self, node: Node, nest: Nest) -> int:
        """The position of a value in the code of ``nest``."""
        place = self.place(node)
        if isinstance(place, Node):
            return self._shared((nest, place), nest, lambda: Literal(place.attrs[1], place.type.dtype, False))
        if isinstance(place, Buffer):
            return self.loaded(place, nest)
        return place[1] if place[0] is nest else self.loaded(self._hand(*place), nest)

    def loaded(self, slot: Buffer, nest: Nest) -> int:
        """The position of what a slot holds; what ``once`` has left there is spread over the lanes."""
        return self._shared((nest, slot), nest, lambda: Load(slot, Affine(0, ())))

    def _shared(self, key: tuple, nest: Nest, make: Callable) -> int:
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = len(nest.body)
            nest.body.append(make())
        return found

    def _hand(self, nest: Nest, position: int) -> Buffer:
        """The slot in which a value goes to other nests."""
        slot = self.handed.get((nest, position))
        if slot is None:
            instruction = nest.body[position]
            slot = self.handed[nest, position] = self.slot(instruction.buffer.dtype if isinstance(instruction, Load) else instruction.dtype)
            nest.roots.append(Store(position, slot, Affine(0, ())))
            if nest is self.once:
                self.program.spread.add(slot)
        return slot

    def slot(self, dtype: np.dtype, shape: tuple = ()) -> Buffer:
        """A new one, behind all others."""
        slot = Buffer("work", len(self.program.slots), np.dtype(dtype), shape)
        self.program.slots[slot] = len(self.program.slots)
        return slot

    def tape(self) -> int:
        """The number of a new tape."""
        self.program.tapes += 1
        return self.program.tapes - 1

    def store(self, node: Node, slot: Buffer) -> None:
        """Have the code so far leave a value in a slot."""
        self.nest.roots.append(Store(self.value(node, self.nest), slot, Affine(0, ())))

    def store_zero(self, slot: Buffer) -> None:
        zero = Literal(slot.dtype.type(0).tobytes(), slot.dtype, False)
        self.nest.roots.append(Store(self._shared((self.nest, zero), self.nest, lambda: zero), slot, Affine(0, ())))

    def statement(self, piece: Turning | Unwinding) -> None:
        """Rounds, behind the code so far."""
        self.nest = Nest(())
        self.pieces += [piece, self.nest]

    def compute(self, op: Op, operands: tuple[int, ...], dtype: np.dtype, operand_dtype: np.dtype) -> int:
        """The position of a new value of the code so far."""
        self.nest.body.append(Compute(op, operands, dtype, operand_dtype))
        return len(self.nest.body) - 1

    def inside(self, graph: Graph, given: dict[Node, tuple[Nest, int] | Buffer | Node], mask: Buffer, finish: Callable[[], None]) -> list[Piece]:
        """The pieces of the body of a loop; ``given``: where its inputs are. ``finish`` adds what becomes of its outputs."""
        outer = self.graph, self.at, self.nest, self.pieces, self.mask, self.recordings
        self.graph, self.at, self.nest, self.mask, self.recordings = graph, dict(given), Nest(()), mask, {}
        pieces = self.pieces = [self.nest]
        self._visit_all()
        finish()
        self.graph, self.at, self.nest, self.pieces, self.mask, self.recordings = outer
        return pieces

    def _outputs(self) -> None:
        nodes = iter(self.graph.outputs)
        for position, shape in enumerate(self.shapes):
            values = [next(nodes) for _ in range(math.prod(shape))]
            dtype = values[0].type.dtype if values else np.dtype(float)
            buffer = Buffer("output", position, dtype, shape)
            self.program.outputs.append(buffer)
            for place, node in enumerate(values):
                self.nest.roots.append(Store(self.value(node, self.nest), buffer, Affine(place, ())))

    def _cut(self, pieces: list[Piece]) -> list[Piece]:
        """Pieces of bounded size."""
        found: list[Piece] = []
        for piece in pieces:
            if isinstance(piece, Nest):
                found += [part for part in cut(piece, self.slot) if part.roots]
            else:
                piece.round = self._cut(piece.round)
                found.append(piece)
        return found
