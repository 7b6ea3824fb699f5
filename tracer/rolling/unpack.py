"""Loops over small arrays as loops over scalars: a state of four numbers and a matrix of sixteen live in registers then."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from ..graph.graph import Graph
from ..graph.node import INPUT, Builder, Node, constant_value
from ..ops import TABLE
from ..trace.value import Traced, make
from .bodies import Body, all_of, is_scalar
from .scalarise import LARGEST, elements

INDEX, ASSEMBLE = TABLE["index"], TABLE["assemble"]
MOST = 600   # operations of a body on scalars; of more, arrays of a few elements stay whole: half as fast, but a fraction of the code


@functools.lru_cache(maxsize=64)
def in_elements(graph: Graph) -> Graph | None:
    """A body by the elements of its arrays; None where these are too large, or it has operations on whole arrays."""
    if any(node.type.size > LARGEST or node.type.size == 0 for node in graph.nodes):
        return None
    flat = elements(graph, MOST)
    return None if isinstance(flat, str) else flat


def is_small(graph: Graph) -> bool:
    """Is a body taken apart into its elements?"""
    return is_scalar(graph) or in_elements(graph) is not None


def unpacked(body: Body) -> Body | None:
    """The same loop with one state, row or input for each element; its outputs are the elements of the former ones. None where it stays whole."""
    flat = in_elements(body.graph)
    if flat is None:
        return None
    states = [_indices(before.shape[1:]) for before in body.before]
    first = [0, *accumulate(map(len, states))]
    reads = [(first[state] + k, lag) for state, lag in body.reads for k in range(len(states[state]))]
    before = [_rows_at(each, at) for each, found in zip(body.before, states) for at in found]
    rows = [_rows_at(each, at) for each in body.rows for at in _indices(each.shape[1:])]
    wholes = [each if not at else make(INDEX, (each,), (at,)) for each in body.wholes for at in _indices(each.shape)]
    return Body(_on_scalars(flat), body.length, before, reads, rows, wholes)


def packed(array: Sequence[Traced], shape: tuple[int, ...]) -> Traced:
    """The elements of an output, each over all iterations, as one array again."""
    if not shape:
        return array[0]
    length = array[0].shape[0]
    specs = tuple([((0, length, 1), *at) for at in _indices(shape)])
    return make(ASSEMBLE, tuple(array), ((length, *shape), specs))


def elements_of(graph: Graph, outputs: Sequence[int]) -> list[list[int]]:
    """The numbers that the elements of these outputs have among the outputs of the unpacked body."""
    first = [0, *accumulate(node.type.size for node in graph.outputs)]
    return [list(range(first[k], first[k + 1])) for k in outputs]


def _indices(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    return list(np.ndindex(shape))


def _rows_at(array: Traced, at: tuple[int, ...]) -> Traced:
    """One element of each row."""
    return array if not at else make(INDEX, (array,), ((*all_of(array.shape[:1]), *at),))


def _on_scalars(flat: Graph) -> Graph:
    """With an input for each element that is read of one."""
    builder = Builder()
    inputs: dict[tuple[Node, tuple], Node] = {}
    for node in flat.inputs:
        for at in _indices(node.type.shape):
            inputs[node, at] = builder.input(node.type.with_shape(()), len(inputs))
    new: dict[Node, Node] = {}
    for node in flat.nodes:
        if node.op is INPUT:
            if not node.type.shape:
                new[node] = inputs[node, ()]
        elif node.op is INDEX and node.inputs[0].op is INPUT:
            new[node] = inputs[node.inputs[0], node.attrs[0]]
        elif node.op is INDEX:
            new[node] = builder.constant(constant_value(node.inputs[0])[node.attrs[0]], node.type.dtype)
        elif node.type.shape == ():
            new[node] = builder.node(node.op, tuple([new[o] for o in node.inputs]), node.attrs, node.where)
    return Graph(list(inputs.values()), [new[node] for node in flat.outputs], name=flat.name)
