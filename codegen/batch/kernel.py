"""Running a batch: leaves and their memory, workspaces, ranges of samples."""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from codegen.cache.store import open_store
from codegen.kernel import COMPILED, Kernel, find_code, keep_code, out_of_memory, text_key
from codegen.llvm.abi import KERNEL
from codegen.llvm.target import Linked, compile_object

from . import driver

_I, _P = ctypes.c_int64, ctypes.c_void_p
TILE_BYTES = 24_576   # of all tiles together: they and what a chunk reads stay in the first-level cache
MOST_ROWS = 128       # in a chunk: with 512, transposing 1,000,000 rows of 4 takes 5 ms instead of 2
VECTOR_BYTES = 64
KEPT_LAYOUTS = 64     # of one kernel
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
    ``takes_rows``  the leaves whose rows it transposes in registers
    """

    code: Linked = field(repr=False)
    key: str
    origin: str
    width: int
    slot_bytes: int
    given: int
    rows: list[tuple[tuple[int, ...], np.dtype]]
    arrays: list[np.ndarray]
    takes_rows: list[bool]
    nanoseconds: float   # that a sample takes, estimated
    has_tapes: bool      # it asks for memory while it runs, and there may be none
    text: str | None = None
    chunk: int = field(init=False)  # samples that go through the tiles together; it follows from the function alone, never from the batch
    _layouts: dict[tuple, Layout] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        bytes_of_sample = sum(math.prod(shape) * dtype.itemsize for shape, dtype in self.rows) or 1
        self.chunk = max(self.width, min(MOST_ROWS, TILE_BYTES // bytes_of_sample // self.width * self.width))

    @property
    def compiled(self) -> bool:
        """Whether machine code was made for it."""
        return self.origin == COMPILED

    def layout(self, strides: tuple) -> Layout:
        """What tables of leaves with these strides have in common."""
        found = self._layouts.get(strides)
        if found is None:
            if len(self._layouts) >= KEPT_LAYOUTS:
                self._layouts.clear()
            found = self._layouts[strides] = Layout(self.rows, strides, self.takes_rows, self.chunk)
        return found

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
    before, behind = (_P, _P, _I, _I, _P, _P), (_I, _I, _I, _P)
    span = ctypes.CFUNCTYPE(None, *before, _I, _I, *behind)(code.address(driver.SPAN))
    share = ctypes.CFUNCTYPE(None, _P, _I, _I, *before, _I, *behind)(code.address(driver.SHARE))
    each = ctypes.CFUNCTYPE(None, _P, _P, _P, _I, _P, _P, _P, _P, _P, _I, _I)(code.address(driver.EACH))
    return code, span, share, each


_ONCE = ctypes.CFUNCTYPE(None, _P, _P)


def _aligned(size: int) -> np.ndarray:
    memory = np.empty(size + VECTOR_BYTES, np.uint8)
    start = -memory.ctypes.data % VECTOR_BYTES
    return memory[start:start + size]


class Layout:
    """What all tables of leaves with the same strides have in common. ``is_direct``: every leaf is read and written in place, but for the last vector."""

    def __init__(self, rows: list[tuple[tuple[int, ...], np.dtype]], strides: tuple, takes_rows: list[bool], chunk: int):
        self.table = np.zeros((len(rows), driver.FIELDS), np.int64)
        self.offsets: list[np.ndarray] = []
        self.tile_bytes = 0
        self.summed = [shape for (shape, _), each in zip(rows, strides) if each is None]
        for row, each, (shape, dtype), in_rows in zip(self.table, strides, rows, takes_rows):
            self._describe(row, each, shape, dtype, chunk)
            if in_rows and row[driver.MODE] == driver.TILED and row[driver.UNIT] and row[driver.SAMPLE]:
                row[driver.MODE] = driver.ROWS
        modes = self.table[:, driver.MODE]
        self.is_direct = bool(np.isin(modes, (driver.DIRECT, driver.ROWS, driver.SHARED)).all())
        self.places = sum(len(each) + 1 for each in self.offsets)
        self.totals = sum(map(math.prod, self.summed))
        self.shared = [k for k, mode in enumerate(modes) if mode == driver.SHARED]
        self.first = np.cumsum([0, *(len(each) + 1 for each in self.offsets)])

    def _describe(self, row: np.ndarray, strides: tuple | None, shape: tuple, dtype: np.dtype, chunk: int) -> None:
        size, item = math.prod(shape), dtype.itemsize
        row[driver.ELEMENTS], row[driver.ITEM] = size, item
        if strides is None:
            row[driver.MODE] = driver.SUMMED
            strides = (0,) * len(shape)
        elif strides[0]:
            row[driver.MODE] = driver.SHARED
            strides = strides[1:]
        else:
            _, sample, *strides = strides
            row[driver.SAMPLE] = sample
            row[driver.MODE] = driver.DIRECT if sample == item else driver.TILED
        if row[driver.MODE] != driver.SHARED:
            row[driver.TILE] = self.tile_bytes
            self.tile_bytes += -(-size * item * chunk // VECTOR_BYTES) * VECTOR_BYTES
        offsets = np.zeros(shape, np.int64)
        for axis, stride in enumerate(strides):
            offsets += (np.arange(shape[axis]) * stride).reshape((-1,) + (1,) * (len(shape) - axis - 1))
        offsets = np.ascontiguousarray(offsets.ravel())
        self.offsets.append(offsets)
        row[driver.OFFSETS] = offsets.ctypes.data
        row[driver.UNIT] = np.array_equal(offsets, np.arange(size) * item)


def _strides(leaf: Leaf | None) -> tuple | None:
    return None if leaf is None else (leaf.shared, *leaf.array.strides)


class LaneRun:
    """One call of a lane kernel: its table of leaves. ``over`` may run in several threads at once."""

    def __init__(self, kernel: LaneKernel, leaves: list[Leaf | None]):
        self.kernel = kernel
        self.leaves = leaves
        self.layout = kernel.layout(tuple([_strides(leaf) for leaf in leaves]))
        self.table = self.layout.table.copy()
        self.table[:, driver.BASE] = [0 if leaf is None else leaf.array.ctypes.data for leaf in leaves]
        _, self._span, self._share, _ = _driver()
        self._body = kernel.code.address("lanes")
        self._once = _ONCE(kernel.code.address("once"))

    def workspace(self) -> Workspace:
        """The memory that one thread needs."""
        return Workspace(self)

    def over(self, workspace: Workspace, low: int, high: int) -> None:
        """Run the samples [low, high). Raises MemoryError where there is none for what a loop keeps."""
        self._span(*workspace.before, low, high, *workspace.behind)
        workspace.check()

    def share(self, workspace: Workspace, first: np.ndarray, step: int, shares: int, high: int) -> None:
        """Run ``step`` samples after others up to ``high``, as many of the ``shares`` as others leave; ``first`` has the first that nobody has taken."""
        self._share(first.ctypes.data, step, shares, *workspace.before, high, *workspace.behind)
        workspace.check()

    def summed(self, workspace: Workspace, low: int, high: int) -> list[np.ndarray]:
        """The sums over the samples [low, high) of the results that are not stored, in float64."""
        workspace.totals[:] = 0
        self.over(workspace, low, high)
        total, lost = workspace.totals.T
        whole = np.where(np.isfinite(total), total + lost, total)
        ends = np.cumsum(list(map(math.prod, self.layout.summed)))[:-1]
        return [part.reshape(shape) for part, shape in zip(np.split(whole, ends), self.layout.summed)]


class Workspace:
    """Tiles, slots and places of one thread: the addresses of parts of one piece of memory."""

    def __init__(self, run: LaneRun):
        layout, slot_bytes = run.layout, run.kernel.slot_bytes
        table_bytes, place_bytes = run.table.nbytes, 8 * layout.places
        self._memory = _aligned(layout.tile_bytes + slot_bytes + table_bytes + place_bytes)
        tiles = self._memory.ctypes.data
        self.slots = tiles + layout.tile_bytes
        self.table = self.slots + slot_bytes
        self.places = self.table + table_bytes
        words = self._memory[layout.tile_bytes + slot_bytes:].view(np.int64)
        table = words[:run.table.size].reshape(run.table.shape)
        table[...] = run.table
        table[:, driver.TILE] += tiles
        places = words[run.table.size:]
        for k in layout.shared:
            places[layout.first[k]:layout.first[k + 1] - 1] = table[k, driver.BASE] + layout.offsets[k]
        self.totals = np.zeros((layout.totals, 2))
        # What the driver takes before and behind a range: one is told in 3 µs so, in 8 where each is looked up.
        self.before = run._body, self.table, run.kernel.given, len(run.leaves), self.places, self.slots
        self.behind = run.kernel.chunk, run.kernel.width, layout.is_direct, self.totals.ctypes.data
        # The word behind all slots.
        self._failed = self._memory[layout.tile_bytes + slot_bytes - VECTOR_BYTES:][:8].view(np.int64) if run.kernel.has_tapes else None
        if self._failed is not None:
            self._failed[0] = 0
        run._once(self.places, self.slots)

    def check(self) -> None:
        """Raises MemoryError where a loop has found none for what it keeps of its rounds."""
        if self._failed is not None and self._failed[0]:
            raise out_of_memory()


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
        self._each = _driver()[3]
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
