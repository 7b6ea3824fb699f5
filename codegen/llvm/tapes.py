"""Memory that grows while a loop runs: what its states were, one row of each tape for an iteration."""

from __future__ import annotations

import math

from codegen.loops import Buffer, While

from .abi import NO_MEMORY
from .access import Buffers
from .compute import Declarations
from .text import FunctionText

ROWS = 64  # of a tape when it is new; then twice as many each time


def start(kernel: FunctionText, declarations: Declarations, buffers: Buffers, loop: While, failed: str) -> str:
    """New tapes; where there is no memory for them the loop is left out. Returns where the number of their rows is kept."""
    room = kernel.entry("alloca i64, align 8", "room")
    for tape in loop.tapes:
        kernel.do(f"store ptr null, ptr {buffers.pointer(tape.slot)}, align 8")
    kernel.do(f"store i64 0, ptr {buffers.pointer(loop.count)}, align 8")
    _resize(kernel, declarations, buffers, loop, room, str(ROWS), failed)
    return room


def grow(kernel: FunctionText, declarations: Declarations, buffers: Buffers, loop: While, room: str, counter: str, failed: str) -> None:
    """Room for what this iteration leaves."""
    rows = kernel.let(f"load i64, ptr {room}, align 8", "i")
    needed = kernel.let(f"add i64 {counter}, 2", "i")

    def resize():
        _resize(kernel, declarations, buffers, loop, room, kernel.let(f"mul i64 {rows}, 2", "i"), failed)
        return []
    kernel.when(kernel.let(f"icmp sgt i64 {needed}, {rows}"), [], resize)


def _resize(kernel: FunctionText, declarations: Declarations, buffers: Buffers, loop: While, room: str, rows: str, failed: str) -> None:
    name = declarations.declare("realloc", "ptr", ("ptr", "i64"), external=True)
    for tape in loop.tapes:
        slot = buffers.pointer(tape.slot)
        old = kernel.let(f"load ptr, ptr {slot}, align 8", "t")
        size = kernel.let(f"mul i64 {rows}, {kernel.integer(max(1, math.prod(tape.shape[1:])) * tape.dtype.itemsize)}", "i")
        new = kernel.let(f"call ptr @{name}(ptr {old}, i64 {size})", "t")
        missing, there = kernel.label("missing"), kernel.label("there")
        kernel.do(f"br i1 {kernel.let(f'icmp eq ptr {new}, null')}, label %{missing}, label %{there}")
        kernel.start_block(missing)
        kernel.do(f"store i32 {NO_MEMORY}, ptr %status, align 4")
        kernel.branch(failed)
        kernel.start_block(there)
        kernel.do(f"store ptr {new}, ptr {slot}, align 8")
    kernel.do(f"store i64 {rows}, ptr {room}, align 8")


def release(kernel: FunctionText, declarations: Declarations, buffers: Buffers, tapes: tuple[Buffer, ...]) -> None:
    """Give the memory of tapes back."""
    name = declarations.declare("free", "void", ("ptr",), external=True)
    for tape in tapes:
        kernel.do(f"call void @{name}(ptr {kernel.let(f'load ptr, ptr {buffers.pointer(tape.slot)}, align 8', 't')})")


__all__ = ["grow", "release", "start"]
