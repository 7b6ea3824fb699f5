"""Reading and writing buffers, one element or a vector of lanes at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from codegen.loops import Affine, Buffer, Place

from .abi import BAD_ACCESS
from .compute import Declarations
from .text import FunctionText
from .types import mangled, memory_type, register_type, vector


class Buffers:
    """Where the buffers of a program are, as seen from one function."""

    def __init__(self, function: FunctionText, inputs: list[Buffer], offsets: dict[Buffer, int], addresses: list[int]):
        self.f = function
        self.input_count = len(inputs)
        self.offsets = offsets
        self.addresses = addresses
        self._pointers: dict[Buffer, str] = {}
        self._strides: dict[tuple[Buffer, int], str] = {}
        self._first_stride, total = {}, 0
        for buffer in inputs:
            self._first_stride[buffer] = total
            total += len(buffer.shape)

    def pointer(self, buffer: Buffer) -> str:
        """Where a buffer starts. Scalars of the workspace lie in front, at places that do not depend on extents: their address is made where it
        is used, which an instruction's addressing mode then takes in (kept in registers from the start of a function they took half of LLVM's time)."""
        if buffer.kind == "work" and not buffer.shape:
            return self.f.let(self._workspace(buffer), "w")
        found = self._pointers.get(buffer)
        if found is None:
            found = self._pointers[buffer] = self._find(buffer)
        return found

    def _workspace(self, number: Buffer) -> str:
        return f"getelementptr i8, ptr %workspace, i64 {self.offsets[number]}"

    def _find(self, buffer: Buffer) -> str:
        if buffer.kind == "work":
            number = self.f.integer(self.offsets[buffer], ("work", buffer.position))
            return self.f.entry(f"getelementptr i8, ptr %workspace, i64 {number}", "w")
        if buffer.kind == "array":
            number = self.f.integer(self.addresses[buffer.position], ("array", buffer.position))
            return self.f.entry(f"inttoptr i64 {number} to ptr", "a")
        if buffer.kind == "row":
            return self._row(buffer)
        if buffer.kind == "tape":
            return self.f.entry(f"load ptr, ptr {self.f.entry(self._workspace(buffer.slot), 'w')}, align 8", "t")
        slot = buffer.position + (self.input_count if buffer.kind == "output" else 0)
        place = self.f.entry(f"getelementptr ptr, ptr %buffers, i64 {slot}", "b")
        return self.f.entry(f"load ptr, ptr {place}, align 8", "b")

    def _row(self, buffer: Buffer) -> str:
        """The start of a row in this iteration; counters stand still while a function of the kernel runs."""
        f, (parent, start, step, level, slots) = self.f, buffer.row
        pointer, at = self.pointer(parent), f.integer(start)
        if step:
            counter = f.entry(f"load i64, ptr {f.entry(f'getelementptr i64, ptr %counters, i64 {level}', 'q')}, align 8", "i")
            at = f.entry(f"add i64 {at}, {f.entry(f'mul i64 {counter}, {f.integer(step)}', 'i')}", "i")
            if slots:
                at = f.entry(f"and i64 {at}, 1" if slots == 2 else f"urem i64 {at}, {f.integer(slots)}", "i")
        offset = f.entry(f"mul i64 {at}, {f.integer(int(np.prod(parent.shape[1:])))}", "i")
        return f.entry(f"getelementptr {memory_type(buffer.dtype)}, ptr {pointer}, i64 {offset}", "w")

    def stride(self, buffer: Buffer, axis: int) -> str:
        """The byte stride of a strided input."""
        found = self._strides.get((buffer, axis))
        if found is None:
            place = self.f.entry(f"getelementptr i64, ptr %strides, i64 {self._first_stride[buffer] + axis}", "s")
            found = self._strides[buffer, axis] = self.f.entry(f"load i64, ptr {place}, align 8", "s")
        return found


class Site(NamedTuple):
    """A place with the outer counters put in: ``offset`` is that of lane 0 at counter 0, ``step`` what one element further adds.

    In elements, or in bytes for strided inputs (``unit`` i8).
    """

    buffer: Buffer
    pointer: str
    offset: str
    step: str
    unit: str
    align: int


class AccessWriter:
    """Writes loads and stores of sites."""

    def __init__(self, function: FunctionText, buffers: Buffers, declarations: Declarations, checked: bool):
        self.f = function
        self.buffers = buffers
        self.declarations = declarations
        self.checked = checked

    def site(self, buffer: Buffer, place: Place, counters: list[str], lane_axis: int | None) -> Site:
        """The place at the values of the outer counters; ``lane_axis`` is left open."""
        f, pointer = self.f, self.buffers.pointer(buffer)
        if isinstance(place, Affine):
            offset = self.affine(place, counters)
            step = f.integer(place.coefs[lane_axis]) if lane_axis is not None else "0"
            return Site(buffer, pointer, offset, step, memory_type(buffer.dtype), buffer.dtype.itemsize)
        offset, step = "0", "0"
        for axis, part in enumerate(place):
            stride = self.buffers.stride(buffer, axis)
            offset = f.add(offset, f.mul(self.affine(part, counters), stride))
            if lane_axis is not None:
                step = f.add(step, f.mul(f.integer(part.coefs[lane_axis]), stride))
        return Site(buffer, pointer, offset, step, "i8", 1)

    def affine(self, part: Affine, counters: list[str]) -> str:
        total = self.f.integer(part.offset)
        for coefficient, counter in zip(part.coefs, counters):
            total = self.f.add(total, self.f.mul(self.f.integer(coefficient), counter))
        return total

    # -- straight-line code: a scalar of the workspace, which is most of it, has a short way ----------------------------------
    def read(self, buffer: Buffer, place: Place) -> str:
        """The element of a place without counters."""
        if self._is_slot(buffer):
            return self.f.let(f"load {memory_type(buffer.dtype)}, ptr {self.buffers.pointer(buffer)}, align {buffer.dtype.itemsize}")
        return self.load(self.site(buffer, place, [], None))

    def write(self, buffer: Buffer, place: Place, value: str) -> None:
        """Store the element of a place without counters."""
        if self._is_slot(buffer):
            self.f.do(f"store {memory_type(buffer.dtype)} {value}, ptr {self.buffers.pointer(buffer)}, align {buffer.dtype.itemsize}")
        else:
            self.store(self.site(buffer, place, [], None), value)

    def _is_slot(self, buffer: Buffer) -> bool:
        return buffer.kind == "work" and not buffer.shape and not self.checked and buffer.dtype.kind != "b"

    # -- one element -----------------------------------------------------------------------------------------------
    def load(self, site: Site) -> str:
        address = self._address(site, self._guarded(site, site.offset))
        value = self.f.let(f"load {memory_type(site.buffer.dtype)}, ptr {address}, align {site.align}")
        return self.to_register(value, site.buffer.dtype, 0)

    def store(self, site: Site, value: str) -> None:
        address = self._address(site, self._guarded(site, site.offset))
        value = self.to_memory(value, site.buffer.dtype, 0)
        self.f.do(f"store {memory_type(site.buffer.dtype)} {value}, ptr {address}, align {site.align}")

    def _address(self, site: Site, offset: str) -> str:
        return site.pointer if offset == "0" else self.f.let(f"getelementptr {site.unit}, ptr {site.pointer}, i64 {offset}", "p")

    def to_register(self, value: str, dtype: np.dtype, lanes: int) -> str:
        if dtype.kind != "b":
            return value
        return self.f.let(f"icmp ne {vector('i8', lanes)} {value}, {'zeroinitializer' if lanes else '0'}")

    def to_memory(self, value: str, dtype: np.dtype, lanes: int) -> str:
        return value if dtype.kind != "b" else self.f.let(f"zext {vector('i1', lanes)} {value} to {vector('i8', lanes)}")

    # -- lanes -----------------------------------------------------------------------------------------------------
    def load_lanes(self, site: Site, counter: str, lanes: int, mask: str | None, active: str) -> str:
        element = memory_type(site.buffer.dtype)
        type = vector(element, lanes)
        if site.unit != "i8" or (element == "i8" and site.buffer.dense):
            if site.step in ("1", "-1"):
                value = self._load_run(site, counter, lanes, mask, active, element)
                return self.to_register(value, site.buffer.dtype, lanes)
        pointers = self._lane_pointers(site, counter, lanes, active)
        name = self.declarations.declare(f"llvm.masked.gather.{mangled(element, lanes)}.v{lanes}p0", type,
                                         (f"<{lanes} x ptr>", "i32", f"<{lanes} x i1>", type))
        value = self.f.let(f"call {type} @{name}(<{lanes} x ptr> {pointers}, i32 {site.align}, <{lanes} x i1> {mask or 'splat (i1 true)'}, "
                           f"{type} {harmless(element, lanes)})")
        return self.to_register(value, site.buffer.dtype, lanes)

    def _load_run(self, site: Site, counter: str, lanes: int, mask, active: str, element: str) -> str:
        address, mask = self._run(site, counter, lanes, mask, active)
        type = vector(element, lanes)
        if mask is None:
            value = self.f.let(f"load {type}, ptr {address}, align {site.align}")
        else:
            name = self.declarations.declare(f"llvm.masked.load.{mangled(element, lanes)}.p0", type, ("ptr", "i32", f"<{lanes} x i1>", type))
            value = self.f.let(f"call {type} @{name}(ptr {address}, i32 {site.align}, <{lanes} x i1> {mask}, {type} {harmless(element, lanes)})")
        return value if site.step == "1" else self._reversed(value, type, lanes)

    def store_lanes(self, site: Site, counter: str, value: str, lanes: int, mask: str | None, active: str) -> None:
        element = memory_type(site.buffer.dtype)
        type = vector(element, lanes)
        value = self.to_memory(value, site.buffer.dtype, lanes)
        if site.step in ("1", "-1"):
            address, mask = self._run(site, counter, lanes, mask, active)
            value = value if site.step == "1" else self._reversed(value, type, lanes)
            if mask is None:
                self.f.do(f"store {type} {value}, ptr {address}, align {site.align}")
                return
            name = self.declarations.declare(f"llvm.masked.store.{mangled(element, lanes)}.p0", "void", (type, "ptr", "i32", f"<{lanes} x i1>"))
            self.f.do(f"call void @{name}({type} {value}, ptr {address}, i32 {site.align}, <{lanes} x i1> {mask})")
            return
        pointers = self._lane_pointers(site, counter, lanes, active)
        name = self.declarations.declare(f"llvm.masked.scatter.{mangled(element, lanes)}.v{lanes}p0", "void",
                                         (type, f"<{lanes} x ptr>", "i32", f"<{lanes} x i1>"))
        self.f.do(f"call void @{name}({type} {value}, <{lanes} x ptr> {pointers}, i32 {site.align}, <{lanes} x i1> {mask or 'splat (i1 true)'})")

    def _run(self, site: Site, counter: str, lanes: int, mask, active: str) -> tuple[str, str | None]:
        """The address of the lowest of neighbouring elements, and the mask in the order of memory."""
        f = self.f
        offset = self._guarded(site, f.add(site.offset, f.mul(counter, site.step) if site.step == "1" else f.let(f"sub i64 0, {counter}", "i")), active)
        if site.step == "1":
            return self._address(site, offset), mask
        low = f.let(f"sub i64 {offset}, {lanes - 1}", "i")
        return self._address(site, low), mask and self._reversed(mask, f"<{lanes} x i1>", lanes)

    def _reversed(self, value: str, type: str, lanes: int) -> str:
        order = ", ".join(f"i32 {k}" for k in reversed(range(lanes)))
        return self.f.let(f"shufflevector {type} {value}, {type} poison, <{lanes} x i32> <{order}>")

    def _lane_pointers(self, site: Site, counter: str, lanes: int, active: str) -> str:
        f = self.f
        first = self._guarded(site, f.add(site.offset, f.mul(counter, site.step)), active)
        steps = f.let(f"mul <{lanes} x i64> {iota(lanes)}, {self.splat(site.step, 'i64', lanes)}")
        offsets = f.let(f"add <{lanes} x i64> {steps}, {self.splat(first, 'i64', lanes)}")
        return f.let(f"getelementptr {site.unit}, ptr {site.pointer}, <{lanes} x i64> {offsets}", "p")

    def splat(self, value: str, element: str, lanes: int) -> str:
        """A scalar in all lanes."""
        type = vector(element, lanes)
        if not value.startswith("%"):
            return f"splat ({element} {value})"
        one = self.f.let(f"insertelement {type} poison, {element} {value}, i64 0")
        return self.f.let(f"shufflevector {type} {one}, {type} poison, <{lanes} x i32> zeroinitializer")

    # -- the `checked` build -----------------------------------------------------------------------------------------
    def _guarded(self, site: Site, offset: str, active: str = "1") -> str:
        """In a checked build: the offset if it and that of the last active lane are inside the buffer, else 0 and an error."""
        if not self.checked or not site.buffer.dense:
            return offset
        f = self.f
        size = f.integer(int(np.prod(site.buffer.shape)))
        reach = f.mul(f.let(f"sub i64 {active}, 1", "i"), site.step)
        last = f.add(offset, reach)
        bad = [f.let(f"icmp uge i64 {end}, {size}") for end in (offset, last)]
        either = f.let(f"or i1 {bad[0]}, {bad[1]}")
        f.when(either, [], lambda: f.do(f"store i32 {BAD_ACCESS}, ptr %status, align 4") or [])
        return offset


def iota(lanes: int) -> str:
    """The vector 0, 1, 2, … with one number per lane."""
    return "<" + ", ".join(f"i64 {k}" for k in range(lanes)) + ">"


def harmless(element: str, lanes: int) -> str:
    """What inactive lanes hold: a number on which no function takes a slow path."""
    return f"splat ({element} {'1.0' if element in ('double', 'float') else '0'})"


__all__ = ["AccessWriter", "Buffers", "Site", "register_type"]
