"""Nests with short rows: the innermost axis is a few vectors, written out, so that it is no loop at all.

The length of the rows is then part of the kernel. In return a value that does not depend on an outer loop stays in registers across it, and sums over
all rows are kept in registers too. A pass over 100,000 rows of 30 took 35 cycles a row with loops over lanes, and is bound by memory this way.
"""

from __future__ import annotations

from codegen.loops import Affine, Compute, Gather, Load, Nest, Reduce, Store, accumulates
from tracer.ops import TABLE

from .body import depths, dtype_of, lanes_of
from .combine import across_lanes, combine
from .nest import NestWriter
from .types import register_type

MOST_VECTORS = 4
MOST_CARRIED = 16  # registers for sums over all rows


def has_short_rows(nest: Nest) -> bool:
    """Is the innermost axis short, and another loop around it?"""
    if len(nest.extents) < 2 or nest.ordered or any(isinstance(i, Gather) for i in nest.body):
        return False
    return 0 < nest.extents[-1] <= MOST_VECTORS * lanes_of(nest)


class RowWriter(NestWriter):
    """Writes a nest with short rows: scalar loops around values that are scalars or lists of vectors."""

    def __init__(self, function, access, compute, nest: Nest):
        super().__init__(function, access, compute, nest)
        self.lane_axis = self.rank - 1
        length = nest.extents[-1]
        self.starts = range(0, length, self.lanes)
        self.masks = [self._mask(length - start) for start in self.starts]
        self.wide = _depends_on(nest, self.lane_axis)
        self.outer_depth = depths(_without_axis(nest, self.lane_axis))
        self.vectors: dict[int, list[str]] = {}
        self.carried = self._carried()
        self.carry: list[str] = []

    def _mask(self, rest: int) -> str | None:
        if rest >= self.lanes:
            return None
        return "<" + ", ".join(f"i1 {'true' if k < rest else 'false'}" for k in range(self.lanes)) + ">"

    def _active(self, chunk: int) -> str:
        return str(min(self.lanes, self.nest.extents[-1] - self.starts[chunk]))

    def _carried(self) -> list[Reduce]:
        """Sums over all outer loops: one row that stays in registers."""
        found = []
        for root in self.nest.roots:
            if isinstance(root, Reduce) and root.axes == frozenset(range(self.lane_axis)) and isinstance(root.place, Affine) and self.wide[root.value]:
                if (len(found) + 1) * len(self.starts) <= MOST_CARRIED:
                    found.append(root)
        return found

    # -- the three parts of a nest -----------------------------------------------------------------------------------
    def run(self, low: str, high: str) -> None:
        sites = {root: self.access.site(root.buffer, root.place, [], self.lane_axis) for root in self.carried}
        self.carry = [self._load(sites[root], chunk) for root in self.carried for chunk in range(len(self.starts))]
        self._loop(0, low, high)
        values = iter(self.carry)
        for root in self.carried:
            for chunk in range(len(self.starts)):
                self._store_chunk(sites[root], chunk, next(values))

    def _loop(self, axis: int, low: str, high: str) -> None:
        types = [self._wide(root.buffer.dtype) for root in self.carried for _ in self.starts]

        def body(counter, carry):
            self.carry = list(carry)
            self.counters.append(counter)
            self._values(axis + 1)
            if axis + 1 == self.lane_axis:
                self._roots()
            else:
                self._inner_loop(axis + 1)
            self.counters.pop()
            return self.carry
        self.carry = self.f.loop(low, high, "1", list(zip(types, self.carry)), body)

    def _inner_loop(self, axis: int) -> None:
        starting = self._starting(axis)
        for root in starting:
            self.f.do(f"store i64 0, ptr {self._tree(root)[0]}, align 8")
        self._loop(axis, "0", self.f.integer(self.nest.extents[axis]))
        for root in starting:
            self._finish(root, self._fold(root))

    # -- values ----------------------------------------------------------------------------------------------------
    def _values(self, depth: int) -> None:
        for position, own in enumerate(self.outer_depth):
            if own == depth:
                if self.wide[position]:
                    self.vectors[position] = self._vectors(self.nest.body[position])
                else:
                    self.scalars[position] = self._scalar(self.nest.body[position])

    def _vectors(self, instruction) -> list[str]:
        if isinstance(instruction, Load):
            site = self._site(instruction.buffer, instruction.place, lane=True)
            return [self._load(site, chunk) for chunk in range(len(self.starts))]
        assert isinstance(instruction, Compute)
        columns = [self._as_vectors(k) for k in instruction.operands]
        return [self.compute.write(instruction, list(operands), self.lanes) for operands in zip(*columns)]

    def _as_vectors(self, position: int) -> list[str]:
        if self.wide[position]:
            return self.vectors[position]
        return [self._spread(position)] * len(self.starts)

    def _spread(self, position: int) -> str:
        # Spread anew where it is used: a splat made inside an inner loop is not there outside of it.
        return self.access.splat(self.scalars[position], register_type(dtype_of(self.nest.body[position])), self.lanes)

    def _load(self, site, chunk: int) -> str:
        return self.access.load_lanes(site, str(self.starts[chunk]), self.lanes, self.masks[chunk], self._active(chunk))

    def _store_chunk(self, site, chunk: int, value: str) -> None:
        self.access.store_lanes(site, str(self.starts[chunk]), value, self.lanes, self.masks[chunk], self._active(chunk))

    # -- roots -----------------------------------------------------------------------------------------------------
    def _roots(self) -> None:
        for root in self.nest.roots:
            if root in self.carried:
                self._carry_on(root)
            elif isinstance(root, Reduce) and self.lane_axis in root.axes:
                self._reduce_row(root)
            else:
                self._store_row(root)

    def _carry_on(self, root: Reduce) -> None:
        first = self.carried.index(root) * len(self.starts)
        for chunk, value in enumerate(self._as_vectors(root.value)):
            self.carry[first + chunk] = combine(self.compute, root.op, self.carry[first + chunk], value, root.buffer.dtype, self.lanes)

    def _reduce_row(self, root: Reduce) -> None:
        total = None
        type, identity = self._wide(root.buffer.dtype), self._identity(root)
        for value, mask in zip(self._as_vectors(root.value), self.masks):
            if mask is not None:
                value = self.f.let(f"select <{self.lanes} x i1> {mask}, {type} {value}, {type} {identity}")
            total = value if total is None else combine(self.compute, root.op, total, value, root.buffer.dtype, self.lanes)
        if min(self.registers[root]) == self.lane_axis:
            total = across_lanes(self.compute, root.op, total, root.buffer.dtype, self.lanes)
            self._store_scalar(root.buffer, root.place, total, root.op if accumulates(root, self.rank) else None)
        else:
            self._push(root, total)

    def _store_row(self, root) -> None:
        site = self._site(root.buffer, root.place, lane=True)
        op = None
        if accumulates(root, self.rank):
            op = TABLE["sum"] if isinstance(root, Store) else root.op
        for chunk, value in enumerate(self._as_vectors(root.value)):
            if op is not None:
                value = combine(self.compute, op, self._load(site, chunk), value, root.buffer.dtype, self.lanes)
            self._store_chunk(site, chunk, value)


def _depends_on(nest: Nest, axis: int) -> list[bool]:
    """For each instruction: does its value change along this axis?"""
    result: list[bool] = []
    for instruction in nest.body:
        if isinstance(instruction, Load):
            parts = (instruction.place,) if isinstance(instruction.place, Affine) else instruction.place
            result.append(any(part.coefs[axis] for part in parts))
        else:
            result.append(any(result[k] for k in getattr(instruction, "operands", ())))
    return result


def _without_axis(nest: Nest, axis: int) -> Nest:
    """The body as if an axis were not there, for asking how many of the other loops it needs."""
    def cut(place):
        if isinstance(place, Affine):
            return Affine(place.offset, place.coefs[:axis] + place.coefs[axis + 1:])
        return tuple([cut(part) for part in place])
    body = [Load(i.buffer, cut(i.place)) if isinstance(i, Load) else i for i in nest.body]
    return Nest(nest.extents[:axis] + nest.extents[axis + 1:], body)
