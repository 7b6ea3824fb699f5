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
    """One element of an array that is known before all loops, read where it is needed."""
    return node.op is INDEX and node.type.shape == ()


def can_roll(node: Node) -> bool:
    """Can the operation stand in the body of a loop?"""
    return node.op.kind == "elementwise" and node.type.shape == () and all([o.type.shape == () for o in node.inputs])


def ordered_operands(node: Node) -> Sequence[Node]:
    """The operands in an order that does not depend on which was made first: values, elements, sources, numbers."""
    inputs = node.inputs
    if node.op.commutative and _rank(inputs[0]) > _rank(inputs[1]):
        return inputs[1], inputs[0]
    return inputs


def _rank(node: Node) -> int:
    if node.op is CONSTANT:
        return 3
    if node.op.kind == "source":
        return 2
    return 1 if is_element(node) else 0


def read_stream(outputs: Sequence[Node]) -> Stream:
    """The stream of what these outputs need."""
    nodes: list[Node] = []
    token_of: dict[Node, int] = {}
    sorts: dict[Node, tuple] = {}
    numbers: dict[tuple, int] = {}
    kinds: list[int] = []
    rows: list[tuple] = []
    flags: list[tuple] = []
    alone = -1
    for node in live_nodes(outputs):
        if node.op.kind == "source" or is_element(node):
            sorts[node] = _sort(node, token_of)
            continue
        token = len(nodes)
        if can_roll(node):
            found = [sorts[operand] for operand in ordered_operands(node)]
            key = (node.op, node.attrs, *[sort for sort, _, _ in found])
            kinds.append(numbers.setdefault(key, len(numbers)))
            row = flag = ()
            for _, address, is_value in found:
                row += address
                flag += is_value
            rows.append(row)
            flags.append(flag)
        else:
            kinds.append(alone)
            alone -= 1
            rows.append(())
            flags.append(())
        token_of[node] = token
        nodes.append(node)
        sorts[node] = (node.type, (token,), (True,))
    return Stream(nodes, token_of, np.array(kinds, np.int64), _matrix(rows, np.int64), _matrix(flags, bool))


def _sort(node: Node, token_of: dict[Node, int]) -> tuple:
    """(what an operand is, as part of the kind of its user; its addresses; which of these are of values)."""
    if node.op is CONSTANT:
        return ("number", node.type, node.attrs[2]), (), ()
    if node.op.kind == "source":
        return ("source", node), (), ()
    array, spec = node.inputs[0], node.attrs[0]
    if array.op.kind == "source":
        return ("element", array), spec, (False,) * len(spec)
    if array not in token_of:   # an element of an element of an array of arrays: left alone
        return ("source", node), (), ()
    return ("element", array.type), (token_of[array], *spec), (True, *(False,) * len(spec))


def _matrix(rows: list[tuple], dtype) -> np.ndarray:
    width = max(map(len, rows), default=0)
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    result = np.zeros((len(rows), width), dtype)
    result[np.arange(width) < lengths[:, None]] = np.fromiter((x for row in rows for x in row), dtype, int(lengths.sum()))
    return result
