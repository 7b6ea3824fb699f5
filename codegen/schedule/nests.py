"""Filling a nest: the value of a node at an index map, as instructions."""

from __future__ import annotations

from codegen.loops import Affine, Buffer, Compute, Gather, Literal, Load, Nest, Place
from tracer.graph.node import CONSTANT, Node
from tracer.ops import TABLE

from .maps import Map, NotAffine, flatten, identity_map, is_movement, operand_map, per_axis

GATHER = TABLE["gather"]


class OpenNest:
    """A nest that still grows. ``values`` remembers what each (node, map) is in its body."""

    __slots__ = ("nest", "position", "values", "_common", "schedule")

    def __init__(self, schedule, extents: tuple[int, ...], position: int, ordered: bool = False):
        self.nest = Nest(extents, ordered=ordered)
        self.position = position
        self.values: dict[tuple[Node, Map], int] = {}
        self._common: dict[tuple, int] = {}
        self.schedule = schedule

    @property
    def rank(self) -> int:
        return len(self.nest.extents)

    def add(self, instruction) -> int:
        """The position of an instruction in the body; equal ones are shared."""
        found = self._common.get(instruction)
        if found is None:
            found = self._common[instruction] = len(self.nest.body)
            self.nest.body.append(instruction)
        return found

    def literal(self, value, dtype, run_time: bool = False) -> int:
        return self.add(Literal(dtype.type(value).tobytes(), dtype, run_time))

    def compute(self, op, operands: tuple[int, ...], dtype, operand_dtype, node=None) -> int:
        key = (op, operands, dtype)
        found = self._common.get(key)
        if found is None:
            found = self._common[key] = len(self.nest.body)
            self.nest.body.append(Compute(op, operands, dtype, operand_dtype, node))
        return found

    def load(self, buffer: Buffer, map: Map) -> int:
        return self.add(Load(buffer, self.place(buffer, map)))

    def place(self, buffer: Buffer, map: Map) -> Place:
        if buffer.dense:
            return flatten(map, buffer.shape, self.rank)
        return per_axis(map, buffer.shape, self.rank)

    def evaluate(self, node: Node, map: Map) -> int:
        """The value of a node at a map; without recursion, since chains are as long as the user's program."""
        values = self.values
        pending = [(node, map)]
        while pending:
            key = pending[-1]
            if key in values:
                pending.pop()
                continue
            if self._resident(*key):
                values[key] = self._read(*key)
                pending.pop()
                continue
            operands = self._operands(*key)
            missing = [k for k in operands if k not in values]
            if missing:
                pending.extend(missing)
            else:
                values[key] = self._apply(*key, tuple([values[k] for k in operands]))
                pending.pop()
        return values[node, map]

    def compute_here(self, node: Node, map: Map) -> int:
        """The value of a node computed from its operands, even if the node is to live in memory."""
        key = (node, map)
        if key not in self.values:
            self.schedule.note(node, self.position, map)
            self.values[key] = self._apply(node, map, tuple([self.evaluate(*k) for k in self._operands(node, map)]))
        return self.values[key]

    def _resident(self, node: Node, map: Map) -> bool:
        return node.op is CONSTANT or self.schedule.is_resident(node)

    def _read(self, node: Node, map: Map) -> int:
        if node.op is CONSTANT:
            return self.add(Literal(node.attrs[1], node.type.dtype, node.attrs[2]))
        return self.load(self.schedule.memory_of(node), map)

    def _operands(self, node: Node, map: Map) -> list[tuple[Node, Map]]:
        if node.op is GATHER:
            return [(index, operand_map_of_index(node, index, map, self.rank)) for index in node.inputs[1:]]
        self.schedule.note(node, self.position, map)
        return [(o, operand_map(node, o, map, self.rank)) for o in node.inputs]

    def _apply(self, node: Node, map: Map, operands: tuple[int, ...]) -> int:
        if is_movement(node):
            return operands[0]
        if node.op is GATHER:
            return self._gather(node, map, operands)
        return self.compute(node.op, operands, node.type.dtype, node.inputs[0].type.dtype, node)

    def _gather(self, node: Node, map: Map, indices: tuple[int, ...]) -> int:
        buffer = self.schedule.memory_of(node.inputs[0])
        map = per_axis(map, node.type.shape, self.rank)
        kept = node.inputs[0].type.ndim - len(indices)
        return self.add(Gather(buffer, indices, tuple(map[len(map) - kept:])))


def operand_map_of_index(gather: Node, index: Node, map: Map, rank: int) -> Map:
    """Where a gather's index operand is read: the leading axes of the result are those of the broadcast indices."""
    map = per_axis(map, gather.type.shape, rank)
    kept = gather.inputs[0].type.ndim - (len(gather.inputs) - 1)
    lead = map[: len(map) - kept]
    shape = index.type.shape
    lead = lead[len(lead) - len(shape):]
    return tuple([Affine(0, (0,) * rank) if n == 1 else part for part, n in zip(lead, shape)])


__all__ = ["NotAffine", "OpenNest", "identity_map"]
