"""Running a batch: leaves and their memory, workspaces, ranges of samples."""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from codegen.cache.store import open_store
from codegen.kernel import COMPILED, Kernel, find_code, keep_code, text_key
from codegen.llvm.abi import KERNEL
from codegen.llvm.target import Linked, compile_object

from . import driver

_I, _P = ctypes.c_int64, ctypes.c_void_p
TILE_BYTES = 24_576   # of all tiles together: they and what a chunk reads stay in the first-level cache
MOST_ROWS = 128       # in a chunk: with 512, transposing 1,000,000 rows of 4 takes 5 ms instead of 2
VECTOR_BYTES = 64
SLAB = 256            # rows of a loop over samples that are summed at a time


@dataclass(eq=False, slots=True)
class Leaf:
    """One input or result of a batch: its array with the axis of samples in front, or, ``shared``, one sample for all."""

    array: np.ndarray
    shared: bool = False

    @property
    def row(self) -> tuple[int, ...]:
        return self.array.shape if self.shared else self.array.shape[1:]


@dataclass(eq=False, slots=True)
class LaneKernel:
    """Machine code that runs one sample per lane.

    ``rows``   shapes and dtypes of the leaves of one sample: inputs, captured arrays, results
    ``given``  how many of the leaves are known before it runs
    """

    code: Linked = field(repr=False)
    key: str
    origin: str
    width: int
    slot_bytes: int
    given: int
    rows: list[tuple[tuple[int, ...], np.dtype]]
    arrays: list[np.ndarray]
    nanoseconds: float   # that a sample takes, estimated
    text: str | None = None

    @property
    def compiled(self) -> bool:
        """Whether machine code was made for it."""
        return self.origin == COMPILED

    @property
    def chunk(self) -> int:
        """Samples that go through the tiles together; it follows from the function alone, never from the batch."""
        bytes_of_sample = sum(math.prod(shape) * dtype.itemsize for shape, dtype in self.rows) or 1
        return max(self.width, min(MOST_ROWS, TILE_BYTES // bytes_of_sample // self.width * self.width))

    def runner(self, inputs: list[Leaf], results: list[Leaf | None]) -> LaneRun:
        """What runs ranges of this batch; results that are None are not stored, but summed."""
        return LaneRun(self, [*inputs, *(Leaf(array, shared=True) for array in self.arrays), *results])


@functools.cache
def _driver() -> tuple:
    """The driver's functions, compiled or loaded once a process."""
    text = driver.text()
    store, key = open_store(), text_key(text, 2)
    found = find_code(key, store)
    code = found[0] if found is not None else keep_code(key, compile_object(text, 2), frozenset(), store)
    run = ctypes.CFUNCTYPE(None, _P, _P, _I, _I, _P, _P, _I, _I, _I, _I, _P)(code.address(driver.RUN))
    each = ctypes.CFUNCTYPE(None, _P, _P, _P, _I, _P, _P, _P, _P, _P, _I, _I)(code.address(driver.EACH))
    return code, run, each


def _aligned(size: int) -> np.ndarray:
    memory = np.empty(size + VECTOR_BYTES, np.uint8)
    start = -memory.ctypes.data % VECTOR_BYTES
    return memory[start:start + size]


class LaneRun:
    """One call of a lane kernel: its table of leaves. ``over`` may run in several threads at once."""

    def __init__(self, kernel: LaneKernel, leaves: list[Leaf | None]):
        self.kernel = kernel
        self.chunk = kernel.chunk
        self.width = kernel.width
        self.leaves = leaves
        self.table = np.zeros((len(leaves), driver.FIELDS), np.int64)
        self.offsets = []
        self.tile_bytes = 0
        self.places = 0
        for row, leaf, (shape, dtype) in zip(self.table, leaves, kernel.rows):
            self._describe(row, leaf, shape, dtype)
        self._run = _driver()[1]
        self._body = kernel.code.address("lanes")
        self._once = ctypes.CFUNCTYPE(None, _P, _P)(kernel.code.address("once"))

    def _describe(self, row: np.ndarray, leaf: Leaf | None, shape: tuple, dtype: np.dtype) -> None:
        size = math.prod(shape)
        item = dtype.itemsize
        row[driver.ELEMENTS], row[driver.ITEM] = size, item
        self.places += size
        if leaf is None:
            row[driver.MODE] = driver.SUMMED
            strides = (0,) * len(shape)
        elif leaf.shared:
            row[driver.MODE], row[driver.BASE] = driver.SHARED, leaf.array.ctypes.data
            strides = leaf.array.strides
        else:
            sample, *strides = leaf.array.strides
            row[driver.BASE], row[driver.SAMPLE] = leaf.array.ctypes.data, sample
            row[driver.MODE] = driver.DIRECT if sample == item else driver.TILED
        if row[driver.MODE] != driver.SHARED:
            row[driver.TILE] = self.tile_bytes
            self.tile_bytes += -(-size * item * self.chunk // VECTOR_BYTES) * VECTOR_BYTES
        offsets = np.zeros(shape, np.int64)
        for axis, stride in enumerate(strides):
            offsets += (np.arange(shape[axis]) * stride).reshape((-1,) + (1,) * (len(shape) - axis - 1))
        offsets = np.ascontiguousarray(offsets.ravel())
        self.offsets.append(offsets)
        row[driver.OFFSETS] = offsets.ctypes.data
        row[driver.UNIT] = np.array_equal(offsets, np.arange(size) * item)

    def workspace(self) -> Workspace:
        """The memory that one thread needs."""
        return Workspace(self)

    def over(self, workspace: Workspace, low: int, high: int) -> None:
        """Run the samples [low, high)."""
        w = workspace
        self._run(self._body, w.table.ctypes.data, self.kernel.given, len(self.leaves), w.places.ctypes.data, w.slots.ctypes.data,
                  low, high, self.chunk, self.width, w.totals.ctypes.data)

    def summed(self, workspace: Workspace, low: int, high: int) -> list[np.ndarray]:
        """The sums over the samples [low, high) of the results that are not stored, in float64."""
        workspace.totals[:] = 0
        self.over(workspace, low, high)
        total, lost = workspace.totals.T
        whole = np.where(np.isfinite(total), total + lost, total)
        shapes = [shape for leaf, (shape, _) in zip(self.leaves, self.kernel.rows) if leaf is None]
        ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
        return [part.reshape(shape) for part, shape in zip(np.split(whole, ends), shapes)]


class Workspace:
    """Tiles, slots and places of one thread."""

    def __init__(self, run: LaneRun):
        self.tiles = _aligned(run.tile_bytes)
        self.table = run.table.copy()
        self.table[:, driver.TILE] += self.tiles.ctypes.data
        self.places = np.zeros(max(run.places, 1), np.int64)
        self.slots = _aligned(run.kernel.slot_bytes)
        summed = sum(math.prod(shape) for leaf, (shape, _) in zip(run.leaves, run.kernel.rows) if leaf is None)
        self.totals = np.zeros((summed, 2))
        position = 0
        for (mode, base), offsets in zip(self.table[:, [driver.MODE, driver.BASE]], run.offsets):
            if mode == driver.SHARED:
                self.places[position:position + len(offsets)] = base + offsets
            position += len(offsets)
        run._once(self.places.ctypes.data, self.slots.ctypes.data)


@dataclass(eq=False, slots=True)
class LoopKernel:
    """An ordinary kernel, run for one sample after another; ``why`` there are no lanes."""

    kernel: Kernel
    why: str
    nanoseconds: float
    results: list[tuple[tuple[int, ...], np.dtype]]

    @property
    def key(self) -> str:
        return self.kernel.key

    @property
    def origin(self) -> str:
        return self.kernel.origin

    @property
    def compiled(self) -> bool:
        return self.kernel.compiled

    @property
    def text(self) -> str | None:
        return self.kernel.text

    def runner(self, inputs: list[Leaf], results: list[Leaf | None]) -> LoopRun:
        """What runs ranges of this batch. The elements of each sample of a result stand in C order; results that are None are summed."""
        return LoopRun(self, inputs, results)


class LoopRun:
    """One call of an ordinary kernel over samples. ``over`` may run in several threads at once."""

    width = 1

    def __init__(self, loop: LoopKernel, inputs: list[Leaf], results: list[Leaf | None]):
        self.loop = loop
        self.inputs, self.results = inputs, results
        strides = [s for leaf in inputs for s in (leaf.array.strides if leaf.shared else leaf.array.strides[1:])]
        self.strides = np.array(strides or [0], np.int64)
        self._is_direct = None not in results and all(leaf.array[:1].flags.c_contiguous for leaf in results)
        self.buffers, self.steps = self._places(0, results) if self._is_direct else (None, None)
        self._each = _driver()[2]
        self._address = loop.kernel.code.address(KERNEL)

    def _places(self, low: int, results: list[Leaf]) -> tuple[np.ndarray, np.ndarray]:
        """Where each leaf begins, the inputs at the sample ``low``, and its bytes from one sample to the next."""
        steps = np.array([0 if leaf.shared else leaf.array.strides[0] for leaf in (*self.inputs, *results)], np.int64)
        buffers = np.array([leaf.array.ctypes.data for leaf in (*self.inputs, *results)], np.int64)
        buffers[:len(self.inputs)] += low * steps[:len(self.inputs)]
        return buffers, steps

    def workspace(self) -> tuple[np.ndarray, np.ndarray]:
        """The memory that one thread needs."""
        return _aligned(max(1, self.loop.kernel.workspace_bytes)), np.zeros(len(self.inputs) + len(self.results), np.int64)

    def over(self, workspace: tuple, low: int, high: int) -> None:
        """Run the samples [low, high); raises what a sample raises."""
        if self._is_direct:
            self._run(workspace, self.buffers, self.steps, low, high)
            return
        for start, count, slab in self._slabs(workspace, low, high):
            for leaf, part in zip(self.results, slab):
                leaf.array[start:start + count] = part[:count]

    def _slabs(self, workspace: tuple, low: int, high: int) -> Iterator[tuple[int, int, list[np.ndarray]]]:
        """The results in C order for some samples after others: the first, how many, and one array each."""
        slab = [Leaf(np.empty((SLAB, *shape), dtype)) for shape, dtype in self.loop.results]
        for start in range(low, high, SLAB):
            count = min(SLAB, high - start)
            self._run(workspace, *self._places(start, slab), 0, count)
            yield start, count, [leaf.array for leaf in slab]

    def _run(self, workspace: tuple, buffers: np.ndarray, steps: np.ndarray, low: int, high: int) -> None:
        memory, moved = workspace
        status = ctypes.c_int32(0)
        self._each(self._address, buffers.ctypes.data, steps.ctypes.data, len(buffers), self.strides.ctypes.data,
                   self.loop.kernel.params.ctypes.data, memory.ctypes.data, moved.ctypes.data, ctypes.addressof(status), low, high)
        if status.value:
            raise self.loop.kernel.error(status.value)

    def summed(self, workspace: tuple, low: int, high: int) -> list[np.ndarray]:
        """The sums over the samples [low, high) of all results, in float64."""
        totals = [np.zeros(shape) for shape, _ in self.loop.results]
        for _, count, slab in self._slabs(workspace, low, high):
            for total, part in zip(totals, slab):
                total += part[:count].sum(axis=0, dtype=np.float64)
        return totals
