"""Loops in loops: the body of a loop, on arrays instead of many scalars, is rolled in its turn.

A body that has unrolled an inner loop reads its elements as inputs of their own: 50 states, 50 rows. Packed, they are elements of few arrays at places that
advance with the inner loop, and what advances regularly can be rolled. What the body makes is packed for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np

from ..graph.graph import Graph, live_nodes
from ..graph.node import CONSTANT, Node
from ..graph.types import ArrayType, array_type
from ..ops import TABLE
from ..trace.context import Trace
from ..trace.value import Traced, make
from .bodies import Body, all_of, reshaped
from .distribute import outputs_of
from .mapped import can_map
from .periods import SMALLEST
from .vectors import vector_of

INDEX, ASSEMBLE, TRANSPOSE = (TABLE[name] for name in ("index", "assemble", "transpose"))
LEAST = 200   # operations of a body in which inner loops are looked for
LEAST_WALK = 2000  # operations of a body that become a walk: fewer run much faster as straight code, and are compiled once
STATELESS = 48    # if there are no states: inner loops are axes of arrays then, and run in lanes
WORTH = 0.5   # of these that may be left, for loops in loops to be made

Roll = Callable[[Trace, Sequence[Traced], int, int, int], list[Traced]]


def nested(repetition, wanted: Sequence[int], roll: Roll) -> list[Traced] | None:
    """The values of these leaves over all iterations, from a loop with loops inside; None where there are none."""
    least = LEAST if repetition.states else STATELESS
    if repetition.run.period < least:
        return None
    return _Packed(repetition).outputs(wanted, roll, least)


def grouped(items: Iterable, key: Callable[..., Hashable]) -> dict[Hashable, list]:
    """The items by their key, in the order of their first ones."""
    found: dict[Hashable, list] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return found


class _Packed:
    """A repetition whose states, rows and wholes are packed into arrays."""

    def __init__(self, repetition):
        self.repetition = repetition
        self.roller, self.stream, self.run = repetition.roller, repetition.stream, repetition.run
        self.inner = Trace(self.roller.trace.name)
        self.inputs: list[Node] = []
        self.found: dict[tuple, Node] = {}              # what an operand's name is in the body
        self.before: list[Traced] = []
        self.reads: list[tuple[int, int]] = []
        self.states: list[list[int]] = []               # the leaves of each packed state
        self._pack_states()
        self.rows = self._packed_rows()
        self.wholes = self._packed_wholes()

    # -- inputs --------------------------------------------------------------------------------------------------------
    def _input(self, type: ArrayType) -> Node:
        self.inputs.append(self.inner.builder.input(type, len(self.inputs)))
        return self.inputs[-1]

    def _sort(self, token: int) -> Hashable:
        """What scalars have in common that are packed into one array; arrays stay as they are."""
        return token if self.stream.nodes[token].type.shape else ("scalar", int(self.stream.kinds[token]))

    def _element(self, node: Node, at: tuple[int, ...]) -> Node:
        return self.inner.builder.node(INDEX, (node,), (at,)) if at else node

    def _pack_states(self) -> None:
        repetition = self.repetition
        groups = grouped(sorted(repetition.states), lambda leaf: (self._sort(self.run.start + leaf), repetition.states[leaf]))
        for (_, depth), leaves in groups.items():
            self.before.append(self._before(leaves, depth))
            for lag in sorted({lag for leaf, lag in repetition.reads if leaf in set(leaves)}):
                self.reads.append((len(self.states), lag))
                node = self._input(_row_type(self.before[-1]))
                for k, leaf in enumerate(leaves):
                    self.found["read", leaf, lag] = self._element(node, (k,) if len(leaves) > 1 else ())
            self.states.append(leaves)

    def _before(self, leaves: list[int], depth: int) -> Traced:
        """What the first iterations read of states."""
        front = self.repetition.front
        if front.keys().isdisjoint(leaves):
            return self._matrix(self.run.start + np.array(leaves) + self.run.period * np.arange(-depth, 0)[:, None])
        nodes = [front.get(leaf) or self.stream.nodes[self.run.start + leaf - self.run.period] for leaf in leaves]
        values = vector_of(self.roller, nodes)
        return reshaped(values, (1, len(leaves))) if len(leaves) > 1 else values

    def _matrix(self, tokens: np.ndarray) -> Traced:
        """The values of tokens in rows and columns; a single column as a vector."""
        rows, columns = tokens.shape
        if columns == 1:
            return self.roller.sequence(tokens[:, 0])
        steps = np.diff(tokens.ravel())
        if (steps == steps[0]).all() or rows < columns:
            parts = [self.roller.sequence(tokens.ravel())] if (steps == steps[0]).all() else [self.roller.sequence(row) for row in tokens]
            if len(parts) == 1:
                return reshaped(parts[0], tokens.shape)
            return make(ASSEMBLE, tuple(parts), (tokens.shape, tuple([(k, (0, columns, 1)) for k in range(rows)])))
        parts = [self.roller.sequence(column) for column in tokens.T]
        return make(ASSEMBLE, tuple(parts), (tokens.shape, tuple([((0, rows, 1), k) for k in range(columns)])))

    def _packed_rows(self) -> list[Traced]:
        made = []
        for key, names in grouped(self.repetition.rows, self._row_key).items():
            if key[0] == "values":
                names.sort(key=lambda name: name[1])
                tokens = np.array([name[1] for name in names]) + key[1] * np.arange(self.run.count)[:, None]
                made.append(self._matrix(tokens))
                places = [(k,) if len(names) > 1 else () for k in range(len(names))]
            elif key[0] == "elements" and len(names) > 1:
                array, axis, start, step = key[1:]
                made.append(self._along(self.roller.value(array), axis, start, step))
                places = [tuple([index for k, index in enumerate(name[2]) if k != axis]) for name in names]
            else:
                made += [self.repetition.rows[name] for name in names]
                for name, rows in zip(names, made[-len(names):]):
                    self.found[name] = self._input(_row_type(rows))
                continue
            node = self._input(_row_type(made[-1]))
            for name, place in zip(names, places):
                self.found[name] = self._element(node, place)
        return made

    def _row_key(self, name: tuple) -> tuple:
        if name[0] == "values":
            return "values", name[2], self._sort(name[1])
        if name[0] == "elements":
            _, array, a, b = name
            moves = [axis for axis, (x, y) in enumerate(zip(a, b)) if x != y]
            if len(moves) == 1 and len(a) > 1 and self.repetition.stays_inside(array, a, b, moves[0]):
                return "elements", array, moves[0], a[moves[0]], b[moves[0]] - a[moves[0]]
        return "alone", name

    def _along(self, array: Traced, axis: int, start: int, step: int) -> Traced:
        """What iterations see of an array that they go through along an axis: everything along the others."""
        spec = tuple([(start, self.run.count, step) if k == axis else (0, n, 1) for k, n in enumerate(array.shape)])
        part = make(INDEX, (array,), (spec,))
        order = (axis, *[k for k in range(part.ndim) if k != axis])
        return make(TRANSPOSE, (part,), (order,)) if axis else part

    def _packed_wholes(self) -> list[Traced]:
        made = []
        for key, names in grouped(self.repetition.wholes, self._whole_key).items():
            if key[0] == "alone" or len(names) == 1:
                for name in names:
                    made.append(self.repetition.wholes[name])
                    self.found[name] = self._input(made[-1].node.type)
                continue
            if key[0] == "array":
                made.append(self.roller.value(key[1]))
                places = [name[1].attrs[0] for name in names]
            else:
                names.sort(key=lambda name: self.stream.token_of(name[1]))
                made.append(self.roller.sequence(np.array([self.stream.token_of(name[1]) for name in names])))
                places = [(k,) for k in range(len(names))]
            node = self._input(made[-1].node.type)
            for name, place in zip(names, places):
                self.found[name] = self._element(node, place)
        return made

    def _whole_key(self, name: tuple) -> tuple:
        node = name[1]
        token = self.stream.token_of(node)
        if token is not None and not node.type.shape:
            return "values", self.stream.kinds[token]
        if node.op is INDEX and not node.type.shape:
            return "array", node.inputs[0]
        return "alone", name

    # -- the body --------------------------------------------------------------------------------------------------------
    def outputs(self, wanted: Sequence[int], roll: Roll, least: int) -> list[Traced] | None:
        inner, found = self.inner, self.found
        for name, number in self.repetition.numbers.items():
            found[name] = inner.builder.node(CONSTANT, (), number.attrs)
        for leaf, operands in enumerate(self.repetition.operands):
            node = self.stream.nodes[self.run.start + leaf]
            for name in operands:
                if name[0] == "element":
                    found[name] = inner.builder.node(INDEX, (found[name[1]],), (name[2],), node.where)
            found["leaf", leaf] = inner.builder.node(node.op, tuple([found[name] for name in operands]), node.attrs, node.where)
        states = {leaf for leaves in self.states for leaf in leaves}
        others = grouped([leaf for leaf in wanted if leaf not in states], lambda leaf: self._sort(self.run.start + leaf))
        packs = [*self.states, *others.values()]
        flat = [self._joined(leaves) for leaves in packs]
        made = roll(inner, flat, least, min(least, SMALLEST), LEAST_WALK)
        if len(live_nodes([each.node for each in made])) > WORTH * len(live_nodes([each.node for each in flat])):
            return None
        if least < LEAST and not can_map(Graph(self.inputs, [each.node for each in made])):
            return None
        body = Body(Graph(self.inputs, [each.node for each in made], name=inner.name), self.run.count, self.before, self.reads, self.rows, self.wholes)
        numbers = [k for k, leaves in enumerate(packs) if not set(wanted).isdisjoint(leaves)]
        series = {}
        for k, array in zip(numbers, outputs_of(body, numbers, self.roller.trace)):
            for at, leaf in enumerate(packs[k]):
                series[leaf] = array if len(packs[k]) == 1 else make(INDEX, (array,), ((*all_of(array.shape[:1]), at),))
        return [series[leaf] for leaf in wanted]

    def _joined(self, leaves: Sequence[int]) -> Traced:
        values = tuple([Traced(self.found["leaf", leaf], self.inner) for leaf in leaves])
        return values[0] if len(values) == 1 else make(ASSEMBLE, values, ((len(values),), tuple([(k,) for k in range(len(values))])))


def _row_type(rows: Traced) -> ArrayType:
    return array_type(rows.dtype, rows.shape[1:])


__all__ = ["nested"]
