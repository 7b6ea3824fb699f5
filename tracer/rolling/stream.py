"""A graph as arrays: what each of its operations is, and where its operands come from.

Two operations are of one *kind* when they do the same to operands of the same sort; which values, elements and numbers they take does not matter. Values
have as address their place in the stream, elements of arrays their indices; numbers have none, since a table can hold any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..graph.graph import live_nodes
from ..graph.node import CONSTANT, Node
from ..ops import TABLE

INDEX = TABLE["index"]
VALUE, ELEMENT, SOURCE, NUMBER = range(4)  # what an operand is; operands of commutative operations are ordered by it
MOST_OPERANDS = 16  # of an operation in a loop


@dataclass(frozen=True, slots=True)
class Stream:
    """The operations of a graph in the order of their creation.

    ``nodes``      one per token; elements of arrays and sources are no tokens, but operands
    ``token_of``   the place of each in the stream
    ``kinds``      equal numbers for operations of one kind; what cannot be rolled has a number of its own
    ``addresses``  (tokens, width): of the operands, elements and values alike, filled up with 0
    ``is_value``   of the same shape: is the address one of a value?
    """

    nodes: list[Node]
    token_of: dict[Node, int]
    kinds: np.ndarray
    addresses: np.ndarray
    is_value: np.ndarray


def is_element(node: Node) -> bool:
    """An element of an array, or a row of it: read where it is needed."""
    return node.op is INDEX and node.type.ndim < node.inputs[0].type.ndim


def split(spec: tuple) -> tuple[tuple[int, ...], tuple]:
    """The indices of an element, and what of the spec goes to the kind: everything else."""
    return tuple([each for each in spec if isinstance(each, int)]), tuple([None if isinstance(each, int) else each for each in spec])


def ordered_operands(node: Node) -> Sequence[Node]:
    """The operands in an order that does not depend on which was made first: values, elements, sources, numbers."""
    inputs = node.inputs
    if node.op.commutative and _class_of(inputs[0]) > _class_of(inputs[1]):
        return inputs[1], inputs[0]
    return inputs


def _class_of(node: Node) -> int:
    if node.op is CONSTANT:
        return NUMBER
    if node.op.kind == "source":
        return SOURCE
    return ELEMENT if is_element(node) else VALUE


def read_stream(outputs: Sequence[Node]) -> Stream:
    """The stream of what these outputs need."""
    live = live_nodes(outputs)
    position = {node: k for k, node in enumerate(live)}
    operands = _Operands(live, position)
    tokens = np.flatnonzero(operands.classes == VALUE)
    rolls = np.array([_can_roll(live[k]) for k in tokens.tolist()], bool)
    given = _inputs(live, tokens, rolls, position)
    swapped = np.array([live[k].op.commutative for k in tokens.tolist()], bool) & (given.shape[1] > 1)
    if given.shape[1] > 1:
        swapped &= operands.class_at(given[:, 0]) > operands.class_at(given[:, 1])
        given[swapped, :2] = given[swapped, 1::-1]
    kinds = _numbered([(live[k].op, live[k].attrs) for k in tokens.tolist()])
    for column in given.T:
        kinds = _paired(kinds, operands.sort_at(column))
    kinds[~rolls] = -1 - np.arange(len(kinds))[~rolls]
    place = np.full(len(live) + 1, -1)
    place[tokens] = np.arange(len(tokens))
    addresses, is_value = operands.addresses(given, place)
    nodes = [live[k] for k in tokens.tolist()]
    return Stream(nodes, dict(zip(nodes, range(len(nodes)))), kinds, addresses, is_value)


def _can_roll(node: Node) -> bool:
    return node.op.kind == "elementwise" or (node.op.kind != "loop" and len(node.inputs) <= MOST_OPERANDS)


def _inputs(live: list[Node], tokens: np.ndarray, rolls: np.ndarray, position: dict[Node, int]) -> np.ndarray:
    """The positions of the operands of what can be rolled, one row each, filled up with -1."""
    rolling = tokens[rolls].tolist()
    counts = np.fromiter([len(live[k].inputs) for k in rolling], np.int64, len(rolling))
    flat = np.fromiter([position[operand] for k in rolling for operand in live[k].inputs], np.int64, int(counts.sum()))
    width = int(counts.max(initial=0))
    inner = np.full((len(rolling), width), -1)
    inner[np.arange(width) < counts[:, None]] = flat
    result = np.full((len(tokens), width), -1)
    result[rolls] = inner
    return result


def _numbered(keys: list) -> np.ndarray:
    """Equal numbers for equal keys."""
    numbers: dict = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def _paired(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Equal numbers for equal pairs."""
    both = first * (int(second.max(initial=0)) + 2) + second + 1
    return np.unique(both, return_inverse=True)[1]


class _Operands:
    """What each live node is as an operand: its class, its sort as part of the kind of its users, its addresses."""

    def __init__(self, live: list[Node], position: dict[Node, int]):
        self.classes = np.array([_class_of(node) for node in live], np.int8)
        elements = np.flatnonzero(self.classes == ELEMENT).tolist()
        of = {k: live[k].inputs[0] for k in elements}
        self._array = np.full(len(live) + 1, -1)      # of an element of an array that is computed: that array
        for k, array in of.items():
            if array.op.kind != "source":
                self._array[k] = position[array]
        parts = {k: split(live[k].attrs[0]) for k in elements}
        keys = {VALUE: lambda k: live[k].type, NUMBER: lambda k: (live[k].type, live[k].attrs[2]), SOURCE: lambda k: live[k],
                ELEMENT: lambda k: (of[k] if self._array[k] < 0 else of[k].type, parts[k][1])}
        self._sorts = np.append(_numbered([(c, keys[c](k)) for k, c in enumerate(self.classes.tolist())]), -1)
        lengths = np.array([len(parts[k][0]) for k in elements], np.int64)
        self._indices = np.zeros((len(live) + 1, int(lengths.max(initial=0))), np.int64)
        filled = np.arange(self._indices.shape[1]) < lengths[:, None]
        rows = np.zeros(filled.shape, np.int64)
        rows[filled] = np.fromiter([index for k in elements for index in parts[k][0]], np.int64, int(lengths.sum()))
        self._indices[elements] = rows

    def class_at(self, positions: np.ndarray) -> np.ndarray:
        return np.append(self.classes, -1)[positions]

    def sort_at(self, positions: np.ndarray) -> np.ndarray:
        return self._sorts[positions]

    def addresses(self, given: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each operand one column for the value, or the array of an element, and one for each index."""
        columns, flags = [], []
        for positions in given.T:
            token = place[np.where(self._array[positions] >= 0, self._array[positions], positions)]
            columns += [np.maximum(token, 0), *self._indices[positions].T]
            flags += [token >= 0, *[np.zeros(len(token), bool)] * self._indices.shape[1]]
        shape = (given.shape[0], 0)
        return (np.stack(columns, axis=1), np.stack(flags, axis=1)) if columns else (np.zeros(shape, np.int64), np.zeros(shape, bool))
