"""A nest as LLVM: scalar loops outside, lanes along the innermost axis, every instruction at the outermost level it allows."""

from __future__ import annotations

import numpy as np

from codegen.loops import (
    Affine,
    ArgReduce,
    Compute,
    Gather,
    Literal,
    Load,
    Nest,
    Reduce,
    Scan,
    Scatter,
    Store,
    accumulates,
    register_axes,
)
from codegen.schedule.structured import identity_of
from tracer.ops import TABLE

from .abi import BAD_INDEX
from .access import AccessWriter, Site
from .body import depths, dtype_of, lanes_of
from .combine import across_lanes, combine, tree_bytes, tree_functions
from .compute import ComputeWriter
from .lanes import LaneLoop
from .pack import Lane, Pack, pack_calls, packed_function
from .text import FunctionText
from .types import LANES, literal, literal_of, register_type, vector


class NestWriter:
    """Writes one nest into a function."""

    def __init__(self, function: FunctionText, access: AccessWriter, compute: ComputeWriter, nest: Nest):
        self.f = function
        self.access = access
        self.compute = compute
        self.nest = nest = pack_calls(nest)
        self.rank = len(nest.extents)
        self.lanes = 0 if nest.ordered or not self.rank else lanes_of(nest)
        self.depth = depths(nest)
        self.scalars: dict[int, str] = {}
        self.counters: list[str] = []
        self.registers = {root: register_axes(root, self.rank) for root in nest.roots if isinstance(root, Reduce)}
        self.trees: dict[Reduce, tuple[str, str, str]] = {}

    def write(self) -> None:
        """The whole nest."""
        self.begin()
        self.run("0", self.f.integer(self.nest.extents[0]) if self.rank else "0")
        self.finish()

    def begin(self) -> None:
        """What stands before all loops: values that depend on none, and empty trees of sums that run over everything."""
        self._values(0)
        for root in self._starting(0):
            self.f.do(f"store i64 0, ptr {self._tree(root)[0]}, align 8")

    def run(self, low: str, high: str) -> None:
        """The rows [low, high) of the outermost loop."""
        self._loop(0, low, high) if self.rank else self._scalar_roots()

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

    # -- scalars ---------------------------------------------------------------------------------------------------
    def _scalar(self, instruction) -> str:
        if isinstance(instruction, Compute):
            return self.compute.write(instruction, [self._value(k) for k in instruction.operands], 0)
        if isinstance(instruction, Literal):
            return self._literal(instruction)
        if isinstance(instruction, Load):
            return self.access.load(self._site(instruction.buffer, instruction.place))
        if isinstance(instruction, Pack):
            return self._pack(instruction)
        if isinstance(instruction, Lane):
            return ""
        return self._gather_scalar(instruction)

    def _value(self, position: int) -> str:
        """A scalar; the results of a pack stay in memory until they are used."""
        instruction = self.nest.body[position]
        if not isinstance(instruction, Lane):
            return self.scalars[position]
        element = register_type(instruction.dtype)
        place = self.f.let(f"getelementptr {element}, ptr {self.scalars[instruction.pack]}, i64 {instruction.lane}", "p")
        return self.f.let(f"load {element}, ptr {place}, align {instruction.dtype.itemsize}")

    def _pack(self, pack: Pack) -> str:
        """One call for all members; lanes without a member repeat the first. Returns where the results are."""
        element = register_type(pack.dtype)
        function, lanes = packed_function(self.compute, pack)
        operands = []
        for column in zip(*pack.members):
            values = [self._value(k) for k in column]
            operands += [*values, *[values[0]] * (LANES - len(values))]
        results = self.f.entry(f"alloca [{lanes} x {element}], align 64", "out")
        self.f.do(f"call void @{function}(ptr {results}, {', '.join(f'{element} {value}' for value in operands)})")
        return results

    def _literal(self, instruction: Literal) -> str:
        if not instruction.run_time:
            return literal(instruction.bits, instruction.dtype)
        # Numbers that follow from extents are parameters, by their bits.
        value = np.frombuffer(instruction.bits, instruction.dtype)[0]
        if instruction.dtype.kind == "f":
            bits = int(np.float64(value).view(np.int64))
            number = self.f.entry(f"bitcast i64 {self.f.integer(bits, ('number', len(self.f.integers.values)))} to double")
            return number if instruction.dtype.itemsize == 8 else self.f.entry(f"fptrunc double {number} to float")
        number = self.f.integer(int(value))
        return number if instruction.dtype.itemsize == 8 else self.f.entry(f"trunc i64 {number} to {register_type(instruction.dtype)}")

    def _site(self, buffer, place, lane: bool = False) -> Site:
        return self.access.site(buffer, place, self.counters, self.rank - 1 if lane else None)

    def _flat(self, instruction: Gather | Scatter, values: list[str], dtypes: list[np.dtype], lanes: int):
        """(bad, offset): is a data-dependent index out of range, and the flat offset that the indices make."""
        f, strides, bad, total = self.f, instruction.buffer.strides(), None, None
        for value, dtype, stride, extent in zip(values, dtypes, strides, instruction.buffer.shape):
            value = self.compute.cast(value, dtype, np.dtype("int64"), lanes)
            splat = (lambda text: self.access.splat(text, "i64", lanes)) if lanes else (lambda text: text)
            out = f.let(f"icmp uge {vector('i64', lanes)} {value}, {splat(f.integer(extent))}")
            bad = out if bad is None else f.let(f"or {vector('i1', lanes)} {bad}, {out}")
            term = f.let(f"mul {vector('i64', lanes)} {value}, {splat(f.integer(stride))}")
            total = term if total is None else f.let(f"add {vector('i64', lanes)} {total}, {term}")
        return bad, total

    def _rest(self, instruction: Gather | Scatter) -> Affine:
        """The affine part of a data-dependent place, flat."""
        offset, coefs = 0, [0] * self.rank
        strides = instruction.buffer.strides()[len(instruction.indices):]
        for part, stride in zip(instruction.rest, strides):
            offset += part.offset * stride
            coefs = [c + p * stride for c, p in zip(coefs, part.coefs)]
        return Affine(offset, tuple(coefs))

    def _dtypes(self, positions) -> list[np.dtype]:
        return [dtype_of(self.nest.body[k]) for k in positions]

    def _gather_scalar(self, instruction: Gather) -> str:
        values = [self._value(k) for k in instruction.indices]
        site = self._site(instruction.buffer, self._rest(instruction))
        bad, offset = self._flat(instruction, values, self._dtypes(instruction.indices), 0)
        self._complain(bad)
        good = self.f.let(f"xor i1 {bad}, true")
        type = register_type(instruction.buffer.dtype)
        zero = literal_of(0, instruction.buffer.dtype)

        def read():
            return [self.access.load(_moved(site, self.f.add(site.offset, offset)))]
        return self.f.when(good, [(type, zero)], read)[0]

    def _complain(self, bad: str) -> None:
        self.f.when(bad, [], lambda: self.f.do(f"store i32 {BAD_INDEX}, ptr %status, align 4") or [])

    def _scalar_roots(self) -> None:
        for root in self.nest.roots:
            value = self._value(root.value)
            if isinstance(root, Store):
                self._store_scalar(root.buffer, root.place, value, TABLE["sum"] if root.accumulate else None)
            elif isinstance(root, Scatter):
                self._scatter(root, value)
            else:
                self._advance(root, value)

    def _store_scalar(self, buffer, place, value: str, op) -> None:
        site = self._site(buffer, place)
        if op is not None:
            value = combine(self.compute, op, self.access.load(site), value, buffer.dtype, 0)
        self.access.store(site, value)

    def _scatter(self, root: Scatter, value: str) -> None:
        site = self._site(root.buffer, self._rest(root))
        bad, offset = self._flat(root, [self._value(k) for k in root.indices], self._dtypes(root.indices), 0)
        self._complain(bad)

        def add():
            place = _moved(site, self.f.add(site.offset, offset))
            self.access.store(place, combine(self.compute, TABLE["sum"], self.access.load(place), value, root.buffer.dtype, 0))
            return []
        self.f.when(self.f.let(f"xor i1 {bad}, true"), [], add)

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


def _moved(site: Site, offset: str) -> Site:
    return Site(site.buffer, site.pointer, offset, site.step, site.unit, site.align)
