"""One run of a stream as a loop: what its body reads from where, and the loop's outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..graph.graph import Graph
from ..graph.node import CONSTANT, Node, constant_value
from ..ops import TABLE
from ..trace.context import Trace
from ..trace.value import Traced, as_traced, make
from .bodies import Body, reshaped, rows_of
from .distribute import outputs_of
from .packing import nested
from .stream import ordered_operands, split

INDEX, RESHAPE, TRANSPOSE = (TABLE[name] for name in ("index", "reshape", "transpose"))


class Unrollable(Exception):
    """This run reads arrays in a way that no loop node has."""

    def __init__(self, run: int):
        super().__init__(run)
        self.run = run


class Repetition:
    """One run as the body of a loop. Operands are named by where they come from; equal names are one input."""

    def __init__(self, roller, number: int):
        self.roller = roller
        self.stream = roller.stream
        self.number = number
        self.run = run = roller.runs[number]
        self.front, self.turned = roller.fronts[number]
        self.states: dict[int, int] = {}                # leaf -> the largest lag it is read with
        self.reads: dict[tuple[int, int], int] = {}     # (leaf, lag) -> its number
        self.rows: dict[tuple, Traced] = {}
        self.wholes: dict[tuple, Traced] = {}
        self.numbers: dict[tuple, Node] = {}
        self.operands = [self._operands(leaf) for leaf in range(run.period)]

    def _operands(self, leaf: int) -> list[tuple]:
        """The name of each operand of a token of the body."""
        first, second, third = [self._given(leaf, k) for k in range(3)]
        return [self._carried(b, c) or self._name(leaf, position, a, b) for position, (a, b, c) in enumerate(zip(first, second, third))]

    def _given(self, leaf: int, iteration: int) -> Sequence[Node]:
        found = ordered_operands(self.stream.nodes[self.run.start + leaf + iteration * self.run.period])
        return found[::-1] if not iteration and leaf in self.turned else found

    def _carried(self, second: Node, third: Node) -> tuple | None:
        """The last value of a leaf that something else stands in front of."""
        token, after = self.stream.token_of(second), self.stream.token_of(third)
        if token is None or after is None or after - token != self.run.period or token - self.run.start not in self.front:
            return None
        return self._value(token - self.run.period, self.run.period)

    def _name(self, leaf: int, position: int, first: Node, second: Node) -> tuple:
        if first.op is CONSTANT:
            return self._number(leaf, position)
        token = self.stream.token_of(first)
        if token is not None:
            return self._value(token, self.stream.token_of(second) - token)
        if first is second:
            return self._whole(("node", first), first)
        array, other = (self.stream.token_of(each.inputs[0]) for each in (first, second))
        if array == other:
            return self._elements(first, second)
        if first.attrs != second.attrs:
            raise Unrollable(self.number)
        return "element", self._value(array, other - array), first.attrs[0]

    def _value(self, token: int, step: int) -> tuple:
        run = self.run
        if step == 0:
            return self._whole(("node", self.stream.nodes[token]), self.stream.nodes[token])
        back, leaf = divmod(token - run.start, run.period)
        if step == run.period and token >= run.start:
            return "leaf", leaf
        if step == run.period and -back < run.count:
            self.states[leaf] = max(self.states.get(leaf, 0), -back)
            self.reads.setdefault((leaf, -back), len(self.reads))
            return "read", leaf, -back
        name = "values", token, step
        if name not in self.rows:
            self.rows[name] = self.roller.sequence(token + step * np.arange(run.count))
        return name

    def _whole(self, name: tuple, node: Node) -> tuple:
        if name not in self.wholes:
            self.wholes[name] = self.roller.value(node)
        return name

    def _elements(self, first: Node, second: Node) -> tuple:
        """Elements of an array at a constant stride: a slice of it, or of its elements in a row."""
        a, b = first.attrs[0], second.attrs[0]
        name = "elements", first.inputs[0], a, b
        if name in self.rows:
            return name
        array, count = self.roller.value(first.inputs[0]), self.run.count
        moves = [axis for axis, (x, y) in enumerate(zip(a, b)) if x != y]
        if len(moves) == 1 and self.stays_inside(first.inputs[0], a, b, moves[0]):
            axis = moves[0]
            spec = tuple([(x, count, y - x) if k == axis else x for k, (x, y) in enumerate(zip(a, b))])
            place = sum(not isinstance(each, int) for each in a[:axis])
            rows = make(INDEX, (array,), (spec,))
            order = (place, *[k for k in range(rows.ndim) if k != place])
            self.rows[name] = make(TRANSPOSE, (rows,), (order,)) if place else rows
            return name
        axes = [axis for axis, each in enumerate(a) if isinstance(each, int)]
        if axes != list(range(len(axes))):
            raise Unrollable(self.number)
        start, after = (split(each)[0] for each in (first, second))
        flat = make(RESHAPE, (array,), ((math.prod(array.shape[:len(axes)]), *array.shape[len(axes):]),))
        rows = rows_of(flat, start, count, after - start)
        self.rows[name] = make(INDEX, (rows,), (((0, count, 1), *a[len(axes):]),))
        return name

    def stays_inside(self, array: Node, first: tuple, second: tuple, axis: int) -> bool:
        """Do elements that begin with these two go along one axis, without a turn at its end?"""
        last = first[axis] + (self.run.count - 1) * (second[axis] - first[axis])
        return 0 <= last < array.type.shape[axis]

    def body_nodes(self) -> list[Node]:
        """The operations of the first iteration."""
        return self.stream.nodes[self.run.start:self.run.start + self.run.period]

    def _number(self, leaf: int, position: int) -> tuple:
        tokens = self.stream.nodes[self.run.start + leaf:self.run.stop:self.run.period]
        first = self._given(leaf, 0)[position]
        alone = sum(operand.op is CONSTANT for operand in tokens[0].inputs) == 1  # then it is the same wherever it is among the operands
        found = None if alone and all([first in node.inputs for node in tokens]) else [
            self._given(leaf, iteration)[position] for iteration in range(self.run.count)]
        if found is None or all([each is first for each in found]):
            self.numbers["number", first] = first
            return "number", first
        name = "numbers", *found
        if name not in self.rows:
            self.rows[name] = as_traced(np.array([constant_value(each) for each in found], first.type.dtype), self.roller.trace)
        return name

    def outputs(self, wanted: Sequence[int]) -> list[Traced]:
        """The values of these leaves over all iterations."""
        return nested(self, wanted, self.roller.again) or self._flat(wanted)

    def _flat(self, wanted: Sequence[int]) -> list[Traced]:
        inner = Trace(self.roller.trace.name)
        inputs: list[Node] = []

        def given(type) -> Node:
            inputs.append(inner.builder.input(type, len(inputs)))
            return inputs[-1]
        nodes = self.stream.nodes
        found: dict[tuple, Node] = {("read", *read): given(nodes[self.run.start + read[0]].type) for read in self.reads}
        found |= {name: given(value.node.type.with_shape(value.shape[1:])) for name, value in self.rows.items()}
        found |= {name: given(value.node.type) for name, value in self.wholes.items()}
        for name, number in self.numbers.items():
            found[name] = inner.builder.node(CONSTANT, (), number.attrs)
        for leaf, operands in enumerate(self.operands):
            node = nodes[self.run.start + leaf]
            for name in operands:
                if name[0] == "element":
                    found[name] = inner.builder.node(INDEX, (found[name[1]],), (name[2],), node.where)
            found["leaf", leaf] = inner.builder.node(node.op, tuple([found[name] for name in operands]), node.attrs, node.where)
        states = list(self.states)
        leaves = [*states, *[leaf for leaf in wanted if leaf not in self.states]]
        made = [found["leaf", leaf] for leaf in leaves]
        body = Body(Graph(inputs, made, name=inner.name), self.run.count, [self._before(leaf) for leaf in states],
                    [(states.index(leaf), lag) for leaf, lag in self.reads], list(self.rows.values()), list(self.wholes.values()))
        return outputs_of(body, [leaves.index(leaf) for leaf in wanted], self.roller.trace)

    def _before(self, leaf: int) -> Traced:
        """What the first iterations read of a state."""
        if leaf in self.front:
            value = self.roller.value(self.front[leaf])
            return reshaped(value, (1, *value.shape))
        return self.roller.sequence(self.run.start + leaf + self.run.period * np.arange(-self.states[leaf], 0))
