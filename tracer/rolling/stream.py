"""A graph as arrays: what each of its operations is, and where its operands come from.

Two operations are of one *kind* when they do the same to operands of the same sort; which values, elements and numbers they take does not matter. Values
have as address their place in the stream, elements of arrays their indices; numbers have none, since a table can hold any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..graph.node import CONSTANT, Node
from ..ops import TABLE

INDEX, ASSEMBLE = TABLE["index"], TABLE["assemble"]
_AS_ANY = TABLE["while"], TABLE["branch"]  # loops and branches that stand in a loop as any operation does
VALUE, ELEMENT, SOURCE, NUMBER = range(4)  # what an operand is; operands of commutative operations are ordered by it
FEWEST = 4           # iterations that are worth a loop
MOST_OPERANDS = 16  # whose addresses stand in a stream; of the others of a wide operation it is asked once a run is known


@dataclass(frozen=True, slots=True)
class Stream:
    """The operations of a graph in the order of their creation.

    ``nodes``      one per token; elements of arrays and sources are no tokens, but operands
    ``places``     the place of each in the stream, by the number of the node; -1 for what is no token
    ``kinds``      equal numbers for operations of one kind; what cannot be rolled has a number of its own
    ``addresses``  (tokens, width): of the operands, elements and values alike, filled up with 0
    ``is_value``   of the same shape: is the address one of a value?
    """

    nodes: list[Node]
    places: np.ndarray
    kinds: np.ndarray
    addresses: np.ndarray
    is_value: np.ndarray

    def token_of(self, node: Node) -> int | None:
        """The place of a node in the stream."""
        place = self.places[node.id] if node.id < len(self.places) else -1
        return None if place < 0 else int(place)


def is_element(node: Node) -> bool:
    """An element of an array, or a row of it: read where it is needed."""
    return node.op is INDEX and node.type.ndim < node.inputs[0].type.ndim


def split(node: Node) -> tuple[int, tuple]:
    """Where an element or row lies among those of its array, counted in C order of the axes that are indexed; and what of the spec goes to the kind."""
    at, rest = 0, []
    for index, extent in zip(node.attrs[0], node.inputs[0].type.shape):
        if isinstance(index, int):
            at = at * extent + index
            rest.append(None)
        else:
            rest.append(index)
    return at, tuple(rest)


def ordered_operands(node: Node) -> Sequence[Node]:
    """The operands in an order that does not depend on which was made first: values, elements by their array, sources, numbers."""
    inputs = node.inputs
    if node.op.commutative and _rank_of(inputs[0]) > _rank_of(inputs[1]):
        return inputs[1], inputs[0]
    return inputs


def _rank_of(node: Node) -> tuple[int, int]:
    each = _class_of(node)
    return each, node.inputs[0].id if each == ELEMENT else 0


def _class_of(node: Node) -> int:
    if node.op is CONSTANT:
        return NUMBER
    if node.op.kind == "source":
        return SOURCE
    return ELEMENT if is_element(node) else VALUE


def read_stream(live: Sequence[Node]) -> Stream:
    """The stream of these nodes, in the order of their creation."""
    position = np.full(live[-1].id + 1, -1)
    position[[node.id for node in live]] = np.arange(len(live))
    operands = _Operands(live, position)
    tokens = np.flatnonzero(operands.classes == VALUE)
    nodes = [live[k] for k in tokens.tolist()]
    kinds = _numbered([(node.op, node.attrs) for node in nodes])
    rolls = (np.bincount(kinds)[kinds] >= FEWEST) & np.array([node.op.kind == "elementwise" or _can_roll(node) for node in nodes], bool)
    given = _inputs(nodes, rolls, position)
    if given.shape[1] > 1:
        swapped = np.array([node.op.commutative for node in nodes], bool)
        swapped &= operands.rank_at(given[:, 0]) > operands.rank_at(given[:, 1])
        given[swapped, :2] = given[swapped, 1::-1]
    for column in given.T:
        there = column >= 0
        kinds[there] = kinds.max() + 1 + _paired(kinds[there], operands.sorts[column[there]])
    kinds[~rolls] = -1 - np.flatnonzero(~rolls)
    place = np.full(len(live), -1)
    place[tokens] = np.arange(len(tokens))
    addresses, is_value = operands.addresses(given, place)
    places = np.full(len(position), -1)
    places[[node.id for node in nodes]] = np.arange(len(nodes))
    return Stream(nodes, places, kinds, addresses, is_value)


def _can_roll(node: Node) -> bool:
    return (node.op.kind != "loop" or node.op in _AS_ANY) and (len(node.inputs) <= MOST_OPERANDS or node.op is ASSEMBLE)


def _inputs(nodes: list[Node], rolls: np.ndarray, position: np.ndarray) -> np.ndarray:
    """The positions of the first operands of what can be rolled, one row each, filled up with -1."""
    rolling = [nodes[k].inputs[:MOST_OPERANDS] for k in np.flatnonzero(rolls).tolist()]
    counts = np.fromiter(map(len, rolling), np.int64, len(rolling))
    flat = position[np.array([operand.id for inputs in rolling for operand in inputs], np.int64)]
    width = int(counts.max(initial=0))
    inner = np.full((len(rolling), width), -1)
    inner[np.arange(width) < counts[:, None]] = flat
    result = np.full((len(nodes), width), -1)
    result[rolls] = inner
    return result


def _numbered(keys: list) -> np.ndarray:
    """Equal numbers for equal keys."""
    numbers: dict = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def _paired(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Equal numbers for equal pairs."""
    both = first * (int(second.max(initial=0)) + 1) + second
    return np.unique(both, return_inverse=True)[1]


class _Operands:
    """What each live node is as an operand: its class, its sort as part of the kind of its users, its addresses."""

    def __init__(self, live: list[Node], position: np.ndarray):
        self.classes = np.array([VALUE if node.op.kind == "elementwise" else _class_of(node) for node in live], np.int8)
        self._array = np.full(len(live), -1)      # of an element of an array that is computed: that array
        self._index = np.zeros(len(live), np.int64)
        self._ranks = self.classes.astype(np.int64) << 48     # for the order of operands: elements by their array
        self.sorts = self._sorts(live, position)

    def _sorts(self, live: list[Node], position: np.ndarray) -> np.ndarray:
        numbers: dict = {}
        sorts = np.array([numbers.setdefault(node.type, len(numbers)) for node in live], np.int64)
        for k in np.flatnonzero(self.classes != VALUE).tolist():
            node = live[k]
            if node.op is CONSTANT:
                key = NUMBER, node.type, node.attrs[2]
            elif node.op.kind == "source":
                key = node
            else:
                array = node.inputs[0]
                self._index[k], rest = split(node)
                self._ranks[k] += array.id
                if array.op.kind == "source" or is_element(array):
                    key = ELEMENT, array, rest
                else:
                    self._array[k] = position[array.id]
                    key = ELEMENT, array.type, rest
            sorts[k] = numbers.setdefault(key, len(numbers))
        return sorts

    def rank_at(self, positions: np.ndarray) -> np.ndarray:
        return np.where(positions >= 0, self._ranks[positions], -1)

    def addresses(self, given: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each operand the place of the value, the index of the element, or both in two columns for elements of what is computed."""
        columns, flags = [], []
        for positions in given.T:
            there = positions >= 0
            array = np.where(there, self._array[positions], -1)
            index = np.where(there, self._index[positions], 0)
            is_computed = array >= 0
            token = np.where(is_computed, place[array], np.where(there, place[positions], -1))
            columns.append(np.where(token >= 0, token, index))
            flags.append(token >= 0)
            if is_computed.any():
                columns.append(np.where(is_computed, index, 0))
                flags.append(np.zeros(len(token), bool))
        shape = (given.shape[0], 0)
        return (np.stack(columns, axis=1), np.stack(flags, axis=1)) if columns else (np.zeros(shape, np.int64), np.zeros(shape, bool))
