"""C functions of compiled objects: an address with a signature, for ctypes, SciPy's callbacks and other compilers.

One function is for arguments of the example's dtypes and shapes: C has no arrays that know theirs. Numbers are passed by value and arrays as
pointers to contiguous data. A single result that is a number is returned; otherwise results are written through pointers behind the
arguments, and what is returned is 0, or -1 when the call failed.
"""
from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from llvmlite import ir
from scipy import LowLevelCallable

from tracer.errors import ArgumentError

from . import emit as shared
from .emit import INT32, POINTER, WORD, Emitter, item_bytes, llvm_type
from .load import load, object_bytes
from .table import Record
from .types import Leaf, Signature, Specialisation, Structure, flatten

C_NAMES = {"bool": "bool", "float32": "float", "float64": "double"}
INT = ctypes.c_int
CTYPES = {"float64": ctypes.c_double, "float32": ctypes.c_float, "bool": ctypes.c_bool}
_numbers = itertools.count()        # names must be unique in the process


class Shape(NamedTuple):
    """What a function is made for: the types of arguments and results, and the shapes of the arrays among either."""

    signature: Signature
    results: tuple[Leaf, ...]
    shapes: tuple[tuple[int, ...], ...]
    output_shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, signature: Signature, results: Structure, shapes: tuple, output_shapes: tuple) -> Shape:
        return cls(signature, tuple(flatten(results)), shapes, output_shapes)

    @property
    def returns_number(self) -> bool:
        return len(self.results) == 1 and not self.results[0].is_array

    @property
    def vector_length(self) -> int | None:
        """The number of doubles that a caller may pass in one block: numbers, or the elements of one vector."""
        leaves = self.signature.leaves
        if any(leaf.dtype != "float64" for leaf in leaves):
            return None
        if len(leaves) == 1 and leaves[0].is_array:
            return self.shapes[0][0] if leaves[0].ndim == 1 else None
        return None if self.signature.arrays else len(leaves)


@dataclass(frozen=True)
class Convention:
    """How a C caller passes arguments. `fits` says for which functions; `read` fills the buffers and gives the pointers to results."""

    text: str
    fits: Callable[[Shape], bool]
    types: tuple[type, ...]


def _is_double(shape: Shape) -> bool:
    return shape.returns_number and shape.results[0].dtype == "float64" and shape.vector_length is not None


def _is_one_number(shape: Shape) -> bool:
    return _is_double(shape) and len(shape.signature.leaves) == 1 and not shape.signature.arrays


def _is_vector(shape: Shape) -> bool:
    return shape.vector_length is not None and len(shape.signature.arrays) == 1


def _is_vector_to_vector(shape: Shape) -> bool:
    return _is_vector(shape) and len(shape.results) == 1 and str(shape.results[0]) == "float64[1C]"


P, N, D = ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_double
# What scipy.integrate (QUADPACK) and scipy.ndimage call, as SciPy writes it. `void *` is the caller's own and not looked at.
CONVENTIONS = {convention.text: convention for convention in (
    Convention("double (double, void *)", _is_one_number, (D, D, P)),
    Convention("double (int, double *)", _is_double, (D, INT, P)),
    Convention("double (int, double *, void *)", _is_double, (D, INT, P, P)),
    Convention("int (double *, intptr_t, double *, void *)", lambda shape: _is_double(shape) and _is_vector(shape), (INT, P, N, P, P)),
    Convention("int (double *, intptr_t, double *, intptr_t, void *)", _is_vector_to_vector, (INT, P, N, P, N, P)),
)}


@dataclass(eq=False, frozen=True)
class CFunction:
    """A compiled function for C callers.

    ``address``    of the machine code; valid as long as the process runs, from any thread, with or without the GIL
    ``signature``  in C, as in ``double (double, double *)``
    ``ctypes``     the same as a function of ctypes, which ``@njit`` code can call too

    An error in a call is written to stderr once and kept in ``last_error`` of the object; numbers returned are NaN then.
    """

    address: int
    signature: str
    ctypes: Callable

    @property
    def low_level_callable(self) -> LowLevelCallable:
        """For `scipy.integrate` and `scipy.ndimage`; SciPy says which signatures a function of its takes."""
        return LowLevelCallable(self.ctypes, signature=self.signature)


def c_function(name: str, shape: Shape, specialisation: Specialisation, head: int, text: str | None) -> tuple[CFunction, Record]:
    """The C function of a specialisation, by the natural convention or by one of `CONVENTIONS`, and what must live as long."""
    if text is not None and (text not in CONVENTIONS or not CONVENTIONS[text].fits(shape)):
        raise ArgumentError(_refusal(name, shape, text))
    record = Record(replace(specialisation))
    symbol = f"tracegrad_c_{next(_numbers)}"
    convention = CONVENTIONS[text] if text is not None else _natural(shape)
    module = shared.new_module(shape.signature, symbol)
    _Writer(module, symbol, shape, convention).build(head, record.address)
    address, _ = load(object_bytes(str(module)), symbol, f"{symbol}.publish")
    return CFunction(address, convention.text, ctypes.CFUNCTYPE(*convention.types)(address)), record


def _refusal(name: str, shape: Shape, text: str) -> str:
    fitting = [known for known, convention in CONVENTIONS.items() if convention.fits(shape)]
    cure = f"Of SciPy's it can be {' or '.join(map(repr, fitting))}." if fitting else "Leave `signature` away."
    return f"{name}() cannot be called as {text!r}: it is {_natural(shape).text!r}. {cure}"


def _c_name(leaf: Leaf) -> str:
    return C_NAMES.get(leaf.dtype, f"{leaf.dtype}_t") + (" *" if leaf.is_array else "")


def _c_type(leaf: Leaf) -> type:
    return P if leaf.is_array else CTYPES.get(leaf.dtype) or getattr(ctypes, f"c_{leaf.dtype}")


def _natural(shape: Shape) -> Convention:
    names, kinds = list(map(_c_name, shape.signature.leaves)), list(map(_c_type, shape.signature.leaves))
    if shape.returns_number:
        return Convention(f"{_c_name(shape.results[0])} ({', '.join(names)})", lambda _: True, (_c_type(shape.results[0]), *kinds))
    names += [_c_name(replace(leaf, kind="array")) for leaf in shape.results]
    return Convention(f"int ({', '.join(names)})", lambda _: True, (INT, *kinds, *[P] * len(shape.results)))


class _Writer:
    """Emits one function, from top to bottom."""

    def __init__(self, module: ir.Module, name: str, shape: Shape, convention: Convention):
        self.shape, self.is_natural = shape, convention.text not in CONVENTIONS
        kinds = {INT: INT32, P: POINTER, N: WORD, D: llvm_type("float64")}
        if self.is_natural:
            inputs = [POINTER if leaf.is_array else llvm_type(leaf.dtype) for leaf in shape.signature.leaves]
            result = llvm_type(shape.results[0].dtype) if shape.returns_number else INT32
            kind = ir.FunctionType(result, inputs + [POINTER] * (0 if shape.returns_number else len(shape.results)))
        else:
            result, *inputs = [kinds[each] for each in convention.types]
            kind = ir.FunctionType(result, inputs)
        self.emit = Emitter.of(module, name, kind)
        self.arguments = self.emit.function.args
        self.result = kind.return_type
        # ndimage takes 0 for a failure.
        self.succeeded, self.failed = (0, -1) if self.is_natural else (1, 0)

    def build(self, head: int, record: int) -> None:
        emit, signature = self.emit, self.shape.signature
        self.buffers = emit.words(len(signature.leaves) + len(self.shape.results))
        self.number = emit.words(1)
        strides = emit.words(signature.rank)
        self.slots = [emit.words(1) for leaf in signature.leaves if not leaf.is_array]
        self._write_strides(strides)
        self.failure = emit.append_basic_block("failure")
        with emit.goto_block(self.failure):
            emit.ret(self._returned(self.failed, float("nan")))
        head, record = (emit.inttoptr(WORD(address), POINTER) for address in (head, record))
        self._read_natural() if self.is_natural else self._read_block(head)
        emit.branch_if(shared.launch(emit, head, record, self.buffers, strides), self.failure)
        if self.result == INT32 and not (self.is_natural and self.shape.returns_number):
            emit.ret(INT32(self.succeeded))
        else:
            emit.ret(emit.load(self.number, typ=self.result))

    def _returned(self, status: int, number: float) -> ir.Value:
        if (self.is_natural and self.shape.returns_number) or self.result != INT32:
            is_float = self.shape.results[0].dtype.startswith("float")
            return self.result(number if is_float else 0)
        return INT32(status)

    def _write_strides(self, strides: ir.Value) -> None:
        place = 0
        for leaf, extents in zip(self.shape.signature.arrays, self.shape.shapes):
            steps = itertools.accumulate(reversed(extents[1:]), lambda step, extent: step * extent, initial=item_bytes(leaf.dtype))
            for step in reversed(list(steps)[:leaf.ndim]):
                self.emit.put(WORD(step), strides, place)
                place += 1

    def _read_natural(self) -> None:
        emit, count, slots = self.emit, len(self.shape.signature.leaves), iter(self.slots)
        for i, (leaf, value) in enumerate(zip(self.shape.signature.leaves, self.arguments)):
            place = value if leaf.is_array else next(slots)
            if not leaf.is_array:
                emit.store(value, place)
            emit.put(place, self.buffers, i)
        places = [self.number] if self.shape.returns_number else self.arguments[count:]
        for i, place in enumerate(places, count):
            emit.put(place, self.buffers, i)

    def _read_block(self, head: ir.Value) -> None:
        """Arguments in one block of doubles, or a single one; its length, where the caller tells it, must be that of the example."""
        emit, length = self.emit, self.shape.vector_length
        values = list(self.arguments)
        block = next(value for value in values if value.type != INT32 and value.type != WORD)
        place = values.index(block)
        counts = [value for value in values if value.type in (INT32, WORD)]
        for count, wanted in zip(counts, (length, *[shape[0] for shape in self.shape.output_shapes])):
            with emit.if_then(emit.icmp_signed("!=", count, count.type(wanted)), likely=False):
                emit.ask_python(head, "refuse_length", emit.sext(count, WORD) if count.type == INT32 else count, WORD(wanted))
                emit.branch(self.failure)
        behind = [value for value in values[place + 1:] if isinstance(value.type, ir.PointerType)]
        result = behind[0] if self.result == INT32 else self.number
        for i, leaf in enumerate(self.shape.signature.leaves):
            if leaf.is_array:
                emit.put(block, self.buffers, i)
            elif isinstance(block.type, ir.PointerType):
                emit.put(emit.word_at(block, i), self.buffers, i)
            else:
                emit.store(block, self.slots[i])
                emit.put(self.slots[i], self.buffers, i)
        emit.put(result, self.buffers, len(self.shape.signature.leaves))


__all__ = ["CONVENTIONS", "CFunction", "Shape", "c_function"]
