"""What makes two graphs the same computation, as one hash: the key of what is compiled from them."""

from __future__ import annotations

import hashlib

from .graph import Graph
from .node import ARRAY, ConstantArray
from .types import ArrayType

_PLAIN = (int, str, bool, type(None), bytes)


def identity(graph: Graph) -> str | None:
    """The hash of a graph's operations, types, constants by their bits, captured arrays by their content; names do not count.

    None when an attribute has no text that says all of it. A graph keeps its hash: bodies of loops stand in every output of these, and in one another.
    """
    if "identity" not in graph.__dict__:
        graph.__dict__["identity"] = _identity(graph)
    return graph.__dict__["identity"]


def _identity(graph: Graph) -> str | None:
    positions: dict = {}
    types: dict[ArrayType, str] = {}
    rows = []
    try:
        for node in graph.nodes:
            kind = types.get(node.type)
            if kind is None:
                kind = types[node.type] = repr(node.type)
            attrs = ",".join(map(_text, node.attrs)) if node.attrs else ""
            operands = " ".join([positions[operand] for operand in node.inputs])
            positions[node] = str(len(positions))
            rows.append(f"{node.op.name}|{operands}|{kind}|{attrs}")
    except TypeError:
        return None
    ends = [" ".join([positions[node] for node in nodes]) for nodes in (graph.inputs, graph.outputs)]
    return hashlib.blake2b("\n".join([*rows, *ends]).encode(), digest_size=20).hexdigest()


def captured_arrays(graph: Graph) -> list:
    """The captured arrays of a graph, as :class:`ConstantArray`, in the order of its nodes."""
    return [node.attrs[1] for node in graph.nodes if node.op is ARRAY]


def _text(attribute) -> str:
    kind = type(attribute)
    if kind in _PLAIN:
        return repr(attribute)
    if kind is tuple:
        return f"({','.join(map(_text, attribute))})"
    if kind is slice:
        return f"slice{_text((attribute.start, attribute.stop, attribute.step))}"
    if kind is ArrayType:
        return repr(attribute)
    if kind is ConstantArray:
        return repr(attribute.digest)
    if kind is Graph:
        found = identity(attribute)
        if found is not None:
            return found
    raise TypeError(f"{attribute!r} has no text that says all of it")
