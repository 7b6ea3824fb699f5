"""Loops that the data end with one scalar for each element of their states: small arrays in them are taken apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracer.graph.graph import Graph
from tracer.graph.node import Builder, Node
from tracer.ops import TABLE
from tracer.ops.while_loop import states_of
from tracer.rolling.scalarise import WIDEST, elements

WHILE, UNWIND = TABLE["while"], TABLE["unwind"]
TURNS = frozenset((WHILE, UNWIND))
_INDEX, _ASSEMBLE = TABLE["index"], TABLE["assemble"]


class Refused(Exception):
    """Why a loop is not one of scalars."""


def unpacked(graph: Graph, most: int) -> Graph:
    """The same graph with loops of scalars. Raises Refused where a body is more than ``most`` operations on these, or something else than that."""
    if not any(node.op in TURNS for node in graph.nodes):
        return graph
    return _Unpacker(most).whole(graph)


class _Unpacker:
    def __init__(self, most: int):
        self.most = most
        self._bodies: dict[Graph, Graph] = {}

    def whole(self, graph: Graph) -> Graph:
        """A graph with its inputs and outputs as they are."""
        builder = Builder()
        inputs = [builder.input(node.type, position) for position, node in enumerate(graph.inputs)]
        new = self._copied(builder, graph, inputs)
        return Graph(inputs, [new[node] for node in graph.outputs], graph.input_names, graph.output_names, graph.name)

    def body(self, graph: Graph) -> Graph:
        """A graph of scalars, one for each element."""
        if graph not in self._bodies:
            builder = Builder()
            scalars: list[Node] = []
            for node in graph.inputs:
                scalars += [builder.input(node.type.with_shape(()), len(scalars) + k) for k in range(_size(node))]
            rest = iter(scalars)
            wholes = [_together(builder, node, [next(rest) for _ in range(node.type.size)]) for node in graph.inputs]
            new = self._copied(builder, graph, wholes)
            flat = elements(Graph(scalars, [new[node] for node in graph.outputs], None, None, graph.name), self.most, TURNS)
            if isinstance(flat, str):
                raise Refused(flat)
            self._bodies[graph] = flat
        return self._bodies[graph]

    def _copied(self, builder: Builder, graph: Graph, inputs: Sequence[Node]) -> dict[Node, Node]:
        new = dict(zip(graph.inputs, inputs))
        for node in graph.nodes:
            if node in new:
                continue
            operands = tuple([new[operand] for operand in node.inputs])
            new[node] = self._turned(builder, node, operands) if node.op in TURNS else builder.node(node.op, operands, node.attrs, node.where)
        return new

    def _turned(self, builder: Builder, node: Node, operands: Sequence[Node]) -> Node:
        scalars = tuple([part for operand in operands for part in _parts(builder, operand)])
        which, outputs = node.attrs[-1], node.attrs[node.op is UNWIND].outputs
        if node.op is WHILE:
            attrs = (self.body(node.attrs[0]),)
        else:
            body, backward, carried, totals, _ = node.attrs
            states, wholes = body.inputs[:states_of(body)], body.inputs[states_of(body):]
            attrs = self.body(body), self.body(backward), _numbers(states, carried), _numbers(wholes, totals)
        first = sum(map(_size, outputs[:which]))
        return _together(builder, node, [builder.node(node.op, scalars, (*attrs, first + k), node.where) for k in range(_size(node))])


def _size(node: Node) -> int:
    if node.type.size > WIDEST:
        raise Refused(f"a `while` has an array of {node.type.size} elements, which fill vectors by themselves")
    if not node.type.size:
        raise Refused("a `while` has an array without elements")
    return node.type.size


def _parts(builder: Builder, node: Node) -> list[Node]:
    if not node.type.shape:
        return [node]
    return [builder.node(_INDEX, (node,), (at,)) for at in np.ndindex(node.type.shape) if _size(node)]


def _together(builder: Builder, like: Node, parts: list[Node]) -> Node:
    """The elements of an array, in C order, as one node."""
    if not like.type.shape:
        return parts[0]
    return builder.node(_ASSEMBLE, tuple(parts), (like.type.shape, tuple(np.ndindex(like.type.shape))), like.where)


def _numbers(nodes: Sequence[Node], chosen: Sequence[int]) -> tuple[int, ...]:
    """The numbers that the elements of the chosen nodes have among the elements of all."""
    first = [0]
    for node in nodes:
        first.append(first[-1] + _size(node))
    return tuple([number for k in chosen for number in range(first[k], first[k + 1])])
