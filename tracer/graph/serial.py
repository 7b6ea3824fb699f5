"""Graphs as JSON text and back.

Nodes are numbered from zero in topological order and constants stand by their bits, so that the same function gives the same bytes in every process.
"""

from __future__ import annotations

import functools
import json

import numpy as np

from .graph import Graph
from .node import ARRAY, CONSTANT, INPUT, Builder
from .types import array_type


def _json_attribute(attribute):
    if isinstance(attribute, tuple):
        return {"tuple": [_json_attribute(a) for a in attribute]}
    if isinstance(attribute, slice):
        return {"slice": [attribute.start, attribute.stop, attribute.step]}
    if isinstance(attribute, Graph):
        return {"graph": to_json(attribute)}
    if attribute is None or isinstance(attribute, (bool, int, str)):
        return attribute
    raise TypeError(f"attribute {attribute!r} has no JSON form")


def _from_json_attribute(value, graph_of):
    if isinstance(value, dict):
        kind, content = next(iter(value.items()))
        if kind == "graph":
            return graph_of(content)
        return slice(*content) if kind == "slice" else tuple(_from_json_attribute(v, graph_of) for v in content)
    return value


def to_json(graph: Graph) -> str:
    """The graph as JSON text: types, operations, operands by position, constants by their bits."""
    position = {node: i for i, node in enumerate(graph.nodes)}
    rows = []
    for node in graph.nodes:
        row = {"op": node.op.name, "dtype": node.type.dtype.name, "shape": list(node.type.shape)}
        if node.op is INPUT:
            row["position"] = node.attrs[1]
        elif node.op is CONSTANT:
            row |= {"bits": node.attrs[1].hex(), "run_time": node.attrs[2]}
        elif node.op is ARRAY:
            row["bits"] = node.attrs[1].values.tobytes().hex()
        else:
            row |= {"inputs": [position[o] for o in node.inputs], "attrs": [_json_attribute(a) for a in node.attrs]}
        rows.append(row)
    return json.dumps({"name": graph.name, "nodes": rows,
                       "inputs": [[n, position[x]] for n, x in zip(graph.input_names, graph.inputs)],
                       "outputs": [[n, position[x]] for n, x in zip(graph.output_names, graph.outputs)]})


def from_json(text: str, table) -> Graph:
    """The graph that :func:`to_json` wrote; ``table`` maps operation names to records (``tracer.ops.TABLE``)."""
    data = json.loads(text)
    builder, nodes = Builder(), []
    graph_of = functools.cache(lambda inner: from_json(inner, table))  # the outputs of one loop share its body
    for row in data["nodes"]:
        type = array_type(row["dtype"], tuple(row["shape"]))
        if row["op"] == INPUT.name:
            node = builder.input(type, row["position"])
        elif row["op"] == CONSTANT.name:
            node = builder.node(CONSTANT, (), (type, bytes.fromhex(row["bits"]), row["run_time"]))
        elif row["op"] == ARRAY.name:
            node = builder.array(np.frombuffer(bytes.fromhex(row["bits"]), type.dtype).reshape(type.shape))
        else:
            node = builder.node(table[row["op"]], tuple(nodes[i] for i in row["inputs"]),
                                tuple(_from_json_attribute(a, graph_of) for a in row["attrs"]))
        nodes.append(node)
    names, inputs = zip(*data["inputs"]) if data["inputs"] else ((), ())
    labels, outputs = zip(*data["outputs"]) if data["outputs"] else ((), ())
    return Graph([nodes[i] for i in inputs], [nodes[i] for i in outputs], names, labels, data["name"])
