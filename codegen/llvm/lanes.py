"""The innermost loop of a nest in lanes."""

from __future__ import annotations

from codegen.loops import Compute, Gather, Load, Reduce, accumulates
from tracer.ops import TABLE

from .access import harmless, iota
from .body import dtype_of, operands_of
from .combine import combine
from .types import BLOCK, mangled, memory_type, register_type, vector

LONG_BODY = 150  # instructions; above this the body is written once, masked, instead of once for full vectors and once for the tail


class LaneLoop:
    """The innermost loop of a nest, LANES elements at a time; the last few through the same code under a mask."""

    def __init__(self, writer, low: str, high: str):
        """``writer``: the NestWriter around it; the rows [low, high)."""
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
        needed = {k for position in self.inner for k in operands_of(self.nest.body[position])}
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
        name = self.access.declarations.declare(f"llvm.masked.gather.{mangled(element, lanes)}.v{lanes}p0", type,
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
