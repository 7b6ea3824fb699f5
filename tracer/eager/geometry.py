"""Where the elements of a view lie in the memory of its base: extents, steps and an offset, all counted in elements."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Geometry(NamedTuple):
    """A window on memory."""

    shape: tuple[int, ...]
    steps: tuple[int, ...]
    offset: int = 0

    def extent(self) -> int:
        """How many elements the memory must have."""
        if 0 in self.shape:
            return 0
        return self.offset + 1 + sum([(n - 1) * step for n, step in zip(self.shape, self.steps)])

    def window(self, memory: np.ndarray) -> np.ndarray:
        """The elements, in flat memory."""
        size = memory.itemsize
        if not memory.size:
            return np.empty(self.shape, memory.dtype)
        return np.ndarray(self.shape, memory.dtype, memory, self.offset * size, tuple([step * size for step in self.steps]))

    def overlaps(self) -> bool:
        """May several elements lie at one place? By PyTorch's test, which errs on the side of yes."""
        reached = 0
        for step, n in sorted([(step, n) for step, n in zip(self.steps, self.shape) if n > 1]):
            if step <= reached:
                return True
            reached += step * (n - 1)
        return False


def geometry_of(array: np.ndarray) -> Geometry:
    """That of an array in memory of its own."""
    size = array.itemsize
    return Geometry(array.shape, tuple([step // size for step in array.strides]))


def geometry_in(array: np.ndarray, base: np.ndarray) -> Geometry:
    """That of an array in the memory of its base."""
    offset = (address(array) - address(base)) // base.itemsize if array.size else 0
    return Geometry(array.shape, tuple([step // array.itemsize for step in array.strides]), offset)


def window_on(array: np.ndarray, place: Geometry) -> np.ndarray:
    """A window on the memory of an array of any layout; what the window needs has to be there."""
    flat = np.lib.stride_tricks.as_strided(array, (place.extent(),), (array.itemsize,))
    return np.lib.stride_tricks.as_strided(flat[place.offset:], place.shape, tuple([step * array.itemsize for step in place.steps]))


def address(array: np.ndarray) -> int:
    """That of the first element."""
    return array.__array_interface__["data"][0]


def scattered(g: np.ndarray, view: Geometry, base: Geometry) -> np.ndarray:
    """Zeros with the layout of a base, and ``g`` in a window on it: what a view's gradient is to its base. Where elements share a place they add up."""
    memory = np.zeros(max(view.extent(), base.extent()), g.dtype)
    if view.overlaps():
        np.add.at(memory, view.window(np.arange(memory.size)), g)
    else:
        view.window(memory)[...] = g
    if base.overlaps():  # what has several places in the base is one element of its memory
        memory /= np.maximum(np.bincount(base.window(np.arange(memory.size)).ravel(), minlength=memory.size), 1).astype(g.dtype)
    return base.window(memory)


def laid_out(g: np.ndarray, base: Geometry) -> np.ndarray:
    """The flat memory of a copy of ``g`` in the layout of a base."""
    memory = np.zeros(base.extent(), g.dtype)
    base.window(memory)[...] = g
    return memory


# Layouts of results -----------------------------------------------------------------------------------------------------------

def in_layout_of(data, *operands):
    """The result of an element-wise operation in the layout that PyTorch gives it: dense, its axes in the order of the first operand that tells."""
    if data.ndim < 2:
        return data
    arrays = [each for each in operands if isinstance(each, np.ndarray) and each.ndim]
    if all([each.flags.c_contiguous and each.shape == data.shape for each in arrays]):
        return data if data.flags.c_contiguous else np.ascontiguousarray(data)
    order = inner_first(data.shape, [_broadcast_steps(each, data.shape) for each in arrays])
    return laid(data, order) if data.size else _empty(data, order)


def _empty(data, order: list[int]):
    """Data without elements, with PyTorch's strides: products of extents, of which one is 0, unless the axes are in C order."""
    if order == list(reversed(range(data.ndim))):
        return np.empty(data.shape, data.dtype)
    strides, step = [0] * data.ndim, data.itemsize
    for axis in order:
        strides[axis] = step
        step *= data.shape[axis]
    return np.lib.stride_tricks.as_strided(data, strides=strides)


def _broadcast_steps(array: np.ndarray, shape: tuple) -> tuple[int, ...]:
    lead = len(shape) - array.ndim
    return (0,) * lead + tuple([0 if n != m else step for step, n, m in zip(array.strides, array.shape, shape[lead:])])


def inner_first(shape: tuple, steps: list[tuple[int, ...]]) -> list[int]:
    """The axes of a result from the innermost on: by PyTorch's sort by insertion, in which a step of 0 tells nothing."""
    order = list(reversed(range(len(shape))))
    for at in range(1, len(order)):
        here = at
        for before in reversed(range(at)):
            sign = _compared(shape, steps, order[before], order[here])
            if sign > 0:
                order[before], order[here] = order[here], order[before]
                here = before
            elif sign < 0:
                break
    return order


def _compared(shape: tuple, steps: list, a: int, b: int) -> int:
    for each in steps:
        if each[a] and each[b]:
            if each[a] != each[b]:
                return 1 if each[a] > each[b] else -1
            if shape[a] > shape[b]:
                return 1
    return 0


def laid(data: np.ndarray, order: list[int]) -> np.ndarray:
    """The data dense, its axes in this order from the innermost on."""
    outer = order[::-1]
    if data.transpose(outer).flags.c_contiguous:
        return data
    return np.ascontiguousarray(data.transpose(outer)).transpose(np.argsort(outer))
