"""A program as one LLVM module: pieces of bounded size, called one after another by the kernel."""

from __future__ import annotations

from dataclasses import dataclass

from codegen.loops import Call, Nest, Program

from .access import AccessWriter, Buffers
from .calls import CallWriter
from .compute import ComputeWriter, Declarations
from .nest import NestWriter
from .target import machine
from .text import FunctionText, Integers

KERNEL = "kernel"
LARGEST_PIECE = 1500  # instructions in one function: LLVM's time grows faster than linearly beyond


@dataclass(frozen=True, slots=True)
class Module:
    """LLVM text, the run-time integers that go with it, what it imports, and how hard code generation should try."""

    text: str
    params: list[int]
    imports: frozenset[str]
    level: int


def emit(program: Program, fast: bool = False, checked: bool = False) -> Module:
    """The module of a program. ``fast`` allows contraction and reassociation; ``checked`` tests every access against its buffer."""
    integers = Integers()
    declarations = Declarations()
    addresses = [values.ctypes.data for values in program.arrays]
    functions = []
    for number, statements in enumerate(_pieces(program)):
        function = FunctionText(f"piece{number}", integers)
        buffers = Buffers(function, program.inputs, program.offsets, addresses)
        compute = ComputeWriter(function, declarations, fast)
        access = AccessWriter(function, buffers, declarations, checked)
        for statement in statements:
            if isinstance(statement, Nest):
                NestWriter(function, access, compute, statement).write()
            else:
                CallWriter(function, buffers, compute, statement).write()
        functions.append(function.text())
    text = "\n".join([*declarations.lines.values(), *functions, _kernel(len(functions)), _attributes()])
    looping = any(isinstance(s, Call) or s.extents for s in program.statements)
    return Module(text, integers.values, frozenset(declarations.imports), 2 if looping else 1)


def _pieces(program: Program) -> list[list]:
    pieces, size = [[]], 0
    for statement in program.statements:
        weight = len(statement.body) if isinstance(statement, Nest) else 50
        if pieces[-1] and size + weight > LARGEST_PIECE:
            pieces.append([])
            size = 0
        pieces[-1].append(statement)
        size += weight
    return pieces


def _kernel(count: int) -> str:
    calls = "\n".join(f"  call void @piece{k}(ptr %buffers, ptr %strides, ptr %params, ptr %workspace, ptr %status)" for k in range(count))
    return (f"define i32 @{KERNEL}(ptr %buffers, ptr %strides, ptr %params, ptr %workspace) #0 {{\n"
            f"  %status = alloca i32\n  store i32 0, ptr %status\n{calls}\n  %code = load i32, ptr %status\n  ret i32 %code\n}}")


def _attributes() -> str:
    # Without these LLVM may pass 512-bit vectors in two halves, which is not how libmvec takes them.
    wide = ' "prefer-vector-width"="512" "min-legal-vector-width"="512"' if machine().vector_class == "e" else ""
    return f"attributes #0 = {{ nounwind{wide} }}\nattributes #1 = {{ nounwind willreturn memory(none) }}"
