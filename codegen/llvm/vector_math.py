"""Elementary functions in lanes of our own, where the C library's are slower or missing.

Written in line with fused multiply-adds, so that results do not depend on the machine's width. Each is within 4 ulp, and tested.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .text import FunctionText
from .types import literal_of, mangled, vector

_DOUBLE, _INTEGER = np.dtype("float64"), np.dtype("int64")
_LN2_HIGH = math.log(2.0)
_LN2_LOW = 2.3190468138462996e-17  # ln 2 - _LN2_HIGH
_ROUNDING = 1.5 * 2.0**52          # added to a number below 2**51, it leaves the nearest integer in the lowest bits
_BEYOND = 22.0                     # where tanh has become 1
_EXPM1_DEGREE = 13                 # of Taylor's series: 1e-17 of the value within ln(2)/2


class _Lanes:
    """Writes float64 arithmetic on lanes into a function."""

    def __init__(self, function: FunctionText, declare: Callable, lanes: int):
        self.f, self.lanes, self._declare = function, lanes, declare
        self.type, self.integers = vector("double", lanes), vector("i64", lanes)

    def number(self, value: float) -> str:
        return f"splat (double {literal_of(value, _DOUBLE)})"

    def op(self, opcode: str, a: str, b: str) -> str:
        return self.f.let(f"{opcode} {self.type} {a}, {b}")

    def call(self, intrinsic: str, *operands: str) -> str:
        name = self._declare(f"llvm.{intrinsic}.{mangled('double', self.lanes)}", self.type, (self.type,) * len(operands))
        return self.f.let(f"call {self.type} @{name}({', '.join(f'{self.type} {o}' for o in operands)})")

    def fma(self, a: str, b: str, c: str) -> str:
        return self.call("fma", a, b, c)

    def select(self, condition: str, yes: str, no: str) -> str:
        return self.f.let(f"select {vector('i1', self.lanes)} {condition}, {self.type} {yes}, {self.type} {no}")

    def compare(self, predicate: str, a: str, b: str) -> str:
        return self.f.let(f"fcmp {predicate} {self.type} {a}, {b}")

    def power_of_two(self, shifted: str) -> str:
        """2**n for the integer n in the lowest bits of a number that _ROUNDING was added to."""
        bits = self.f.let(f"bitcast {self.type} {shifted} to {self.integers}")
        moved = self.f.let(f"shl {self.integers} {bits}, splat (i64 52)")
        exponent = self.f.let(f"add {self.integers} {moved}, splat (i64 {np.float64(1.0).view(np.int64)})")
        return self.f.let(f"bitcast {self.integers} {exponent} to {self.type}")


def _expm1(w: _Lanes, x: str) -> str:
    """exp(x) - 1 for 0 <= x <= 44."""
    shifted = w.fma(x, w.number(1.0 / _LN2_HIGH), w.number(_ROUNDING))
    n = w.op("fsub", shifted, w.number(_ROUNDING))
    rest = w.fma(n, w.number(-_LN2_LOW), w.fma(n, w.number(-_LN2_HIGH), x))
    series = w.number(1.0 / math.factorial(_EXPM1_DEGREE))
    for k in reversed(range(2, _EXPM1_DEGREE)):
        series = w.fma(series, rest, w.number(1.0 / math.factorial(k)))
    small = w.fma(w.op("fmul", rest, rest), series, rest)
    scale = w.power_of_two(shifted)
    return w.fma(scale, small, w.op("fsub", scale, w.number(1.0)))


def _tanh(w: _Lanes, x: str) -> str:
    """expm1(2|x|) / (expm1(2|x|) + 2): 1.0 ns an element, where libmvec takes 2.0."""
    magnitude = w.call("fabs", x)
    within = w.select(w.compare("olt", magnitude, w.number(_BEYOND)), magnitude, w.number(_BEYOND))
    e = _expm1(w, w.op("fadd", within, within))
    value = w.call("copysign", w.op("fdiv", e, w.op("fadd", e, w.number(2.0))), x)
    return w.select(w.compare("ord", x, x), value, x)


_OURS = {"tanh": _tanh}


def ours(name: str, element: str) -> bool:
    """Is there a function of our own for lanes of this C function?"""
    return name in _OURS and element == "double"


def apply(name: str, function: FunctionText, declare: Callable, operands: list[str], lanes: int) -> str:
    """The value of the C function ``name`` in float64 lanes."""
    return _OURS[name](_Lanes(function, declare, lanes), *operands)
