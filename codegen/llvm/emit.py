"""A program as one LLVM module: pieces of bounded size, called one after another by the kernel."""

from __future__ import annotations

from dataclasses import dataclass

from codegen.loops import Blocked, Nest, Program

from .abi import KERNEL
from .access import AccessWriter, Buffers
from .calls import CallWriter
from .compute import ComputeWriter, Declarations
from .nest import NestWriter
from .rows import RowWriter, has_short_rows
from .target import attributes
from .text import FunctionText, Integers

LARGEST_PIECE = 450  # instructions in one function: LLVM takes more than linear time beyond (see codegen.schedule.straight)
# Straight-line programs of so many instructions are compiled with LLVM's fast instruction selection, which `optnone` switches on for a function:
# 31,000 nodes in 1.0 s instead of 2.0, at 21 µs a call instead of 20.
LONG = 1500


@dataclass(frozen=True, slots=True)
class Module:
    """LLVM text, the run-time integers that go with it, what it imports, and how hard code generation should try.

    ``arrays``: the captured arrays by number, with the place of their address among the integers.
    """

    text: str
    params: list[int]
    arrays: dict[int, int]
    imports: frozenset[str]
    level: int


def emit(program: Program, fast: bool = False, checked: bool = False) -> Module:
    """The module of a program. ``fast`` allows contraction and reassociation; ``checked`` tests every access against its buffer."""
    integers = Integers()
    declarations = Declarations()
    addresses = [values.ctypes.data for values in program.arrays]
    functions = []
    is_long = sum(len(s.body) for s in program.statements if _is_straight(s)) >= LONG
    for number, statements in enumerate(_pieces(program)):
        function = FunctionText(f"piece{number}", integers)
        buffers = Buffers(function, program.inputs, program.offsets, addresses)
        compute = ComputeWriter(function, declarations, fast)
        access = AccessWriter(function, buffers, declarations, checked)
        for statement in statements:
            if isinstance(statement, Nest):
                _nest_writer(function, access, compute, statement).write()
            elif isinstance(statement, Blocked):
                _write_blocked(function, [_nest_writer(function, access, compute, nest) for nest in statement.nests], statement)
            else:
                CallWriter(function, buffers, compute, statement).write()
        functions.append(function.text("#2" if is_long and all(map(_is_straight, statements)) else "#0"))
    text = "\n".join([*declarations.lines.values(), *functions, _kernel(len(functions)), attributes()])
    looping = not all(map(_is_straight, program.statements))
    return Module(text, integers.values, integers.arrays(), frozenset(declarations.imports), 2 if looping else 1)


def _nest_writer(function, access, compute, nest: Nest) -> NestWriter:
    return (RowWriter if has_short_rows(nest) else NestWriter)(function, access, compute, nest)


def _write_blocked(function: FunctionText, writers: list[NestWriter], blocked: Blocked) -> None:
    extent, rows = function.integer(blocked.extent), str(blocked.rows)
    for writer in writers:
        writer.begin()

    def block(low, _):
        end = function.let(f"add i64 {low}, {rows}", "i")
        inside = function.let(f"icmp slt i64 {end}, {extent}")
        high = function.let(f"select i1 {inside}, i64 {end}, i64 {extent}", "i")
        for writer in writers:
            writer.run(low, high)
        return []
    function.loop("0", extent, rows, [], block)
    for writer in writers:
        writer.finish()


def _is_straight(statement) -> bool:
    return isinstance(statement, Nest) and not statement.extents


def _pieces(program: Program) -> list[list]:
    pieces, size = [[]], 0
    for statement in program.statements:
        weight = _weight(statement)
        if pieces[-1] and size + weight > LARGEST_PIECE:
            pieces.append([])
            size = 0
        pieces[-1].append(statement)
        size += weight
    return pieces


def _weight(statement) -> int:
    if isinstance(statement, Blocked):
        return sum(map(_weight, statement.nests))
    return len(statement.body) if isinstance(statement, Nest) else 50


def _kernel(count: int) -> str:
    calls = "\n".join(f"  call void @piece{k}(ptr %buffers, ptr %strides, ptr %params, ptr %workspace, ptr %status)" for k in range(count))
    return (f"define i32 @{KERNEL}(ptr %buffers, ptr %strides, ptr %params, ptr %workspace) #0 {{\n"
            f"  %status = alloca i32\n  store i32 0, ptr %status\n{calls}\n  %code = load i32, ptr %status\n  ret i32 %code\n}}")
