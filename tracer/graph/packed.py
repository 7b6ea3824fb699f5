"""Nodes as a few arrays: about 25 bytes each instead of some 250, for graphs that are kept to be looked at later."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from .graph import live_nodes
from .node import Node


class PackedNodes:
    """The nodes that some need, in topological order: operation, type and attributes by number, the user's line, operands by position."""

    __slots__ = ("_kinds", "_codes", "_columns", "_operands", "_roots")

    def __init__(self, roots: Iterable[Node]):
        roots = list(roots)
        nodes = live_nodes(roots)
        position = {node: k for k, node in enumerate(nodes)}
        kinds: dict[tuple, int] = {}
        codes: dict[int, tuple] = {id(None): (0, None)}  # by identity: a code object's hash goes through all of its code
        columns = [array("i") for _ in range(4)]
        operands = array("i")
        for node in nodes:
            code, offset = node.where or (None, 0)
            operands.extend([position[operand] for operand in node.inputs])
            row = kinds.setdefault((node.op, node.type, node.attrs), len(kinds)), codes.setdefault(id(code), (len(codes), code))[0], offset, len(operands)
            for column, entry in zip(columns, row):
                column.append(entry)
        self._kinds, self._codes = list(kinds), [code for _, code in codes.values()]
        # Arrays that have grown keep room to grow further; slices have none.
        self._columns, self._operands = [column[:] for column in columns], operands[:]
        self._roots = array("i", [position[node] for node in roots])

    def unpacked(self) -> list[Node]:
        """The nodes that were given, made anew, with equal ones still the same."""
        nodes: list[Node] = []
        start = 0
        for kind, code, offset, end in zip(*self._columns):
            op, type, attrs = self._kinds[kind]
            where = (self._codes[code], offset) if code else None
            nodes.append(Node(op, tuple([nodes[k] for k in self._operands[start:end]]), attrs, type, len(nodes), where))
            start = end
        return [nodes[k] for k in self._roots]
