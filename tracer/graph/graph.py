"""Graphs: some inputs, some outputs, and the live nodes between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from operator import attrgetter

from .node import Node, loop_of
from .text import format_graph, to_dot, to_html


def live_nodes(outputs: Iterable[Node], given: Iterable[Node] = ()) -> list[Node]:
    """All nodes that the outputs need beside those that are given, in topological order (that of creation)."""
    given, outputs = set(given), set(outputs)
    seen = given | outputs
    pending = list(outputs - given)
    while pending:
        for operand in pending.pop().inputs:
            if operand not in seen:
                seen.add(operand)
                pending.append(operand)
    return sorted(seen - given if given else seen, key=attrgetter("id"))


class Graph:
    """A function as a DAG: ``inputs`` (INPUT nodes, by position), ``outputs`` (nodes) and the names of both.

    Printing it gives the stable text form.
    """

    def __init__(self, inputs, outputs, input_names=None, output_names=None, name: str = "f"):
        self.inputs: tuple[Node, ...] = tuple(inputs)
        self.outputs: tuple[Node, ...] = tuple(outputs)
        self.input_names = tuple(input_names or (f"x{i}" for i in range(len(self.inputs))))
        self.output_names = tuple(output_names or (f"y{i}" for i in range(len(self.outputs))))
        self.name = name

    @cached_property
    def nodes(self) -> list[Node]:
        """The live nodes in topological order; unused inputs are among them."""
        return live_nodes((*self.inputs, *self.outputs))

    @cached_property
    def users(self) -> dict[Node, int]:
        """How often each live node is an operand or an output."""
        count = dict.fromkeys(self.nodes, 0)
        for node in self.nodes:
            for operand in node.inputs:
                count[operand] += 1
        for node in self.outputs:
            count[node] += 1
        return count

    def siblings(self, node: Node) -> list[Node]:
        """The live outputs of the loop or branch that a node is an output of."""
        key = loop_of(node)
        return [each for each in self.nodes if each.op is node.op and loop_of(each) == key]

    def __str__(self) -> str:
        return format_graph(self)

    def __repr__(self) -> str:
        return f"<graph of {self.name}: {len(self.nodes)} nodes>"

    def _repr_html_(self) -> str:
        return to_html(self)

    def to_text(self, lines: bool = False) -> str:
        """One line a node; with ``lines`` the user's file and line behind it."""
        return format_graph(self, lines)

    def to_dot(self) -> str:
        """The graph in Graphviz' DOT language."""
        return to_dot(self)


def with_bodies(attrs: tuple, change: Callable[[Graph], Graph]) -> tuple:
    """Attributes with each graph among them, the body of a loop, changed. Outputs of one loop share their body: ``change`` must give them one."""
    return tuple([change(each) if type(each) is Graph else each for each in attrs])
