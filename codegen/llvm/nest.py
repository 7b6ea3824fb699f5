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
    place_depth,
    register_axes,
)
from codegen.schedule.structured import identity_of
from tracer.graph.op import lowering
from tracer.ops import TABLE

from .access import BAD_INDEX, AccessWriter, Site, harmless, iota
from .combine import across_lanes, combine, tree_bytes, tree_functions
from .compute import ComputeWriter
from .pack import Lane, Pack, pack_calls
from .text import FunctionText
from .types import BLOCK, LANES, NARROW_LANES, literal, literal_of, memory_type, register_type, vector

LONG_BODY = 150  # instructions; above this the body is written once, masked, instead of once for full vectors and once for the tail


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
            return self.compute.write(instruction, [self.scalars[k] for k in instruction.operands], 0)
        if isinstance(instruction, Literal):
            return self._literal(instruction)
        if isinstance(instruction, Load):
            return self.access.load(self._site(instruction.buffer, instruction.place))
        if isinstance(instruction, Pack):
            return self._pack(instruction)
        if isinstance(instruction, Lane):
            return self.f.let(f"extractelement {vector(register_type(instruction.dtype), LANES)} {self.scalars[instruction.pack]}, i64 {instruction.lane}")
        return self._gather_scalar(instruction)

    def _pack(self, pack: Pack) -> str:
        """One call of a vector function on gathered scalars; lanes without a member repeat the first."""
        element = register_type(pack.dtype)
        type = vector(element, LANES)
        columns = []
        for column in zip(*pack.members):
            filled = "poison"
            for lane, operand in enumerate((*column, *[column[0]] * (LANES - len(column)))):
                filled = self.f.let(f"insertelement {type} {filled}, {element} {self.scalars[operand]}, i64 {lane}")
            columns.append(filled)
        return self.compute.apply(lowering(pack.op, pack.dtype), columns, pack.dtype, pack.dtype, LANES)

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
        values = [self.scalars[k] for k in instruction.indices]
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
            value = self.scalars[root.value]
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
        bad, offset = self._flat(root, [self.scalars[k] for k in root.indices], self._dtypes(root.indices), 0)
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


class LaneLoop:
    """The innermost loop of a nest, LANES elements at a time; the last few through the same code under a mask."""

    def __init__(self, writer: NestWriter, low: str, high: str):
        self.w = writer
        self.low, self.high = low, high
        self.f = writer.f
        self.access = writer.access
        self.lanes = writer.lanes
        self.nest = writer.nest
        self.inner = [k for k, depth in enumerate(writer.depth) if depth == writer.rank]
        self.running = [root for root, axes in writer.registers.items() if axes]
        # Sums over this axis alone start and end here; those over more axes (or over all rows) only add to their tree.
        self.starting = writer._starting(writer.rank - 1) if writer.rank > 1 else []
        self.splats = self._splats()
        self.sites = self._sites()

    def _splats(self) -> dict[int, str]:
        """Outer values that lanes need, spread before the loop."""
        needed = {k for position in self.inner for k in _operands(self.nest.body[position])}
        needed |= {root.value for root in self.nest.roots}
        return {k: self.access.splat(self.w.scalars[k], register_type(dtype_of(self.nest.body[k])), self.lanes)
                for k in sorted(needed) if self.w.depth[k] < self.w.rank}

    def _sites(self) -> dict:
        sites = {}
        for position in self.inner:
            instruction = self.nest.body[position]
            if isinstance(instruction, Load):
                sites[position] = self.w._site(instruction.buffer, instruction.place, lane=True)
            elif isinstance(instruction, Gather):
                sites[position] = self.w._site(instruction.buffer, self.w._rest(instruction), lane=True)
        for root in self.nest.roots:
            if root not in self.running:
                sites[root] = self.w._site(root.buffer, root.place, lane=True)
        return sites

    def _type(self, root: Reduce) -> str:
        return self.w._wide(root.buffer.dtype)

    def write(self) -> None:
        if not self.running:
            self._span(self.low, self.high, [])
            return
        carried = [(self._type(root), self.w._identity(root)) for root in self.running]
        outer = [root for root in self.running if root not in self.starting]
        # A row of one block needs no tree: its accumulators are the result.
        several = self.f.let(f"icmp sgt i64 {self.high}, {BLOCK}")
        for root in self.starting:
            self.f.do(f"store i64 0, ptr {self.w._tree(root)[0]}, align 8")

        def block(start, _):
            end = self.f.let(f"add i64 {start}, {BLOCK}", "i")
            past = self.f.let(f"icmp slt i64 {end}, {self.high}")
            end = self.f.let(f"select i1 {past}, i64 {end}, i64 {self.high}", "i")
            totals = self._span(start, end, [self.w._identity(root) for root in self.running])
            for root, total in zip(self.running, totals):
                if root in outer:
                    self.w._push(root, total)
            if self.starting:
                pairs = [(r, t) for r, t in zip(self.running, totals) if r in self.starting]
                self.f.when(several, [], lambda: [self.w._push(r, t) for r, t in pairs] and [])
            return totals
        totals = self.f.loop(self.low, self.high, str(BLOCK), carried, block)
        for root, total in zip(self.running, totals):
            if root in self.starting:
                whole = self.f.when(several, [(self._type(root), total)], lambda root=root: [self.w._fold(root)])
                self.w._finish(root, whole[0])

    def _span(self, start: str, end: str, accumulators: list[str]) -> list[str]:
        """Lanes over [start, end): full vectors, then the rest under a mask."""
        f = self.f
        carried = [(self._type(root), value) for root, value in zip(self.running, accumulators)]
        if len(self.inner) > LONG_BODY:
            return f.loop(start, end, str(self.lanes), carried, lambda i, values: self._body(i, values, f.let(f"sub i64 {end}, {i}", "i")))
        length = f.let(f"sub i64 {end}, {start}", "i") if start != "0" else end
        rest = f.let(f"and i64 {length}, {self.lanes - 1}", "i")
        full = f.let(f"sub i64 {end}, {rest}", "i")
        values = f.loop(start, full, str(self.lanes), carried, lambda i, values: self._body(i, values, None))
        more = f.let(f"icmp ne i64 {rest}, 0")
        carried = [(type, value) for (type, _), value in zip(carried, values)]
        return f.when(more, carried, lambda: self._body(full, values, rest))

    def _body(self, counter: str, accumulators: list[str], rest: str | None) -> list[str]:
        """One vector of elements; ``rest``: how many lanes are active, all where None."""
        f, lanes = self.f, self.lanes
        mask = None
        active = str(lanes)
        if rest is not None:
            below = f.let(f"icmp slt i64 {rest}, {lanes}")
            active = f.let(f"select i1 {below}, i64 {rest}, i64 {lanes}", "i")
            mask = f.let(f"icmp ult <{lanes} x i64> {iota(lanes)}, {self.access.splat(active, 'i64', lanes)}")
        values = dict(self.splats)
        for position in self.inner:
            values[position] = self._instruction(position, values, counter, mask, active)
        for root in self.nest.roots:
            if root not in self.running:
                self._store(root, values[root.value], counter, mask, active)
        result = []
        for root, old in zip(self.running, accumulators):
            value = values[root.value]
            if mask is not None:
                value = f.let(f"select <{lanes} x i1> {mask}, {self._type(root)} {value}, {self._type(root)} {self.w._identity(root)}")
            result.append(combine(self.w.compute, root.op, old, value, root.buffer.dtype, lanes))
        return result

    def _instruction(self, position: int, values, counter, mask, active) -> str:
        instruction = self.nest.body[position]
        if isinstance(instruction, Compute):
            return self.w.compute.write(instruction, [values[k] for k in instruction.operands], self.lanes)
        if isinstance(instruction, Load):
            return self.access.load_lanes(self.sites[position], counter, self.lanes, mask, active)
        return self._gather(position, instruction, values, counter, mask)

    def _gather(self, position: int, instruction: Gather, values, counter, mask) -> str:
        f, lanes, site = self.f, self.lanes, self.sites[position]
        bad, offset = self.w._flat(instruction, [values[k] for k in instruction.indices], self.w._dtypes(instruction.indices), lanes)
        if mask is not None:
            bad = f.let(f"and <{lanes} x i1> {bad}, {mask}")
        name = self.access.declarations.declare(f"llvm.vector.reduce.or.v{lanes}i1", "i1", (f"<{lanes} x i1>",))
        self.w._complain(f.let(f"call i1 @{name}(<{lanes} x i1> {bad})"))
        good = f.let(f"xor <{lanes} x i1> {bad}, splat (i1 true)")
        if mask is not None:
            good = f.let(f"and <{lanes} x i1> {good}, {mask}")
        first = f.add(site.offset, f.mul(counter, site.step))
        steps = f.let(f"mul <{lanes} x i64> {iota(lanes)}, {self.access.splat(site.step, 'i64', lanes)}")
        offset = f.let(f"add <{lanes} x i64> {offset}, {steps}")
        offset = f.let(f"add <{lanes} x i64> {offset}, {self.access.splat(first, 'i64', lanes)}")
        pointers = f.let(f"getelementptr {site.unit}, ptr {site.pointer}, <{lanes} x i64> {offset}")
        element = memory_type(site.buffer.dtype)
        type = vector(element, lanes)
        name = self.access.declarations.declare(f"llvm.masked.gather.v{lanes}{_gather_suffix(element)}.v{lanes}p0", type,
                                                (f"<{lanes} x ptr>", "i32", f"<{lanes} x i1>", type))
        value = f.let(f"call {type} @{name}(<{lanes} x ptr> {pointers}, i32 {site.align}, <{lanes} x i1> {good}, {type} {harmless(element, lanes)})")
        return self.access.to_register(value, site.buffer.dtype, lanes)

    def _store(self, root, value: str, counter, mask, active) -> None:
        site = self.sites[root]
        if accumulates(root, self.w.rank):
            op = root.op if isinstance(root, Reduce) else TABLE["sum"]
            old = self.access.load_lanes(site, counter, self.lanes, mask, active)
            value = combine(self.w.compute, op, old, value, root.buffer.dtype, self.lanes)
        self.access.store_lanes(site, counter, value, self.lanes, mask, active)


def _gather_suffix(element: str) -> str:
    return {"double": "f64", "float": "f32"}.get(element, element)


def _operands(instruction) -> tuple[int, ...]:
    if isinstance(instruction, Compute):
        return instruction.operands
    return instruction.indices if isinstance(instruction, Gather) else ()


def dtype_of(instruction) -> np.dtype:
    """The dtype of the value that an instruction makes."""
    return instruction.buffer.dtype if isinstance(instruction, (Load, Gather)) else instruction.dtype


def depths(nest: Nest) -> list[int]:
    """For each instruction the number of outer loops that its value depends on."""
    result: list[int] = []
    for instruction in nest.body:
        depth = 0
        if isinstance(instruction, Load):
            depth = place_depth(instruction.place)
        elif isinstance(instruction, Gather):
            depth = max([place_depth(instruction.rest), *(result[k] for k in instruction.indices)])
        else:
            depth = max([result[k] for k in getattr(instruction, "operands", ())], default=0)
        result.append(depth)
    return result


def lanes_of(nest: Nest) -> int:
    """float32 alone takes twice the lanes."""
    sizes = {dtype_of(i).itemsize for i in nest.body if dtype_of(i).kind != "b"}
    return NARROW_LANES if sizes == {4} else LANES
