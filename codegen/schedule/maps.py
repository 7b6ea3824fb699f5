"""Index maps: at which element of an operand a movement or a broadcast reads, when its result is asked for at an affine index.

A map is a tuple of :class:`Affine`, one per axis, or a :class:`Flat` index in C order (what a reshape leaves).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from codegen.loops import Affine
from tracer.graph.node import Node
from tracer.ops import TABLE


class Flat(NamedTuple):
    """The index in C order of an element of an array."""

    index: Affine


Map = tuple | Flat


class NotAffine(Exception):
    """The operand has to lie in memory before it can be read this way."""


@lru_cache(maxsize=64)
def zero(rank: int) -> Affine:
    """The index that is 0 everywhere."""
    return Affine(0, (0,) * rank)


def counter(axis: int, rank: int) -> Affine:
    """The index that is the counter of one loop."""
    return Affine(0, tuple([int(k == axis) for k in range(rank)]))


@lru_cache(maxsize=4096)
def space_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The loops over a shape: axes of one element need none."""
    return tuple([n for n in shape if n != 1])


@lru_cache(maxsize=4096)
def identity_map(shape: tuple[int, ...]) -> tuple[Affine, ...]:
    """Each element at its own index, over the loops of ``space_of(shape)``."""
    rank = len(space_of(shape))
    result, axis = [], 0
    for n in shape:
        result.append(zero(rank) if n == 1 else counter(axis, rank))
        axis += n != 1
    return tuple(result)


def flatten(map: Map, shape: tuple[int, ...], rank: int) -> Affine:
    """The flat C-order index of a map into an array of this shape."""
    if isinstance(map, Flat):
        return map.index
    offset, coefs, step = 0, [0] * rank, 1
    for part, n in zip(reversed(map), reversed(shape)):
        offset += part.offset * step
        for axis, c in enumerate(part.coefs):
            coefs[axis] += c * step
        step *= n
    return Affine(offset, tuple(coefs))


def per_axis(map: Map, shape: tuple[int, ...], rank: int) -> tuple[Affine, ...]:
    """The map with one index per axis; raises NotAffine where a flat index does not split."""
    if not isinstance(map, Flat):
        return map
    long = [k for k, n in enumerate(shape) if n != 1]
    if len(long) > 1:
        raise NotAffine
    return tuple([map.index if k in long else zero(rank) for k in range(len(shape))])


def _broadcast(node: Node, operand: Node, map: Map, rank: int) -> Map:
    shape, target = operand.type.shape, node.type.shape
    if shape is target or shape == target:
        return map
    if (operand.type.size == 1 and node.type.size != 1) or not shape:
        return tuple([zero(rank)] * len(shape))
    map = per_axis(map, target, rank)
    lead = len(target) - len(shape)
    return tuple([zero(rank) if n == 1 else map[lead + k] for k, n in enumerate(shape)])


def _transpose(node: Node, operand: Node, map: Map, rank: int) -> Map:
    map = per_axis(map, node.type.shape, rank)
    result = [zero(rank)] * len(map)
    for axis, source in enumerate(node.attrs[0]):
        result[source] = map[axis]
    return tuple(result)


def _index(node: Node, operand: Node, map: Map, rank: int) -> Map:
    map = per_axis(map, node.type.shape, rank)
    result, axis = [], 0
    for entry in node.attrs[0]:
        if isinstance(entry, int):
            result.append(Affine(entry, (0,) * rank))
        else:
            start, _, step = entry
            result.append(map[axis].scaled(step, start))
            axis += 1
    return tuple(result)


def _reshape(node: Node, operand: Node, map: Map, rank: int) -> Map:
    old, new = operand.type.shape, node.type.shape
    if not isinstance(map, Flat) and space_of(old) == space_of(new):
        long = iter([part for part, n in zip(map, new) if n != 1])
        return tuple([zero(rank) if n == 1 else next(long) for n in old])
    return Flat(flatten(map, new, rank))


_MOVEMENTS = {TABLE["broadcast_to"]: _broadcast, TABLE["transpose"]: _transpose, TABLE["index"]: _index, TABLE["reshape"]: _reshape}


def is_movement(node: Node) -> bool:
    """Is the node a re-indexing of its one operand?"""
    return node.op in _MOVEMENTS


def operand_map(node: Node, operand: Node, map: Map, rank: int) -> Map:
    """Where an operand of an element-wise node or a movement is read when the node is asked for at ``map``."""
    move = _MOVEMENTS.get(node.op)
    return (move or _broadcast)(node, operand, map, rank)
