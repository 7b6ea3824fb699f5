"""Scalars that stand one behind the other in the code, as vectors: slices of arrays where they are neighbours there."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import groupby

import numpy as np

from ..graph.node import CONSTANT, Node
from ..ops import TABLE
from ..trace.value import Traced, as_traced, make
from .bodies import joined, reshaped, rows_of
from .stream import is_element, split

GATHER, BROADCAST = TABLE["gather"], TABLE["broadcast_to"]


def picked(vector: Traced, places: np.ndarray) -> Traced:
    """Elements of a vector by their places: a slice where these are regular."""
    steps = np.diff(places)
    if (steps == (steps[0] if len(steps) else 1)).all() and 0 not in steps:
        return rows_of(vector, int(places[0]), len(places), int(steps[0]) if len(steps) else 1)
    return make(GATHER, (vector, as_traced(places, vector.owner)))


def vector_of(roller, nodes: Sequence[Node]) -> Traced:
    """The values of scalars as a vector."""
    parts = []
    for key, group in groupby(nodes, lambda node: _sort_of(roller, node)):
        found = list(group)
        if key == "value":
            parts.append(roller.sequence(np.array([roller.stream.token_of(node) for node in found])))
        elif isinstance(key, Node) and key.type.shape:
            flat = reshaped(roller.value(key), (key.type.size,))
            parts.append(picked(flat, np.array([split(node)[0] for node in found])))
        else:
            parts.append(make(BROADCAST, (roller.value(found[0]),), ((len(found),),)))
    return joined(parts)


def _sort_of(roller, node: Node) -> Hashable:
    """What neighbours have in common that are taken at once: they are made by the code, elements of one array, one number."""
    if node.op is not CONSTANT and roller.stream.token_of(node) is not None:
        return "value"
    return node.inputs[0] if is_element(node) else node


__all__ = ["picked", "vector_of"]
