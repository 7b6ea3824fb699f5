"""The stable text of a graph, its JSON and its drawing.

Text and JSON number live nodes from zero in topological order, so that the same function gives the same bytes in every process.
"""

from __future__ import annotations

import html
import json
import shutil
import subprocess

import numpy as np

from .graph import Graph
from .node import ARRAY, CONSTANT, INPUT, Builder, Node, constant_value, user_line
from .types import array_type

DRAWN_NODES = 400  # above this many nodes a drawing helps nobody


def constant_text(node: Node) -> str:
    """A constant as Python would write it."""
    value = constant_value(node)
    if node.op is ARRAY:
        return f"array({value.dtype.name}{list(value.shape)}, {node.attrs[1].digest[2].hex()[:8]})"
    return repr(value.item()) + (f":{value.dtype.name}" if value.dtype.name not in ("float64", "int64", "bool") else "")


def attribute_text(attribute) -> str:
    if isinstance(attribute, slice):
        parts = [attribute.start, attribute.stop, *([attribute.step] if attribute.step != 1 else [])]
        return ":".join("" if p is None else str(p) for p in parts)
    if isinstance(attribute, tuple):
        return "(" + ", ".join(map(attribute_text, attribute)) + ("," if len(attribute) == 1 else "") + ")"
    return str(attribute)


def node_texts(graph: Graph) -> dict[Node, str]:
    """How operands refer to each live node: a name for inputs, the number itself for constants, %k for the rest."""
    texts = {node: name for node, name in zip(graph.inputs, graph.input_names)}
    count = 0
    for node in graph.nodes:
        if node.op is CONSTANT:
            texts[node] = constant_text(node)
        elif node not in texts:
            texts[node] = f"%{count}"
            count += 1
    return texts


def format_graph(graph: Graph, lines: bool = False) -> str:
    """One line a node: ``%3 = multiply(%1, x) : float64[5]``; with ``lines`` the user's line behind it."""
    texts = node_texts(graph)
    head = ", ".join(f"{name}: {node.type}" for name, node in zip(graph.input_names, graph.inputs))
    result = [f"{graph.name}({head})"]
    for node in graph.nodes:
        if node.op in (INPUT, CONSTANT):
            continue
        operands = [texts[o] for o in node.inputs]
        if node.op is ARRAY:
            right = constant_text(node)
        else:
            right = f"{node.op.name}({', '.join(operands + [attribute_text(a) for a in node.attrs])})"
        comment = f"    # {user_line(node)}" if lines and node.where else ""
        result.append(f"  {texts[node]} = {right} : {node.type}{comment}")
    result.append("  return " + ", ".join(f"{name}={texts[node]}" for name, node in zip(graph.output_names, graph.outputs)))
    return "\n".join(result)


def _json_attribute(attribute):
    if isinstance(attribute, tuple):
        return {"tuple": [_json_attribute(a) for a in attribute]}
    if isinstance(attribute, slice):
        return {"slice": [attribute.start, attribute.stop, attribute.step]}
    if attribute is None or isinstance(attribute, (bool, int, str)):
        return attribute
    raise TypeError(f"attribute {attribute!r} has no JSON form")


def _from_json_attribute(value):
    if isinstance(value, dict):
        kind, content = next(iter(value.items()))
        return slice(*content) if kind == "slice" else tuple(_from_json_attribute(v) for v in content)
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
                                tuple(_from_json_attribute(a) for a in row["attrs"]))
        nodes.append(node)
    names, inputs = zip(*data["inputs"]) if data["inputs"] else ((), ())
    labels, outputs = zip(*data["outputs"]) if data["outputs"] else ((), ())
    return Graph([nodes[i] for i in inputs], [nodes[i] for i in outputs], names, labels, data["name"])


def to_dot(graph: Graph) -> str:
    """The graph in Graphviz' DOT language, operands above their users."""
    texts = node_texts(graph)
    lines = [f'digraph "{graph.name}" {{', '  node [fontname="monospace", fontsize=10, shape=box, style="rounded,filled", fillcolor="#f4f6fb", color="#8090b0"];',
             '  edge [color="#8090b0", arrowsize=0.6];']
    constants = 0
    for node in graph.nodes:
        if node.op is CONSTANT:
            continue
        if node.op is INPUT:
            lines.append(f'  n{node.id} [label="{texts[node]}\\n{node.type}", fillcolor="#dff0d8"];')
            continue
        label = constant_text(node) if node.op is ARRAY else node.op.name + "".join(f"\\n{attribute_text(a)}" for a in node.attrs)
        lines.append(f'  n{node.id} [label="{label}\\n{node.type}"];')
        for operand in node.inputs:
            if operand.op is CONSTANT:
                lines.append(f'  c{constants} [label="{constant_text(operand)}", shape=plaintext, style=""];')
                lines.append(f"  c{constants} -> n{node.id};")
                constants += 1
            else:
                lines.append(f"  n{operand.id} -> n{node.id};")
    for k, (name, node) in enumerate(zip(graph.output_names, graph.outputs)):
        lines.append(f'  out{k} [label="{name}", shape=ellipse, fillcolor="#fcf3d9"];')
        source = f"n{node.id}"
        if node.op is CONSTANT:
            lines.append(f'  c{constants} [label="{constant_text(node)}", shape=plaintext, style=""];')
            source, constants = f"c{constants}", constants + 1
        lines.append(f"  {source} -> out{k};")
    return "\n".join([*lines, "}"])


def to_html(graph: Graph) -> str:
    """For notebooks: a drawing where Graphviz is installed and the graph is small enough to be read, and the text."""
    text = f"<pre>{html.escape(format_graph(graph))}</pre>"
    if len(graph.nodes) <= DRAWN_NODES and shutil.which("dot"):
        drawn = subprocess.run(["dot", "-Tsvg"], input=to_dot(graph), capture_output=True, text=True, check=False)
        if drawn.returncode == 0:
            return drawn.stdout[drawn.stdout.index("<svg"):] + text
    return text
