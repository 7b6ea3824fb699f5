"""One element-wise operation as LLVM, on a scalar or on lanes; what it takes is in the operation's record."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from codegen.loops import Compute
from tracer.graph.op import Convert, Instruction, Intrinsic, Libm, Op, Select, Special, lowering

from . import vector_math
from .lane_text import Lanes
from .target import machine, register_capsule, symbol_address
from .text import FunctionText
from .types import class_of, mangled, register_type, vector

_NATIVE_LANES = {"e": 8, "d": 4, "b": 2}  # doubles in a register of the vector-function ABI; floats twice as many
_SPECIAL_MODULE = "scipy.special.cython_special"

Outside = Callable[[str, str, Callable[[], str]], str]  # (mask, value, a call of the library's function for all lanes) -> the value to go on with


class Declarations:
    """External functions that a module calls, each declared once; and the names that a cache must find again."""

    def __init__(self):
        self.lines: dict[str, str] = {}
        self.imports: set[str] = set()

    def declare(self, name: str, result: str, arguments: tuple[str, ...], external: bool = False) -> str:
        if name not in self.lines:
            attributes = " #1" if external and result not in ("void", "ptr") else ""  # what gives memory is no pure function
            self.lines[name] = f"declare {result} @{name}({', '.join(arguments)}){attributes}"
            if external:
                self.imports.add(name)
        return name


class ComputeWriter:
    """Writes values of operations into a function."""

    def __init__(self, function: FunctionText, declarations: Declarations, fast: bool, outside: Outside | None = None):
        """``outside``: elementary functions of lanes are written in line, and this says what becomes of lanes that they are not right for."""
        self.f = function
        self.outside = outside
        self._sincos: dict[str, tuple] = {}
        self.declarations = declarations
        self.fast = fast
        self.flags = "reassoc contract arcp " if fast else ""

    def write(self, instruction: Compute, operands: list[str], lanes: int) -> str:
        plain = _plain(instruction.op, instruction.operand_dtype, lanes, self.flags)
        if plain is not None:
            return self.f.let(f"{plain} {', '.join(operands)}")
        lower = lowering(instruction.op, instruction.operand_dtype)
        return self.apply(lower, operands, instruction.operand_dtype, instruction.dtype, lanes)

    def apply(self, lower, operands: list[str], operand_dtype: np.dtype, dtype: np.dtype, lanes: int) -> str:
        """The value of an operation with this lowering; lanes 0 for scalars."""
        return _WRITERS[type(lower)](self, lower, operands, operand_dtype, dtype, lanes)

    # -- by lowering -----------------------------------------------------------------------------------------------
    def instruction(self, lower: Instruction, operands, operand_dtype, dtype, lanes) -> str:
        if operand_dtype.kind != "f":
            element = register_type(operand_dtype)
            first, last = ([_integer(c, element, lanes)] if c is not None else [] for c in (lower.first, lower.last))
            operands = [*first, *operands, *last]
        return self.f.let(f"{_opcode(lower, operand_dtype, lanes, self.flags)} {', '.join(operands)}")

    def intrinsic(self, lower: Intrinsic, operands, operand_dtype, dtype, lanes) -> str:
        element = register_type(operand_dtype)
        type = vector(element, lanes)
        name = self.declarations.declare(f"{lower.name}.{mangled(element, lanes)}", type, (type,) * len(operands))
        return self.f.let(f"call {type} @{name}({', '.join(f'{type} {o}' for o in operands)})")

    def select(self, lower: Select, operands, operand_dtype, dtype, lanes) -> str:
        type = vector(register_type(dtype), lanes)
        condition, yes, no = operands
        return self.f.let(f"select {vector('i1', lanes)} {condition}, {type} {yes}, {type} {no}")

    def convert(self, lower: Convert, operands, operand_dtype, dtype, lanes) -> str:
        return self.cast(operands[0], operand_dtype, dtype, lanes)

    def cast(self, value: str, source: np.dtype, target: np.dtype, lanes: int) -> str:
        """A value in another dtype, as NumPy's astype."""
        before, after = register_type(source), register_type(target)
        if target.kind == "b":
            zero = "zeroinitializer" if lanes else ("0.0" if source.kind == "f" else "0")
            compare = "fcmp une" if source.kind == "f" else "icmp ne"
            return value if source.kind == "b" else self.f.let(f"{compare} {vector(before, lanes)} {value}, {zero}")
        opcode = _conversion(source, target)
        if opcode is None:
            return value
        return self.f.let(f"{opcode} {vector(before, lanes)} {value} to {vector(after, lanes)}")

    def libm(self, lower: Libm, operands, operand_dtype, dtype, lanes) -> str:
        element = register_type(operand_dtype)
        name = lower.name + ("f" if element == "float" else "")
        if lanes and vector_math.ours(name, element):
            return vector_math.apply(name, self._lanes(lanes), operands)
        found = None
        if lanes and self.outside is not None and element == "double":
            found = vector_math.in_line(name, self._lanes(lanes), operands[0], self._sincos)
        if found is None:
            return self._called(name, operands, element, lanes)
        value, mask = found
        return value if mask is None else self.outside(mask, value, lambda: self._called(name, operands, element, lanes))

    def _lanes(self, lanes: int) -> Lanes:
        return Lanes(self.f, self.declarations.declare, lanes)

    def _called(self, name: str, operands, element: str, lanes: int) -> str:
        """A function of the C library, in vectors where it has them."""
        if lanes:
            native = vector_symbol(name, len(operands), element)
            if native is not None:
                return self._in_chunks(*native, operands, element, lanes)
        return self._per_lane(name, operands, element, lanes)

    def special(self, lower: Special, operands, operand_dtype, dtype, lanes) -> str:
        """Computed in double, as the Cython exports are declared."""
        double = np.dtype("float64")
        operands = [self.cast(o, operand_dtype, double, lanes) for o in operands]
        if lanes and self.outside is not None:
            found = vector_math.special(lower.export, self._lanes(lanes), operands)
            if found is not None:
                return self.cast(found, double, dtype, lanes)
        symbol = register_capsule(_SPECIAL_MODULE, lower.export)
        # Cython's exported functions take a flag behind their arguments.
        return self.cast(self._per_lane(symbol, operands, "double", lanes, ("i32 0",)), double, dtype, lanes)

    # -- calls -----------------------------------------------------------------------------------------------------
    def _per_lane(self, name: str, operands, element: str, lanes: int, extra: tuple[str, ...] = ()) -> str:
        """``extra``: constant arguments behind the operands, each with its type."""
        self.declarations.declare(name, element, (*(element,) * len(operands), *(e.split()[0] for e in extra)), external=True)
        if not lanes:
            return self.f.let(f"call {element} @{name}({', '.join([*(f'{element} {o}' for o in operands), *extra])})")
        type = vector(element, lanes)
        result = "poison"
        for lane in range(lanes):
            parts = [self.f.let(f"extractelement {type} {o}, i64 {lane}") for o in operands]
            value = self._per_lane(name, parts, element, 0, extra)
            result = self.f.let(f"insertelement {type} {result}, {element} {value}, i64 {lane}")
        return result

    def _in_chunks(self, symbol: str, width: int, operands, element: str, lanes: int) -> str:
        """A vector function of the machine's width on lanes of ours."""
        wide, narrow = vector(element, lanes), vector(element, width)
        self.declarations.declare(symbol, narrow, (narrow,) * len(operands), external=True)
        parts = []
        for start in range(0, lanes, width):
            # Where float64 stands beside it, float32 has fewer lanes than a register: the others repeat them.
            mask = ", ".join(f"i32 {k % lanes}" for k in range(start, start + width))
            chunk = operands if width == lanes else [
                self.f.let(f"shufflevector {wide} {o}, {wide} poison, <{width} x i32> <{mask}>") for o in operands]
            parts.append(self.f.let(f"call {narrow} @{symbol}({', '.join(f'{narrow} {c}' for c in chunk)})"))
        while len(parts) > 1:
            mask = ", ".join(f"i32 {k}" for k in range(2 * width))
            type = vector(element, width)
            parts = [self.f.let(f"shufflevector {type} {a}, {type} {b}, <{2 * width} x i32> <{mask}>")
                     for a, b in zip(parts[::2], parts[1::2])]
            width *= 2
        if width == lanes:
            return parts[0]
        mask = ", ".join(f"i32 {k}" for k in range(lanes))
        return self.f.let(f"shufflevector {narrow} {parts[0]}, {narrow} poison, <{lanes} x i32> <{mask}>")


_WRITERS = {Instruction: ComputeWriter.instruction, Intrinsic: ComputeWriter.intrinsic, Select: ComputeWriter.select,
            Convert: ComputeWriter.convert, Libm: ComputeWriter.libm, Special: ComputeWriter.special}


def _opcode(lower: Instruction, operand_dtype: np.dtype, lanes: int, flags: str) -> str:
    """What stands in front of the operands: ``fmul double``."""
    name = getattr(lower, class_of(operand_dtype))
    if name is None:
        raise AssertionError(f"no instruction for {operand_dtype}")
    opcode, *_ = name.split()
    if opcode.startswith("f") and opcode != "fcmp":
        name = f"{opcode} {flags}{name[len(opcode) + 1:]}".rstrip()
    return f"{name} {vector(register_type(operand_dtype), lanes)}"


@functools.cache
def _plain(op: Op, operand_dtype: np.dtype, lanes: int, flags: str) -> str | None:
    """The same for an operation that is one instruction on its operands as they are; None for any other. Worked out for each of 30,000 nodes it took 50 ms."""
    lower = lowering(op, operand_dtype)
    return _opcode(lower, operand_dtype, lanes, flags) if type(lower) is Instruction and operand_dtype.kind == "f" else None


def _integer(value: int, element: str, lanes: int) -> str:
    text = ("true" if value else "false") if element == "i1" else str(value)
    return f"splat ({element} {text})" if lanes else text


def vector_symbol(name: str, arity: int, element: str) -> tuple[str, int] | None:
    """The vector variant of a C function on this machine and its number of lanes; None where the process has none."""
    letter = machine().vector_class
    if letter is None:
        return None
    width = _NATIVE_LANES[letter] * (2 if element == "float" else 1)
    symbol = f"_ZGV{letter}N{width}{'v' * arity}_{name}"
    return (symbol, width) if symbol_address(symbol) else None


def _conversion(source: np.dtype, target: np.dtype) -> str | None:
    signed = source.kind == "i"
    if source.kind == "f" and target.kind == "f":
        return None if source == target else ("fpext" if target.itemsize > source.itemsize else "fptrunc")
    if target.kind == "f":
        return "sitofp" if signed else "uitofp"
    if source.kind == "f":
        return "fptosi" if target.kind == "i" else "fptoui"
    if source.kind == "b":
        return "zext"
    if target.itemsize == source.itemsize:
        return None
    return ("sext" if signed else "zext") if target.itemsize > source.itemsize else "trunc"
