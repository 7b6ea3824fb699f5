"""Writing float64 arithmetic on lanes into a function: what the elementary functions of our own are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .target import machine
from .text import FunctionText
from .types import literal_of, mangled, vector

_DOUBLE = np.dtype("float64")
ROUNDING = 1.5 * 2.0**52   # added to a number below 2**51, it leaves the nearest integer in the lowest bits
_AVX512_LANES = 8          # AVX-512 multiplies by powers of two in one instruction, and knows reciprocals to 14 bits


def bits_of(value: float) -> int:
    """The bits of a float64, as an integer."""
    return int(np.float64(value).view(np.int64))


class Lanes:
    """Writes float64 arithmetic on lanes, and on their bits, into a function."""

    def __init__(self, function: FunctionText, declare: Callable, lanes: int):
        self.f, self.lanes, self._declare = function, lanes, declare
        self.type, self.integers, self.mask = vector("double", lanes), vector("i64", lanes), vector("i1", lanes)

    # -- numbers ---------------------------------------------------------------------------------------------------
    def number(self, value: float) -> str:
        return f"splat (double {literal_of(value, _DOUBLE)})"

    def op(self, opcode: str, a: str, b: str) -> str:
        return self.f.let(f"{opcode} {self.type} {a}, {b}")

    def negative(self, x: str) -> str:
        return self.f.let(f"fneg {self.type} {x}")

    def call(self, intrinsic: str, *operands: str) -> str:
        name = self._declare(f"llvm.{intrinsic}.{mangled('double', self.lanes)}", self.type, (self.type,) * len(operands))
        return self.f.let(f"call {self.type} @{name}({', '.join(f'{self.type} {o}' for o in operands)})")

    def fma(self, a: str, b: str, c: str) -> str:
        return self.call("fma", a, b, c)

    def select(self, condition: str, yes: str, no: str) -> str:
        return self.f.let(f"select {self.mask} {condition}, {self.type} {yes}, {self.type} {no}")

    def compare(self, predicate: str, a: str, b: str) -> str:
        return self.f.let(f"fcmp {predicate} {self.type} {a}, {b}")

    def clamped(self, x: str, bound: float) -> str:
        """``x`` within ``-bound`` and ``bound``; NaN stays."""
        x = self.select(self.compare("ogt", x, self.number(bound)), self.number(bound), x)
        return self.select(self.compare("olt", x, self.number(-bound)), self.number(-bound), x)

    def series(self, x: str, coefficients: Sequence[float]) -> str:
        """``c0 + c1*x + c2*x**2 + …`` in pairs, so that few operations wait for one another."""
        terms = [self.fma(self.number(b), x, self.number(a)) for a, b in zip(coefficients[::2], coefficients[1::2])]
        terms += [self.number(coefficients[-1])] if len(coefficients) % 2 else []
        while len(terms) > 1:
            x = self.op("fmul", x, x)
            if len(terms) == 3:
                terms = [terms[0], self.fma(terms[2], x, terms[1])]
                return self.fma(terms[1], x, terms[0])
            terms = [self.fma(b, x, a) for a, b in zip(terms[::2], terms[1::2])] + ([terms[-1]] if len(terms) % 2 else [])
        return terms[0]

    def quotient(self, a: str, b: str) -> str:
        """``a/b`` within 0.6 ulp, for numbers far from the ends of the range and ``b`` not 0."""
        inverse = self._near_inverse(b)
        q = self.op("fmul", a, inverse)
        return self.fma(self.fma(self.negative(b), q, a), inverse, q)

    def quotient_of_sums(self, a: str, a_rest: str, b: str, b_rest: str) -> tuple[str, str]:
        """``(a + a_rest) / (b + b_rest)`` for small rests, as the sum of a number near it and a small one."""
        inverse = self._near_inverse(b)
        q = self.op("fmul", a, inverse)
        left = self.op("fadd", self.fma(self.negative(b), q, a), self.fma(self.negative(b_rest), q, a_rest))
        return q, self.op("fmul", left, inverse)

    def _near_inverse(self, b: str) -> str:
        """``1/b`` to 28 bits: a machine divides 8 numbers in 16 cycles, and multiplies them in half a one. AVX-512 knows 14 bits; a step of Newton's."""
        if not self._has_avx512:
            return self.op("fdiv", self.number(1.0), b)
        name = self._declare("llvm.x86.avx512.rcp14.pd.512", self.type, (self.type, self.type, "i8"))
        near = self.f.let(f"call {self.type} @{name}({self.type} {b}, {self.type} zeroinitializer, i8 -1)")
        return self.fma(self.fma(self.negative(b), near, self.number(1.0)), near, near)

    # -- bits ------------------------------------------------------------------------------------------------------
    def bits(self, x: str) -> str:
        return self.f.let(f"bitcast {self.type} {x} to {self.integers}")

    def of_bits(self, bits: str) -> str:
        return self.f.let(f"bitcast {self.integers} {bits} to {self.type}")

    def on_bits(self, opcode: str, a: str, b: str | int) -> str:
        """An instruction on 64-bit integers; an int is the same in all lanes."""
        return self.f.let(f"{opcode} {self.integers} {a}, {b if isinstance(b, str) else f'splat (i64 {b})'}")

    def with_sign(self, x: str, sign: str) -> str:
        """``x`` negated where the highest bit of ``sign`` is set."""
        return self.of_bits(self.on_bits("xor", self.bits(x), self.on_bits("and", sign, bits_of(-0.0))))

    # -- powers of two ---------------------------------------------------------------------------------------------
    def rounded(self, x: str, factor: float) -> tuple[str, str]:
        """``x*factor`` as an integer: in the lowest bits of a number, and as a number."""
        shifted = self.fma(x, self.number(factor), self.number(ROUNDING))
        return shifted, self.op("fsub", shifted, self.number(ROUNDING))

    def power_of_two(self, shifted: str) -> str:
        """2**n for the integer n in the lowest bits of a number that ROUNDING was added to."""
        return self.of_bits(self.on_bits("add", self.on_bits("shl", self.bits(shifted), 52), bits_of(1.0)))

    @property
    def _has_avx512(self) -> bool:
        return self.lanes == _AVX512_LANES and machine().vector_class == "e"

    def scaled(self, x: str, n: str) -> str:
        """``x * 2**n`` for x near 1 and whole n, |n| < 2000, rounded once, also where it is subnormal."""
        if self._has_avx512:
            name = self._declare("llvm.x86.avx512.mask.scalef.pd.512", self.type, (self.type,) * 3 + ("i8", "i32"))
            return self.f.let(f"call {self.type} @{name}({self.type} {x}, {self.type} {n}, {self.type} zeroinitializer, i8 -1, i32 4)")
        half, a = self.rounded(n, 0.5)
        rest = self.op("fadd", self.op("fsub", n, a), self.number(ROUNDING))
        return self.op("fmul", self.op("fmul", x, self.power_of_two(half)), self.power_of_two(rest))
