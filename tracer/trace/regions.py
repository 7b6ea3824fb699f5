"""Where a view lies in the array that it looks into, read off its address and strides; and what regions leave uncovered.

A region is a *spec* (see :mod:`tracer.ops.movement`): for each axis of the array an int or ``(start, count, step)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True, slots=True)
class Region:
    """A view that is a box of its array: the spec, the order in which the view has the axes of the box, and the shape of the view."""

    spec: tuple
    order: tuple[int, ...]
    shape: tuple[int, ...]


def element_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of a contiguous array, in elements."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(strides[::-1])


def offset_of(view: np.ndarray, root: np.ndarray) -> int:
    """The place of a view's first element in the contiguous array that it looks into."""
    return (view.__array_interface__["data"][0] - root.__array_interface__["data"][0]) // root.itemsize


def region_of(view: np.ndarray, root: np.ndarray) -> Region | None:
    """The box of ``root`` that ``view`` shows; None where it is none, as for a diagonal or the rows of a reshaped array."""
    if not view.size:
        return None
    strides = element_strides(root.shape)
    start = list(np.unravel_index(offset_of(view, root), root.shape)) if root.ndim else []
    taken: dict[int, tuple[int, int, int]] = {}  # axis of root -> (axis of view, count, step)
    for axis, (n, stride) in enumerate(zip(view.shape, view.strides)):
        if n == 1:
            continue
        found = _axis_of(stride // root.itemsize, n, start, strides, root.shape, taken)
        if found is None:
            return None
        taken[found[0]] = (axis, n, found[1])
    spec = tuple([(int(start[a]), *taken[a][1:]) if a in taken else int(start[a]) for a in range(root.ndim)])
    order = tuple(np.argsort([taken[a][0] for a in sorted(taken)]).tolist())
    return Region(spec, order, view.shape)


def _axis_of(stride: int, count: int, start, strides, shape, taken) -> tuple[int, int] | None:
    for axis, step in enumerate(strides):
        if axis not in taken and shape[axis] > 1 and stride % step == 0:
            last = start[axis] + (stride // step) * (count - 1)
            if stride and 0 <= last < shape[axis]:
                return axis, stride // step
    return None


def positions_of(view: np.ndarray, root: np.ndarray) -> np.ndarray:
    """For each element of a view its place in the raveled array that it looks into."""
    places = np.full(view.shape, offset_of(view, root) if view.size else 0, np.int64)
    for axis, (n, stride) in enumerate(zip(view.shape, view.strides)):
        steps = np.arange(n) * (stride // root.itemsize)
        places += steps.reshape([n if k == axis else 1 for k in range(view.ndim)])
    return places


# Sets of regions --------------------------------------------------------------------------------------------------------

def pattern_of(spec: tuple) -> tuple:
    """What regions have in common that are equal or disjoint: along each axis single places, equal blocks, or one and the same range."""
    return tuple([None if type(e) is int else (e[1], e[0] % e[1]) if e[2] == 1 and e[1] else e for e in spec])


def size_of(spec: tuple) -> int:
    """How many elements a region has."""
    return math.prod([e[1] for e in spec if type(e) is not int])


def containing(spec: tuple, pattern: tuple) -> tuple[tuple, tuple] | None:
    """The region of a pattern that a spec lies in, and the spec relative to it; None where it lies in no single one."""
    key, relative = [], []
    for entry, kind in zip(spec, pattern):
        if kind is None:
            if type(entry) is not int:
                return None
            key.append(entry)
            continue
        if len(kind) == 3:
            if entry != kind:
                return None
            key.append(kind)
            relative.append((0, kind[1], 1))
            continue
        count, phase = kind
        first, last = (entry, entry) if type(entry) is int else (entry[0], entry[0] + (entry[1] - 1) * entry[2])
        block = first - (first - phase) % count
        if not block <= last < block + count or block < 0:
            return None
        key.append((block, count, 1))
        relative.append(first - block if type(entry) is int else (first - block, *entry[1:]))
    return tuple(key), tuple(relative)


def uncovered(specs: list[tuple], shape: tuple[int, ...]) -> list[tuple]:
    """Disjoint regions that make up all that regions of one pattern leave free."""
    if not shape:
        return [] if specs else [()]
    tails: dict = {}
    for spec in specs:
        tails.setdefault(spec[0], []).append(spec[1:])
    result = [(first, *rest) for first, each in tails.items() for rest in uncovered(each, shape[1:])]
    full = tuple([(0, n, 1) for n in shape[1:]])
    return result + [(gap, *full) for gap in _gaps(list(tails), shape[0])]


def _gaps(entries: list, length: int) -> list[tuple[int, int, int]]:
    """The ranges of an axis that disjoint entries leave free."""
    if len(entries) == 1 and type(entries[0]) is not int and abs(entries[0][2]) > 1:
        start, count, step = entries[0]
        if step < 0:
            start, step = start + (count - 1) * step, -step
        last = start + (count - 1) * step
        between = [(start + k, count - 1, step) for k in range(1, step)] if count > 1 else []
        edges = [(0, start, 1), (last + 1, length - last - 1, 1)]
        return [gap if gap[1] > 1 else (gap[0], 1, 1) for gap in (*between, *edges) if gap[1] > 0]
    spans = sorted([(e, e + 1) if type(e) is int else (e[0], e[0] + e[1]) for e in entries])
    borders = [(0, 0), *spans, (length, length)]
    return [(low, high - low, 1) for (_, low), (high, _) in pairwise(borders) if high > low]
