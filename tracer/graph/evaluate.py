"""A graph's meaning: evaluation by NumPy, node by node. The oracle that compiled code is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .graph import Graph
from .node import Node, constant_value


def evaluate_nodes(nodes: Sequence[Node], values: Mapping[Node, np.ndarray]) -> dict[Node, np.ndarray]:
    """The NumPy value of each node of a topologically ordered list, given those of the inputs."""
    result = dict(values)
    with np.errstate(all="ignore"):
        for node in nodes:
            if node in result:
                continue
            if node.op.kind == "source":
                result[node] = constant_value(node)
            else:
                value = node.op.evaluate(*[result[operand] for operand in node.inputs], *node.attrs)
                result[node] = np.asarray(value, node.type.dtype)
    return result


def evaluate(graph: Graph, *arguments) -> tuple[np.ndarray, ...]:
    """The outputs of a graph for these arguments (one array or number per input), computed by NumPy."""
    if len(arguments) != len(graph.inputs):
        raise TypeError(f"the graph {graph.name} has {len(graph.inputs)} inputs, {len(arguments)} arguments were given")
    values = {}
    for node, argument in zip(graph.inputs, arguments):
        array = np.asarray(argument, node.type.dtype)
        if array.shape != node.type.shape:
            raise ValueError(f"argument of shape {array.shape} where the graph has {node.type}")
        values[node] = array
    result = evaluate_nodes(graph.nodes, values)
    return tuple(result[node] for node in graph.outputs)
