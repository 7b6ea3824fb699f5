"""What a legal graph is. Every pass is followed by this in the tests."""

from __future__ import annotations

import numpy as np

from .graph import Graph
from .node import ARRAY, CONSTANT, INPUT
from .op import Op
from .types import ArrayType, array_type


class IllegalGraph(AssertionError):
    """A pass has made a graph that breaks a rule. Always a bug of this package."""


def _check(condition: bool, node, rule: str) -> None:
    if not condition:
        raise IllegalGraph(f"{node!r}: {rule}")


def verify(graph: Graph) -> Graph:
    """Check every rule of a legal graph and return it.

    Operands come before their users; a node is what its operation infers; there is one copy of each node; sources have the attributes
    of their kind; inputs are INPUT nodes at their position, and no live INPUT is missing among them.
    """
    seen: dict[tuple, object] = {}
    previous = -1
    for node in graph.nodes:
        _check(isinstance(node.op, Op), node, "its operation is no record")
        _check(isinstance(node.type, ArrayType) and node.type is array_type(node.type.dtype, node.type.shape), node, "its type is not interned")
        _check(isinstance(node.inputs, tuple) and isinstance(node.attrs, tuple), node, "inputs and attributes are tuples")
        _check(node.id > previous, node, "two nodes of one id")
        previous = node.id
        for operand in node.inputs:
            _check(operand.id < node.id, node, f"operand %{operand.id} comes later")
        key = (node.op, node.inputs, node.attrs)
        _check(key not in seen, node, "stands twice in the graph")
        seen[key] = node
        if node.op.kind == "source":
            _verify_source(node)
        else:
            _check(node.type is node.op.infer(tuple(o.type for o in node.inputs), node.attrs), node, "its type is not what its operation infers")
            if node.op.commutative:
                _check(node.inputs[0].id <= node.inputs[1].id, node, "commutative operands are not in the order of creation")
    for position, node in enumerate(graph.inputs):
        _check(node.op is INPUT and node.attrs[1] == position, node, f"is not input {position}")
    live_inputs = {node for node in graph.nodes if node.op is INPUT}
    _check(live_inputs <= set(graph.inputs), next(iter(live_inputs - set(graph.inputs)), None), "a live input is not listed")
    return graph


def _verify_source(node) -> None:
    _check(not node.inputs, node, "a source has no operands")
    _check(node.attrs[0] is node.type, node, "a source states its type")
    if node.op is CONSTANT:
        _check(node.type.ndim == 0 and len(node.attrs[1]) == node.type.dtype.itemsize, node, "a constant is 0-d, its bits those of its dtype")
    elif node.op is ARRAY:
        values = node.attrs[1].values
        _check(isinstance(values, np.ndarray) and values.shape == node.type.shape and values.dtype == node.type.dtype
               and not values.flags.writeable, node, "a captured array has its node's type and is read-only")
    else:
        _check(node.op is INPUT and node.attrs[1] >= 0, node, "is no known source")
