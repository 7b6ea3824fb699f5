"""The stable text of a graph and its drawing.

Live nodes are numbered from zero in topological order, so that the same function gives the same bytes in every process.
"""

from __future__ import annotations

import html
import shutil
import subprocess

from .node import ARRAY, CONSTANT, INPUT, Node, constant_value, loop_of, user_line

DRAWN_NODES = 400  # above this many nodes a drawing helps nobody


def constant_text(node: Node) -> str:
    """A constant as Python would write it."""
    value = constant_value(node)
    if node.op is ARRAY:
        return f"array({value.dtype.name}{list(value.shape)}, {node.attrs[1].digest[2].hex()[:8]})"
    return repr(value.item()) + (f":{value.dtype.name}" if value.dtype.name not in ("float64", "int64", "bool") else "")


def attribute_text(attribute) -> str:
    """An attribute of a node in the text form; slices as they are written."""
    if isinstance(attribute, slice):
        parts = [attribute.start, attribute.stop, *([attribute.step] if attribute.step != 1 else [])]
        return ":".join("" if p is None else str(p) for p in parts)
    if isinstance(attribute, tuple):
        return "(" + ", ".join(map(attribute_text, attribute)) + ("," if len(attribute) == 1 else "") + ")"
    return str(attribute)


def node_texts(graph) -> dict[Node, str]:
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


def format_graph(graph, lines: bool = False) -> str:
    """One line a node: ``%3 = multiply(%1, x) : float64[5]``; with ``lines`` the user's line behind it."""
    texts = node_texts(graph)
    head = ", ".join(f"{name}: {node.type}" for name, node in zip(graph.input_names, graph.inputs))
    result = [f"{graph.name}({head})"]
    bodies: dict[tuple, str] = {}  # which node a loop or branch is written out at
    for node in graph.nodes:
        if node.op in (INPUT, CONSTANT):
            continue
        operands = [texts[o] for o in node.inputs]
        if node.op is ARRAY:
            right = constant_text(node)
        elif node.op.kind == "loop":
            first = bodies.setdefault(loop_of(node), texts[node])
            right = _TEXTS[node.op.name](node, operands, lines) if first == texts[node] else f"{node.op.name}(y{node.attrs[-1]} beside {first})"
        else:
            right = f"{node.op.name}({', '.join(operands + [attribute_text(a) for a in node.attrs])})"
        comment = f"    # {user_line(node)}" if lines and node.where else ""
        result.append(f"  {texts[node]} = {right} : {node.type}{comment}")
    result.append("  return " + ", ".join(f"{name}={texts[node]}" for name, node in zip(graph.output_names, graph.outputs)))
    return "\n".join(result)


def loop_text(node: Node, operands: list[str], lines: bool) -> str:
    """A loop with its body, indented: what it carries, with what was in front; what it reads row by row; what it sees whole."""
    body, length, states, rows, reads, which = node.attrs
    carried = [f"y{state}[i-{lag}]" for state, lag in reads]
    parts = [("after", operands[:states]), ("rows", operands[states:states + rows]), ("whole", operands[states + rows:])]
    given = "; ".join(f"{name} {', '.join(each)}" for name, each in parts if each)
    inside = format_graph(body, lines).replace("\n", "\n    ")
    return f"loop(y{which}, i < {length}; {given}; reads {', '.join(carried) or 'nothing'};\n    {inside})"


def branch_text(node: Node, operands: list[str], lines: bool) -> str:
    """A branch with its arms, indented."""
    *arms, which = node.attrs
    inside = [format_graph(arm, lines).replace("\n", "\n    ") for arm in arms]
    return f"branch(y{which}; if {operands[0]}; given {', '.join(operands[1:]) or 'nothing'};\n    {inside[0]};\n    else {inside[1]})"


def while_text(node: Node, operands: list[str], lines: bool) -> str:
    """A loop that turns while its first output is true: what its states are in front, what it sees whole."""
    body, which = node.attrs
    states = len(body.outputs)
    inside = format_graph(body, lines).replace("\n", "\n    ")
    return f"while(y{which}; if {operands[0]}; {_run_text(operands[1:states], operands[states:])};\n    {inside})"


def unwind_text(node: Node, operands: list[str], lines: bool) -> str:
    """The way back through such a loop: the cotangents behind it, and the graph that gives those in front of an iteration."""
    body, backward, *_, which = node.attrs
    states, count = len(body.outputs), 1 + len(body.inputs)
    inside = [format_graph(each, lines).replace("\n", "\n    ") for each in (body, backward)]
    given = _run_text(operands[1:states], operands[states:count])
    return f"unwind(y{which}; if {operands[0]}; {given}; cotangents {', '.join(operands[count:]) or 'none'};\n    {inside[0]};\n    back {inside[1]})"


def _run_text(states: list[str], wholes: list[str]) -> str:
    parts = [("after", states), ("whole", wholes)]
    return "; ".join(f"{name} {', '.join(each)}" for name, each in parts if each) or "nothing carried"


def walk_text(node: Node, operands: list[str], lines: bool) -> str:
    """A walk with its bodies, indented, each with the pairs of the table that its inputs and outputs are at."""
    *bodies, slots, is_backward, is_adding, _ = node.attrs
    inside = [f"{attribute_text(places)} {format_graph(body, lines)}".replace("\n", "\n    ") for body, places in zip(bodies, slots)]
    given = f"; given {', '.join(operands[2:])}" if operands[2:] else ""
    words = f"{operands[0]}; {'back ' if is_backward else ''}over {operands[1]}{'; adding' if is_adding else ''}{given}"
    return "walk(" + ";\n    ".join([words, *inside]) + ")"


_TEXTS = {"loop": loop_text, "branch": branch_text, "walk": walk_text, "while": while_text, "unwind": unwind_text}


def to_dot(graph) -> str:
    """The graph in Graphviz' DOT language, operands above their users."""
    texts = node_texts(graph)
    lines = [f'digraph "{graph.name}" {{',
             '  node [fontname="monospace", fontsize=10, shape=box, style="rounded,filled", fillcolor="#f4f6fb", color="#8090b0"];',
             '  edge [color="#8090b0", arrowsize=0.6];']
    constants = 0
    for node in graph.nodes:
        if node.op is CONSTANT:
            continue
        if node.op is INPUT:
            lines.append(f'  n{node.id} [label="{texts[node]}\\n{node.type}", fillcolor="#dff0d8"];')
            continue
        attributes = [a for a in node.attrs if not hasattr(a, "nodes")]  # no room for a body
        label = constant_text(node) if node.op is ARRAY else node.op.name + "".join(f"\\n{attribute_text(a)}" for a in attributes)
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


def to_html(graph) -> str:
    """For notebooks: a drawing where Graphviz is installed and the graph is small enough to be read, and the text."""
    text = f"<pre>{html.escape(format_graph(graph))}</pre>"
    if len(graph.nodes) <= DRAWN_NODES and shutil.which("dot"):
        drawn = subprocess.run(["dot", "-Tsvg"], input=to_dot(graph), capture_output=True, text=True, check=False)
        if drawn.returncode == 0:
            return drawn.stdout[drawn.stdout.index("<svg"):] + text
    return text
