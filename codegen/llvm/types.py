"""LLVM's names for dtypes, lanes and literals."""

from __future__ import annotations

from functools import cache

import numpy as np

LANES = 8           # float64 elements in an explicit vector; float32 nests take twice as many. The same on every machine:
NARROW_LANES = 16   # LLVM splits vectors that are wider than the target's registers, so bits do not depend on the machine's width.
BLOCK = 128         # elements summed by LANES accumulators before they enter the pairwise tree

_REGISTER = {"float64": "double", "float32": "float", "bool": "i1", "int64": "i64", "uint64": "i64", "int32": "i32", "uint32": "i32",
             "int16": "i16", "uint16": "i16", "int8": "i8", "uint8": "i8"}
_SUFFIX = {"double": "f64", "float": "f32"}


@cache
def register_type(dtype: np.dtype) -> str:
    """The type of a value in a register; bools are i1."""
    return _REGISTER[dtype.name]


@cache
def memory_type(dtype: np.dtype) -> str:
    """The type of an element in memory; bools are bytes."""
    return "i8" if dtype.kind == "b" else _REGISTER[dtype.name]


@cache
def vector(type: str, lanes: int) -> str:
    """``<8 x double>``; the scalar type itself for lanes 0."""
    return f"<{lanes} x {type}>" if lanes else type


@cache
def mangled(type: str, lanes: int) -> str:
    """The suffix of overloaded intrinsics: ``v8f64``."""
    name = _SUFFIX.get(type, type)
    return f"v{lanes}{name}" if lanes else name


def literal(bits: bytes, dtype: np.dtype) -> str:
    """A constant of this dtype as LLVM writes it; floats by their bits."""
    value = np.frombuffer(bits, dtype)[0]
    if dtype.kind == "f":
        # LLVM writes float constants as doubles that convert exactly.
        return f"0x{np.float64(value).view(np.uint64):016X}"
    if dtype.kind == "b":
        return "true" if value else "false"
    return str(int(value))


def literal_of(value, dtype: np.dtype) -> str:
    """A number of this dtype as LLVM writes it."""
    return literal(dtype.type(value).tobytes(), dtype)


@cache
def class_of(dtype: np.dtype) -> str:
    """Which of an Instruction's forms applies: float, signed, unsigned or bool."""
    return {"f": "float", "i": "signed", "u": "unsigned", "b": "bool"}[dtype.kind]
