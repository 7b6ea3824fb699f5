"""Neighbouring loops that run through memory as one loop would become one: longer vectors, and row lengths stay out of the kernel."""

from __future__ import annotations

from codegen.loops import Affine, Load, Nest, Reduce, Store


def collapse(nest: Nest) -> Nest:
    """The nest with as few loops as its accesses allow; reductions keep their meaning, not the order of their terms."""
    if nest.ordered or len(nest.extents) < 2 or not _plain(nest):
        return nest
    axis = len(nest.extents) - 2
    while axis >= 0:
        if _joins(nest, axis):
            nest = _join(nest, axis)
        axis -= 1
    return nest


def _plain(nest: Nest) -> bool:
    accesses = [i for i in nest.body if hasattr(i, "buffer")] + nest.roots
    return all(isinstance(a, (Load, Store, Reduce)) and isinstance(a.place, Affine) for a in accesses)


def _joins(nest: Nest, axis: int) -> bool:
    inner = nest.extents[axis + 1]
    for item in (*nest.body, *nest.roots):
        if hasattr(item, "place") and item.place.coefs[axis] != item.place.coefs[axis + 1] * inner:
            return False
        if isinstance(item, Reduce) and (axis in item.axes) != (axis + 1 in item.axes):
            return False
    return True


def _join(nest: Nest, axis: int) -> Nest:
    def place(old: Affine) -> Affine:
        return Affine(old.offset, old.coefs[:axis] + old.coefs[axis + 1:])

    def root(old):
        new = old._replace(place=place(old.place))
        if isinstance(old, Reduce):
            new = new._replace(axes=frozenset(a if a <= axis else a - 1 for a in old.axes))
        return new
    extents = (*nest.extents[:axis], nest.extents[axis] * nest.extents[axis + 1], *nest.extents[axis + 2:])
    body = [i._replace(place=place(i.place)) if isinstance(i, Load) else i for i in nest.body]
    return Nest(extents, body, [root(r) for r in nest.roots], nest.ordered)
