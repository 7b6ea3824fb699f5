"""Loops that run over several axes of an array at once, taken apart again, so that the text reads ``X[i, j]``.

The loop IR merges axes that lie behind one another in memory. Counting i = i1*n + i2 visits the same elements in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from codegen.loops import Affine, Gather, Nest, Place, Reduce, Scatter

from .places import along_axes


def unmerge(nest: Nest) -> Nest:
    """The nest with merged loops taken apart wherever more places follow the axes of their buffers then."""
    failing = 0 if nest.ordered or not nest.extents else _failing(nest)
    while failing:
        found = next(((n, count) for n in _candidates(nest) if (count := _failing(n)) < failing), None)
        if found is None:
            break
        nest, failing = found
    return nest


def _places(nest: Nest) -> Iterator[tuple]:
    for item in (*nest.body, *nest.roots):
        place = getattr(item, "place", None)
        if isinstance(place, Affine) and len(item.buffer.shape) > 1:
            yield item.buffer, place


def _failing(nest: Nest) -> int:
    """How many places need a flat view of their buffer."""
    return sum(along_axes(place, buffer.shape, nest.extents) is None for buffer, place in _places(nest))


def _candidates(nest: Nest) -> Iterator[Nest]:
    """The nest with one loop taken apart like some axes of a buffer that it moves through."""
    seen = set()
    for buffer, place in _places(nest):
        if along_axes(place, buffer.shape, nest.extents) is not None:
            continue
        for axis, extent in enumerate(nest.extents):
            for run in _runs(buffer.shape, extent) if place.coefs[axis] else ():
                if (axis, run) not in seen:
                    seen.add((axis, run))
                    yield _split(nest, axis, run)


def _runs(shape: tuple[int, ...], size: int) -> Iterator[tuple[int, ...]]:
    """Neighbouring axes of this many elements together, two at least; those of one element do not count."""
    long = [n for n in shape if n != 1]
    for start in range(len(long)):
        for stop in range(start + 2, len(long) + 1):
            if math.prod(long[start:stop]) == size:
                yield tuple(long[start:stop])


def _split(nest: Nest, axis: int, shape: tuple[int, ...]) -> Nest:
    steps = [math.prod(shape[k + 1:]) for k in range(len(shape))]
    more = len(shape) - 1

    def affine(part: Affine) -> Affine:
        c = part.coefs
        return Affine(part.offset, (*c[:axis], *(c[axis] * step for step in steps), *c[axis + 1:]))

    def moved(item):
        if isinstance(item, (Gather, Scatter)):
            return item._replace(rest=tuple(map(affine, item.rest)))
        place: Place | None = getattr(item, "place", None)
        if place is None:
            return item
        item = item._replace(place=affine(place) if isinstance(place, Affine) else tuple(map(affine, place)))
        if isinstance(item, Reduce):
            inside = range(axis, axis + more + 1) if axis in item.axes else ()
            item = item._replace(axes=frozenset((*(a for a in item.axes if a < axis), *inside, *(a + more for a in item.axes if a > axis))))
        return item
    return Nest((*nest.extents[:axis], *shape, *nest.extents[axis + 1:]), [moved(i) for i in nest.body], [moved(r) for r in nest.roots], nest.ordered)
