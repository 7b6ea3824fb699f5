"""A program as one LLVM module: pieces of bounded size, called one after another by the kernel."""

from __future__ import annotations

from dataclasses import dataclass

from codegen.loops import Blocked, Gather, Loop, Nest, Program, Release, Scatter, Unwind, Walk, While, all_statements, inner_statements, is_repeated

from .abi import KERNEL
from .access import AccessWriter, Buffers
from .calls import CallWriter
from .compute import ComputeWriter, Declarations
from .nest import NestWriter
from .rows import RowWriter, has_short_rows
from .straight import StraightWriter
from .tapes import grow, release, start
from .target import attributes
from .text import ARGUMENTS, KERNEL_ARGUMENTS, FunctionText, Integers
from .walk import WalkWriter

LARGEST_PIECE = 450  # instructions in one function: LLVM takes more than linear time beyond (see codegen.schedule.straight)
# Straight-line programs of so many instructions are compiled with LLVM's fast instruction selection, which `optnone` switches on for a function:
# 31,000 nodes in 1.0 s instead of 2.0, at 21 µs a call instead of 20.
LONG = 1500
# From so many on, readings among them, registers are allocated fast as well (level 0): 117,000 nodes compile in 1.1 s instead of 2.4. A call then
# takes 320 µs instead of 260. Below, 29,000 nodes would compile in 0.3 s instead of 0.5 and take 22 µs instead of 20.5.
VERY_LONG = 100_000


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
    return _Emitter(program, fast, checked).module()


class _Emitter:
    """Cuts a program into functions, which its kernel calls; loops around them stand in the kernel."""

    def __init__(self, program: Program, fast: bool, checked: bool):
        self.program = program
        self.fast, self.checked = fast, checked
        self.integers = Integers()
        self.declarations = Declarations()
        self.addresses = [values.ctypes.data for values in program.arrays]
        self.functions: list[str] = []
        self.length = sum(len(s.body) for s in all_statements(program.statements) if _is_straight(s))

    def module(self) -> Module:
        statements, integers, declarations = self.program.statements, self.integers, self.declarations
        levels = _levels(statements)
        kernel = FunctionText(KERNEL, integers, KERNEL_ARGUMENTS)
        kernel.head += ["  %status = alloca i32", f"  %counters = alloca [{max(1, levels)} x i64]", "  store i32 0, ptr %status"]
        self._write(kernel, statements)
        kernel.do("%code = load i32, ptr %status")
        text = "\n".join([*declarations.lines.values(), *self.functions, kernel.text(linkage="", result="i32 %code"), attributes()])
        return Module(text, integers.values, integers.arrays(), frozenset(declarations.imports), self._level())

    def _level(self) -> int:
        if not all(map(_is_straight, self.program.statements)):
            return 2
        return 0 if self.length >= VERY_LONG else 1

    def _write(self, kernel: FunctionText, statements: list) -> None:
        for piece in _pieces(statements):
            if isinstance(piece, Loop):
                (self._write_loop if piece.condition is None else self._write_arm)(kernel, piece)
            elif isinstance(piece, While):
                self._write_while(kernel, piece)
            elif isinstance(piece, Unwind):
                self._write_unwind(kernel, piece)
            elif isinstance(piece, Release):
                release(kernel, self.declarations, self._buffers(kernel), piece.tapes)
            else:
                kernel.do(f"call void @{self._function(piece)}({ARGUMENTS})")

    def _write_loop(self, kernel: FunctionText, loop: Loop) -> None:
        place = self._counter(kernel, loop.level)

        def iteration(counter, _):
            kernel.do(f"store i64 {counter}, ptr {place}, align 8")
            self._write(kernel, loop.statements)
            return []
        kernel.loop("0", kernel.integer(loop.extent), "1", [], iteration)

    def _write_arm(self, kernel: FunctionText, arm: Loop) -> None:
        buffer, truth = arm.condition
        value = kernel.let(f"load i8, ptr {self._buffers(kernel).pointer(buffer)}")

        def taken():
            self._write(kernel, arm.statements)
            return []
        kernel.when(kernel.let(f"icmp {'ne' if truth else 'eq'} i8 {value}, 0"), [], taken)

    def _buffers(self, function: FunctionText) -> Buffers:
        return Buffers(function, self.program.inputs, self.program.offsets, self.addresses)

    def _counter(self, kernel: FunctionText, level: int) -> str:
        return kernel.entry(f"getelementptr i64, ptr %counters, i64 {level}", "q")

    def _write_while(self, kernel: FunctionText, loop: While) -> None:
        place, buffers = self._counter(kernel, loop.level), self._buffers(kernel)
        head, inside, out, end = (kernel.label(stem) for stem in ("while", "round", "done", "end"))
        kernel.do(f"store i64 0, ptr {place}, align 8")
        room = start(kernel, self.declarations, buffers, loop, end) if loop.tapes else None
        self._write(kernel, loop.before)
        kernel.branch(head)
        kernel.start_block(head)
        going = kernel.let(f"load i8, ptr {buffers.pointer(loop.going)}")
        going = kernel.let(f"icmp ne i8 {going}, 0")
        if self.checked or any(map(_can_fail, all_statements(loop.statements))):
            # What was read at a wrong index is no number that brings a loop to its end.
            status = kernel.let("load i32, ptr %status, align 4")
            going = kernel.let(f"and i1 {going}, {kernel.let(f'icmp eq i32 {status}, 0')}")
        kernel.do(f"br i1 {going}, label %{inside}, label %{out}")
        kernel.start_block(inside)
        if room is not None:
            grow(kernel, self.declarations, buffers, loop, room, kernel.let(f"load i64, ptr {place}, align 8", "i"), out)
        self._write(kernel, loop.statements)
        following = kernel.let(f"load i64, ptr {place}, align 8", "i")
        following = kernel.let(f"add i64 {following}, 1", "i")
        kernel.do(f"store i64 {following}, ptr {place}, align 8")
        kernel.branch(head)
        kernel.start_block(out)
        if loop.count is not None:
            kernel.do(f"store i64 {kernel.let(f'load i64, ptr {place}, align 8', 'i')}, ptr {buffers.pointer(loop.count)}, align 8")
        self._write(kernel, loop.behind)
        kernel.branch(end)
        kernel.start_block(end)

    def _write_unwind(self, kernel: FunctionText, loop: Unwind) -> None:
        place = self._counter(kernel, loop.level)
        count = kernel.let(f"load i64, ptr {self._buffers(kernel).pointer(loop.count)}, align 8", "i")
        kernel.do(f"store i64 {count}, ptr {place}, align 8")
        self._write(kernel, loop.before)

        def iteration(*_):
            current = kernel.let(f"load i64, ptr {place}, align 8", "i")
            current = kernel.let(f"sub i64 {current}, 1", "i")
            kernel.do(f"store i64 {current}, ptr {place}, align 8")
            self._write(kernel, loop.statements)
            return []
        kernel.loop("0", count, "1", [], iteration)

    def _function(self, statements: list) -> str:
        """Write a function for these statements; its name."""
        function = FunctionText(f"piece{len(self.functions)}", self.integers)
        buffers = self._buffers(function)
        compute = ComputeWriter(function, self.declarations, self.fast)
        access = AccessWriter(function, buffers, self.declarations, self.checked)
        for statement in statements:
            if isinstance(statement, Nest):
                _nest_writer(function, access, compute, statement).write()
            elif isinstance(statement, Blocked):
                _write_blocked(function, [_nest_writer(function, access, compute, nest) for nest in statement.nests], statement)
            elif isinstance(statement, Walk):
                WalkWriter(function, access, compute, statement).write()
            else:
                CallWriter(function, buffers, compute, statement).write()
        self.functions.append(function.text("#2" if self.length >= LONG and all(map(_is_straight, statements)) else "#0"))
        return function.name


def _nest_writer(function, access, compute, nest: Nest) -> NestWriter | StraightWriter:
    if not nest.extents:
        return StraightWriter(function, access, compute, nest)
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


def _can_fail(statement) -> bool:
    """Are there indices that the data give?"""
    nests = statement.nests if isinstance(statement, Blocked) else [statement] if isinstance(statement, Nest) else []
    return any(isinstance(each, (Gather, Scatter)) for nest in nests for each in (*nest.body, *nest.roots))


def _levels(statements: list) -> int:
    """How many loops stand inside one another."""
    return max((1 + _levels(inner_statements(s)) for s in statements if is_repeated(s)), default=0)


def _pieces(statements: list) -> list:
    """Lists of statements for one function each, and the loops between them."""
    pieces, size = [], 0
    for statement in statements:
        if is_repeated(statement) or isinstance(statement, Release):
            pieces.append(statement)
            continue
        weight = _weight(statement)
        if not pieces or not isinstance(pieces[-1], list) or size + weight > LARGEST_PIECE:
            pieces.append([])
            size = 0
        pieces[-1].append(statement)
        size += weight
    return pieces


def _weight(statement) -> int:
    if isinstance(statement, Blocked):
        return sum(map(_weight, statement.nests))
    if isinstance(statement, Walk):
        return sum(map(_weight, statement.bodies))
    return len(statement.body) if isinstance(statement, Nest) else 50
