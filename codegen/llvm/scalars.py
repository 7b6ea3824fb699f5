"""Values of a nest one at a time: what loops over scalars and straight-line code have in common."""

from __future__ import annotations

import numpy as np

from codegen.loops import Affine, Compute, Gather, Literal, Load, Nest, Scatter, Store
from tracer.ops import TABLE

from .abi import BAD_INDEX
from .access import AccessWriter, Site
from .body import dtype_of
from .combine import combine
from .compute import ComputeWriter
from .text import FunctionText
from .types import literal, literal_of, register_type, vector


class ScalarWriter:
    """Writes instructions and roots of a nest at one point of its space. ``scalars`` has the values so far, by position in the body."""

    def __init__(self, function: FunctionText, access: AccessWriter, compute: ComputeWriter, nest: Nest):
        self.f = function
        self.access = access
        self.compute = compute
        self.nest = nest
        self.rank = len(nest.extents)
        self.scalars: dict[int, str] = {}
        self.counters: list[str] = []

    def _scalar(self, instruction) -> str:
        if isinstance(instruction, Compute):
            return self.compute.write(instruction, [self._value(k) for k in instruction.operands], 0)
        if isinstance(instruction, Literal):
            return self._literal(instruction)
        if isinstance(instruction, Load):
            return self.access.load(self._site(instruction.buffer, instruction.place))
        return self._gather_scalar(instruction)

    def _value(self, position: int) -> str:
        return self.scalars[position]

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

    def _scalar_root(self, root: Store | Scatter) -> None:
        value = self._value(root.value)
        if isinstance(root, Store):
            self._store_scalar(root.buffer, root.place, value, TABLE["sum"] if root.accumulate else None)
        else:
            self._scatter(root, value)

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


def _moved(site: Site, offset: str) -> Site:
    return Site(site.buffer, site.pointer, offset, site.step, site.unit, site.align)
