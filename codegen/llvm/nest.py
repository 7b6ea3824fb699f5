"""A nest as LLVM: scalar loops outside, lanes along the innermost axis, every instruction at the outermost level it allows."""

from __future__ import annotations

import numpy as np

from codegen.loops import ArgReduce, Nest, Reduce, Scan, Scatter, Store, accumulates, register_axes
from codegen.schedule.structured import identity_of
from tracer.ops import TABLE

from .access import AccessWriter
from .body import depths, dtype_of, lanes_of
from .combine import across_lanes, combine, tree_bytes, tree_functions
from .compute import ComputeWriter
from .lanes import LaneLoop
from .scalars import ScalarWriter
from .text import FunctionText
from .types import literal_of, register_type, vector


class NestWriter(ScalarWriter):
    """Writes one nest with loops into a function."""

    def __init__(self, function: FunctionText, access: AccessWriter, compute: ComputeWriter, nest: Nest):
        super().__init__(function, access, compute, nest)
        self.lanes = 0 if nest.ordered else lanes_of(nest)
        self.depth = depths(nest)
        self.registers = {root: register_axes(root, self.rank) for root in nest.roots if isinstance(root, Reduce)}
        self.trees: dict[Reduce, tuple[str, str, str]] = {}

    def write(self) -> None:
        """The whole nest."""
        self.begin()
        self.run("0", self.f.integer(self.nest.extents[0]))
        self.finish()

    def begin(self) -> None:
        """What stands before all loops: values that depend on none, and empty trees of sums that run over everything."""
        self._values(0)
        for root in self._starting(0):
            self.f.do(f"store i64 0, ptr {self._tree(root)[0]}, align 8")

    def run(self, low: str, high: str) -> None:
        """The rows [low, high) of the outermost loop."""
        self._loop(0, low, high)

    def finish(self) -> None:
        for root in self._starting(0):
            self._finish(root, self._fold(root))

    # -- loops -----------------------------------------------------------------------------------------------------
    def _values(self, depth: int) -> None:
        """The instructions that depend on this many loops and no more."""
        if depth < self.rank or not self.lanes:
            for position, own in enumerate(self.depth):
                if own == depth:
                    self.scalars[position] = self._scalar(self.nest.body[position])

    def _starting(self, axis: int) -> list[Reduce]:
        """The reductions whose registers are empty when the loop over this axis begins."""
        return [root for root, axes in self.registers.items() if axes and min(axes) == axis]

    def _loop(self, axis: int, low: str, high: str) -> None:
        if self.lanes and axis == self.rank - 1:
            LaneLoop(self, low, high).write()
            return
        self._begin_ordered(axis)
        self.f.loop(low, high, "1", [], lambda counter, _: self._inside(axis, counter))
        self._end_ordered(axis)

    def _inside(self, axis: int, counter: str) -> list[str]:
        self.counters.append(counter)
        inner = axis + 1
        self._values(inner)
        if inner == self.rank:
            self._scalar_roots()
        else:
            starting = [] if self.lanes and inner == self.rank - 1 else self._starting(inner)
            for root in starting:
                self.f.do(f"store i64 0, ptr {self._tree(root)[0]}, align 8")
            self._loop(inner, "0", self.f.integer(self.nest.extents[inner]))
            for root in starting:
                self._finish(root, self._fold(root))
        self.counters.pop()
        return []

    def _scalar_roots(self) -> None:
        for root in self.nest.roots:
            if isinstance(root, (Store, Scatter)):
                self._scalar_root(root)
            else:
                self._advance(root, self._value(root.value))

    # -- scans and positions of extremes: in order, the running values in memory ------------------------------------------
    def _begin_ordered(self, axis: int) -> None:
        if axis == self.rank - 1:
            self._running = running = {}
            for root in self.nest.roots:
                if isinstance(root, (Scan, ArgReduce)):
                    type = register_type(root.buffer.dtype if isinstance(root, Scan) else self._value_dtype(root))
                    running[root] = self.f.entry(f"alloca {type}"), self.f.entry("alloca i64")
                    if isinstance(root, Scan):
                        first = int(root.op is TABLE["cumprod"])
                        self.f.do(f"store {type} {literal_of(first, root.buffer.dtype)}, ptr {running[root][0]}")
                    else:
                        self.f.do(f"store i64 0, ptr {running[root][1]}")

    def _value_dtype(self, root) -> np.dtype:
        return dtype_of(self.nest.body[root.value])

    def _advance(self, root: Scan | ArgReduce, value: str) -> None:
        memory, position = self._running[root]
        dtype = self._value_dtype(root)
        type = register_type(dtype)
        old = self.f.let(f"load {type}, ptr {memory}")
        if isinstance(root, Scan):
            new = combine(self.compute, root.op, old, value, dtype, 0)
            self.f.do(f"store {type} {new}, ptr {memory}")
            self._store_scalar(root.buffer, root.place, new, None)
            return
        counter = self.counters[-1]
        better = self._is_better(root.op, value, old, dtype)
        first = self.f.let(f"icmp eq i64 {counter}, 0")
        take = self.f.let(f"or i1 {first}, {better}")

        def replace():
            self.f.do(f"store {type} {value}, ptr {memory}")
            self.f.do(f"store i64 {counter}, ptr {position}")
            return []
        self.f.when(take, [], replace)

    def _is_better(self, op, value: str, old: str, dtype: np.dtype) -> str:
        """Strictly beyond the best so far, or the first NaN."""
        type = register_type(dtype)
        greater = op is TABLE["argmax"]
        if dtype.kind != "f":
            sign = "s" if dtype.kind == "i" else "u"
            return self.f.let(f"icmp {sign}{'gt' if greater else 'lt'} {type} {value}, {old}")
        beyond = self.f.let(f"fcmp {'ogt' if greater else 'olt'} {type} {value}, {old}")
        nan = self.f.let(f"fcmp uno {type} {value}, {value}")
        number = self.f.let(f"fcmp ord {type} {old}, {old}")
        return self.f.let(f"or i1 {beyond}, {self.f.let(f'and i1 {nan}, {number}')}")

    def _end_ordered(self, axis: int) -> None:
        for root, (_, position) in (self._running if axis == self.rank - 1 else {}).items():
            if isinstance(root, ArgReduce):
                self.access.store(self._site(root.buffer, root.place), self.f.let(f"load i64, ptr {position}"))

    # -- reductions in registers -----------------------------------------------------------------------------------
    def _identity(self, root: Reduce) -> str:
        text = literal_of(identity_of(root.op, root.buffer.dtype), root.buffer.dtype)
        return f"splat ({register_type(root.buffer.dtype)} {text})"

    def _tree(self, root: Reduce) -> tuple[str, str, str]:
        """(state, push, fold) of the pairwise tree of a reduction."""
        if root not in self.trees:
            state = self.f.entry(f"alloca [{tree_bytes(root.buffer.dtype, self.lanes)} x i8], align 64", "tree")
            self.trees[root] = (state, *tree_functions(self.compute.declarations, root.op, root.buffer.dtype, self.lanes, self._identity(root)))
        return self.trees[root]

    def _wide(self, dtype: np.dtype) -> str:
        return vector(register_type(dtype), self.lanes)

    def _push(self, root: Reduce, value: str) -> None:
        state, push, _ = self._tree(root)
        self.f.do(f"call void @{push}(ptr {state}, {self._wide(root.buffer.dtype)} {value})")

    def _fold(self, root: Reduce) -> str:
        state, _, fold = self._tree(root)
        return self.f.let(f"call {self._wide(root.buffer.dtype)} @{fold}(ptr {state})")

    def _finish(self, root: Reduce, value: str) -> None:
        """Store the lanes' combination, or combine it with what is in memory."""
        total = across_lanes(self.compute, root.op, value, root.buffer.dtype, self.lanes)
        self._store_scalar(root.buffer, root.place, total, root.op if accumulates(root, self.rank) else None)

