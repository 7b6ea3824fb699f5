"""A ragged stretch of a stream as one walk: its memory, its table, its bodies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..graph.graph import Graph
from ..graph.node import CONSTANT, Builder, Node, constant_value
from ..graph.types import ArrayType, array_type
from ..ops import TABLE
from ..ops.walk import HEAD, Slot
from ..trace.value import Traced, as_traced, make
from .bodies import reshaped, rows_of
from .ragged import NONE, Ragged
from .stream import is_element, split
from .vectors import picked

WALK, INDEX, ASSEMBLE, GATHER, CAST, NOT_EQUAL = (TABLE[name] for name in ("walk", "index", "assemble", "gather", "cast", "not_equal"))
DENSE = 4   # of an array of which one element in so many is read, all are given


class Walk:
    """The memory holds what comes from outside, then for each operation that is needed later its values, one execution after another."""

    def __init__(self, roller, ragged: Ragged, wanted: set[int]):
        self.roller, self.ragged, self.stream = roller, ragged, roller.stream
        self.nodes = self.stream.nodes[ragged.start:ragged.stop]
        self.type = array_type(next(node.type.dtype for node in self.nodes if node.type.is_float), ())
        self.inside = ragged.inside()
        self.heads = [ragged.heads[ragged.codes == code] for code in range(len(ragged.lengths))]
        self.fixed = [self._fixed(code) for code in range(len(ragged.lengths))]
        self.pieces: list[Traced] = []
        self.cells = np.full(len(self.nodes), -1)   # where each token's value lies
        self.given = self._place_outside()          # where what comes from outside lies, by its number
        self.pieces.append(as_traced(np.zeros(1, self.type.dtype), roller.trace))   # what lies around values in an array
        self.size = sum(piece.shape[0] for piece in self.pieces)
        self.zero = self.size - 1
        self.exported = self._exported(wanted)
        self.memory = self._make()

    # -- what is read ------------------------------------------------------------------------------------------------
    def _read(self, code: int, leaf: int) -> np.ndarray:
        """The operands of an operation of a body in each execution, as :class:`Ragged` tells them."""
        return self.ragged.operands[self.heads[code] + leaf]

    def _fixed(self, code: int) -> dict[tuple[int, int], Node]:
        """The operands of a body that are one number in all executions, by (operation, position)."""
        found = {}
        for leaf in range(self.ragged.lengths[code]):
            first, *more = self._read(code, leaf)[[0, -1]]
            for position, operand in enumerate(first.tolist()):
                if NONE < operand < 0 and operand == more[0][position] and self.ragged.outside[-1 - operand].op is CONSTANT:
                    if (self._read(code, leaf)[:, position] == operand).all():
                        found[leaf, position] = self.ragged.outside[-1 - operand]
        return found

    def _places(self, code: int) -> dict[tuple[int, int], np.ndarray]:
        """Operands of a body that lie in the memory, by (operation, position): what they are in each execution."""
        found = {}
        head = int(self.heads[code][0])
        for leaf in range(self.ragged.lengths[code]):
            operands = self._read(code, leaf)
            for position in range(len(self.nodes[head + leaf].inputs)):
                if self.inside[head + leaf, position] < 0 and (leaf, position) not in self.fixed[code]:
                    found[leaf, position] = operands[:, position]
        return found

    def _place_outside(self) -> np.ndarray:
        """Where each thing from outside lies; the pieces that the front of the memory is made of."""
        outside = self.ragged.outside
        given = np.zeros(len(outside), np.int64)
        read = {number for code in range(len(self.heads)) for each in self._places(code).values() for number in np.unique(-1 - each[each < 0]).tolist()}
        sorts: dict[object, list[int]] = {}
        for number in sorted(read):
            node = outside[number]
            token = None if node.op is CONSTANT else self.stream.token_of(node)
            key = "numbers" if node.op is CONSTANT else node.inputs[0] if is_element(node) else ("values", node.type) if token is not None else node
            sorts.setdefault(key, []).append(number)
        top = 0
        for key, numbers in sorts.items():
            piece, at = self._piece(key, [outside[number] for number in numbers])
            given[numbers] = top + at
            self.pieces.append(piece.astype(self.type.dtype) if piece.dtype != self.type.dtype else piece)
            top += piece.shape[0]
        return given

    def _piece(self, key: object, nodes: list[Node]) -> tuple[Traced, np.ndarray]:
        """A vector with these, which are of one sort, and where they lie in it."""
        if key == "numbers":
            return as_traced(np.array([constant_value(node) for node in nodes]).astype(self.type.dtype), self.roller.trace), np.arange(len(nodes))
        if type(key) is tuple:
            tokens = np.array([self.stream.token_of(node) for node in nodes])
            order = np.argsort(tokens)
            return self.roller.sequence(tokens[order]), np.argsort(order)
        if key is nodes[0]:
            return reshaped(self.roller.value(key), (1,)), np.zeros(1, np.int64)
        return self._elements(key, np.array([split(node)[0] for node in nodes]))

    def _elements(self, array: Node, at: np.ndarray) -> tuple[Traced, np.ndarray]:
        """Elements of an array, by their flat indices: from the first to the last, or those alone where few of them are read."""
        flat = reshaped(self.roller.value(array), (array.type.size,))
        low, high = int(at.min()), int(at.max()) + 1
        if DENSE * len(at) >= high - low:
            return rows_of(flat, low, high - low), at - low
        return make(GATHER, (flat, as_traced(at, self.roller.trace))), np.arange(len(at))

    # -- what is made ------------------------------------------------------------------------------------------------
    def _exported(self, wanted: set[int]) -> list[list[int]]:
        """For each body the operations whose values lie in the memory; their places."""
        needed = np.zeros(len(self.nodes), bool)
        needed[[token - self.ragged.start for token in wanted]] = True
        for code in range(len(self.heads)):
            for each in self._places(code).values():
                needed[each[each >= 0]] = True
        exported: list[list[int]] = []
        for heads, length in zip(self.heads, self.ragged.lengths):
            exported.append([leaf for leaf in range(length) if needed[heads + leaf].any()])
            for leaf in exported[-1]:
                self.cells[heads + leaf] = self.size + np.arange(len(heads))
                self.size += len(heads)
        return exported

    def _make(self) -> Traced:
        bodies, slots, columns = [], [], []
        for code, heads in enumerate(self.heads):
            names, places = self._inputs(code)
            bodies.append(self._body(code, names))
            places += [self.cells[heads + leaf] for leaf in self.exported[code]]
            columns.append(np.stack(places, axis=1))
            after = carried(columns[-1], np.flatnonzero(self.ragged.codes == code), len(bodies[-1].inputs))
            slots.append(tuple([Slot(k, 0, each) for k, each in enumerate(after)]))
        starts = np.cumsum([0, *[piece.shape[0] for piece in self.pieces[:-1]]]).tolist()
        memory = make(ASSEMBLE, tuple(self.pieces), ((self.size,), tuple([((start, piece.shape[0], 1),) for start, piece in zip(starts, self.pieces)])))
        table = as_traced(steps_of(self.ragged.codes, columns, slots), self.roller.trace)
        return make(WALK, (memory, table), (*bodies, tuple(slots), False, False, 0))

    def _inputs(self, code: int) -> tuple[dict[tuple[int, int], int], list[np.ndarray]]:
        """Which input each operand in the memory is, and where the inputs lie in each execution; what always lies in one place is one input."""
        known: dict[bytes, int] = {}
        names, places = {}, []
        for name, operands in self._places(code).items():
            is_made = operands >= 0
            at = np.empty(len(operands), np.int64)
            at[is_made], at[~is_made] = self.cells[operands[is_made]], self.given[-1 - operands[~is_made]]
            names[name] = known.setdefault(at.tobytes(), len(known))
            if names[name] == len(places):
                places.append(at)
        return names, places

    def _body(self, code: int, names: dict[tuple[int, int], int]) -> Graph:
        builder, head = Builder(), int(self.heads[code][0])
        inputs = [builder.input(self.type, k) for k in range(len(set(names.values())))]
        made: list[Node] = []
        for leaf in range(self.ragged.lengths[code]):
            node = self.nodes[head + leaf]
            operands = []
            for position, operand in enumerate(self._ordered(head + leaf)):
                if self.inside[head + leaf, position] >= 0:
                    operands.append(made[self.inside[head + leaf, position]])
                elif (leaf, position) in self.fixed[code]:
                    operands.append(builder.node(CONSTANT, (), operand.attrs))
                else:
                    operands.append(self._from_memory(builder, inputs[names[leaf, position]], operand.type))
            made.append(builder.node(node.op, tuple(operands), node.attrs, node.where))
        results = [made[leaf] if made[leaf].type is self.type else builder.node(CAST, (made[leaf],), (self.type.dtype.str,)) for leaf in self.exported[code]]
        return Graph(inputs, results, name=self.roller.trace.name)

    def _ordered(self, token: int) -> list[Node]:
        """The operands of a token in the order that :class:`Ragged` has them in."""
        found = self.ragged.operands[token]
        return [self.nodes[k] if k >= 0 else self.ragged.outside[-1 - k] for k in found[found != NONE].tolist()]

    def _from_memory(self, builder: Builder, cell: Node, type: ArrayType) -> Node:
        """Bools lie in the memory as 0 and 1."""
        return cell if type is self.type else builder.node(NOT_EQUAL, (cell, builder.constant(0, self.type.dtype)))

    # -- what is asked for ---------------------------------------------------------------------------------------------
    def value(self, token: int) -> Traced:
        """The value of one operation."""
        found = make(INDEX, (self.memory,), ((int(self.cells[token - self.ragged.start]),),))
        return found if self.stream.nodes[token].type is self.type else found.astype(self.stream.nodes[token].type.dtype)

    def values(self, tokens: np.ndarray) -> Traced:
        """The values of several, as a vector."""
        found, type = picked(self.memory, self.cells[tokens - self.ragged.start]), self.stream.nodes[tokens[0]].type
        return found if type is self.type else found.astype(type.dtype)


    def assembled(self, tokens: np.ndarray, specs: Sequence[tuple[int, ...]], shape: tuple[int, ...]) -> tuple[Traced, tuple]:
        """These values at these places of an array, with zeros around; where that lies in an array of this shape."""
        at = np.array(specs).reshape(len(specs), len(shape))
        steps, moves = np.diff(at, axis=0), np.ptp(at, axis=0)
        axis = int(np.argmax(moves)) if len(shape) else 0
        if np.count_nonzero(moves) <= 1 and (steps == steps[:1]).all():
            spec: list = list(specs[0])
            if len(specs) > 1:
                spec[axis] = spec[axis], len(specs), int(steps[0, axis])
            values = self.values(tokens)
            return (values if len(specs) > 1 else reshaped(values, ())), tuple(spec)
        low, high = at.min(axis=0), at.max(axis=0) + 1
        cells = np.full(high - low, self.zero)
        cells[tuple((at - low).T)] = self.cells[tokens - self.ragged.start]
        found = make(GATHER, (self.memory, as_traced(cells, self.memory.owner)))
        return found, tuple([(int(a), int(n), 1) for a, n in zip(low, high - low)])


def carried(places: np.ndarray, executions: np.ndarray, inputs: int) -> list[int | None]:
    """For each place of a body the output that it mostly was in the execution in front; None for what is not carried from one to the next."""
    before, here = places[:-1], places[1:]
    follows = np.diff(executions) == 1
    found: list[int | None] = [None] * places.shape[1]
    for k in range(inputs):
        shares = [np.count_nonzero(follows & (here[:, k] == before[:, j])) for j in range(inputs, places.shape[1])]
        if shares and 2 * max(shares) > np.count_nonzero(follows):
            found[k] = inputs + int(np.argmax(shares))
    return found


def steps_of(codes: np.ndarray, columns: Sequence[np.ndarray], slots: Sequence[Sequence[Slot]]) -> np.ndarray:
    """The table of a walk: neighbours of one body whose places all advance by constant strides, or are carried on, are one step."""
    width = max(each.shape[1] for each in columns)
    places, free = np.zeros((len(codes), width), np.int64), np.zeros((len(codes), width), bool)
    same = codes[1:] == codes[:-1]
    for code, each in enumerate(columns):
        here = np.flatnonzero(codes == code)
        places[here, :each.shape[1]] = each
        for slot in slots[code]:
            if slot.after is not None:
                free[here, slot.pair] = True
                same[here[1:] - 1] &= each[1:, slot.pair] == each[:-1, slot.after]
    strides = np.where(free[1:], 0, np.diff(places, axis=0))
    turns = np.zeros(len(codes), bool)
    turns[2:] = (strides[1:] != strides[:-1]).any(axis=1) & same[1:] & same[:-1]
    # Where the stride changes a step begins, whose own stride is that to the next one: a change right behind it is none.
    order = np.arange(len(codes))
    group = np.maximum.accumulate(np.where(turns & ~np.append(False, turns[:-1]), order, 0))
    starts = np.flatnonzero(np.append(True, ~same) | (turns & ((order - group) % 2 == 0)))
    counts = np.diff(np.append(starts, len(codes)))
    table = np.zeros((len(starts), HEAD + 2 * width), np.int64)
    table[:, 0], table[:, 1], table[:, HEAD::2] = codes[starts], counts, places[starts]
    table[counts > 1, HEAD + 1::2] = strides[starts[counts > 1]]
    return table


__all__ = ["Walk", "carried", "steps_of"]
