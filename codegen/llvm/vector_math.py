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

    def quadrant(self, number: str, sine: str, cosine: str) -> str:
        """The sine in the quadrant whose number is in the lowest bits, of the sine and cosine in the first."""
        odd = self._bit(number, 1)
        value = self.select(odd, cosine, sine)
        return self.select(self._bit(number, 2), self.f.let(f"fneg {self.type} {value}"), value)

    def _bit(self, number: str, bit: int) -> str:
        masked = self.f.let(f"and {self.integers} {number}, splat (i64 {bit})")
        return self.f.let(f"icmp ne {self.integers} {masked}, zeroinitializer")

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


# Functions that code of nothing but lanes takes in line: a call of the C library's spills every register, and sines and cosines of one angle share
# nearly all their work. 1,000,000 values and gradients with three sines, cosines and exponentials each: 12.7 ms by calls, 8.6 ms so.

_EXP_DEGREE = 13
_PI_2 = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33)  # pi/2 in three parts
_FAR = 1e9         # up to here the three parts give the angle in its quadrant to the last bit
_SIN = (-1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04, 2.75573137070700676789e-06,
        -2.50507602534068634195e-08, 1.58969099521155010221e-10)   # fdlibm's kernels on [-pi/4, pi/4]
_COS = (4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05, -2.75573143513906633035e-07,
        2.08757232129817482790e-09, -1.13596475577881948265e-11)


def _series(w: _Lanes, x: str, coefficients: tuple[float, ...]) -> str:
    """``c0 + c1*x + c2*x**2 + …`` in pairs, so that few operations wait for one another."""
    terms = [w.fma(w.number(b), x, w.number(a)) for a, b in zip(coefficients[::2], coefficients[1::2])]
    terms += [w.number(coefficients[-1])] if len(coefficients) % 2 else []
    while len(terms) > 1:
        x = w.op("fmul", x, x)
        terms = [w.fma(b, x, a) for a, b in zip(terms[::2], terms[1::2])] + ([terms[-1]] if len(terms) % 2 else [])
    return terms[0]


def _exp(w: _Lanes, x: str) -> str:
    """2**n (1 + r + r**2/2 + …); 2**n in two factors, so that results beyond and below the normal numbers come out right."""
    x = w.select(w.compare("ogt", x, w.number(1000.0)), w.number(1000.0), x)
    x = w.select(w.compare("olt", x, w.number(-1000.0)), w.number(-1000.0), x)
    shifted = w.fma(x, w.number(1.0 / _LN2_HIGH), w.number(_ROUNDING))
    n = w.op("fsub", shifted, w.number(_ROUNDING))
    rest = w.fma(n, w.number(-_LN2_LOW), w.fma(n, w.number(-_LN2_HIGH), x))
    series = _series(w, rest, tuple([1.0 / math.factorial(k) for k in range(2, _EXP_DEGREE + 1)]))
    value = w.fma(w.op("fmul", rest, rest), series, rest)
    # Half of n, rounded, twice: 2**a * 2**(n - a).
    half = w.fma(n, w.number(0.5), w.number(_ROUNDING))
    other = w.op("fadd", w.op("fsub", n, w.op("fsub", half, w.number(_ROUNDING))), w.number(_ROUNDING))
    a, b = w.power_of_two(half), w.power_of_two(other)
    return w.op("fmul", w.fma(value, a, a), b)


def _sincos(w: _Lanes, x: str) -> tuple[str, str]:
    """Sine and cosine of |x| <= 1e9, within 2 ulp. n*(first part) is subtracted exactly: the difference is a multiple of 2**-52 below 1."""
    shifted = w.fma(x, w.number(2.0 / math.pi), w.number(_ROUNDING))
    n = w.op("fsub", shifted, w.number(_ROUNDING))
    r = x
    for part in _PI_2:
        r = w.fma(n, w.number(-part), r)
    z = w.op("fmul", r, r)
    sine = w.fma(w.op("fmul", z, r), _series(w, z, _SIN), r)
    half = w.op("fmul", z, w.number(0.5))
    rounded = w.op("fsub", w.number(1.0), half)
    lost = w.op("fsub", w.op("fsub", w.number(1.0), rounded), half)
    cosine = w.op("fadd", rounded, w.fma(w.op("fmul", z, z), _series(w, z, _COS), lost))
    bits = w.f.let(f"bitcast {w.type} {shifted} to {w.integers}")
    return w.quadrant(bits, sine, cosine), w.quadrant(w.f.let(f"add {w.integers} {bits}, splat (i64 1)"), sine, cosine)


def sincos(name: str, function: FunctionText, declare: Callable, x: str, lanes: int, far: Callable[[str], str], known: dict) -> str:
    """Sine or cosine. ``far(x)`` calls the library's, for the lanes beyond 1e9 where there are any; ``known`` holds pairs that were made already."""
    w = _Lanes(function, declare, lanes)
    if x not in known:
        known[x] = (*_sincos(w, x), w.compare("ogt", w.call("fabs", x), w.number(_FAR)))
    sine, cosine, beyond = known[x]
    value = sine if name == "sin" else cosine
    if name == "sin":
        value = w.select(w.compare("oeq", x, w.number(0.0)), x, value)  # -0.0
    any_name = declare(f"llvm.vector.reduce.or.v{lanes}i1", "i1", (vector("i1", lanes),))
    is_any = function.let(f"call i1 @{any_name}({vector('i1', lanes)} {beyond})")
    return function.when(is_any, [(w.type, value)], lambda: [w.select(beyond, far(x), value)])[0]


_SQRT_HALF, _SQRT_HALF_LOW = 0.7071067811865476, -4.833646656726457e-17


def _ndtr(w: _Lanes, x: str, library: Callable[[str, str], str]) -> str:
    """erfc(z) / 2 with z = -x sqrt(1/2), and what z has lost in rounding put right to first order: at x = -30 it is 450 ulp of the value.

    The quotient of erfc' and erfc is -(z + sqrt(z**2 + 1.6)) within 8 % for z > 0 (after Birnbaum, Ann. Math. Stat. 13, 1942).
    """
    z = w.op("fmul", x, w.number(-_SQRT_HALF))
    lost = w.fma(x, w.number(-_SQRT_HALF_LOW), w.fma(x, w.number(-_SQRT_HALF), w.f.let(f"fneg {w.type} {z}")))
    value = w.op("fmul", library("erfc", z), w.number(0.5))
    slope = w.op("fadd", z, w.call("sqrt", w.fma(z, z, w.number(1.6))))
    better = w.fma(w.op("fmul", slope, w.f.let(f"fneg {w.type} {lost}")), value, value)
    within = w.f.let(f"and {vector('i1', w.lanes)} {w.compare('ogt', z, w.number(0.0))}, {w.compare('olt', z, w.number(27.0))}")
    return w.select(within, better, value)


_SPECIAL = {"__pyx_fuse_1ndtr": _ndtr}  # by the name that SciPy exports it under


def special(export: str, function: FunctionText, declare: Callable, operands: list[str], lanes: int, library: Callable[[str, str], str]) -> str | None:
    """The value of a function of SciPy in float64 lanes, by a vector function of the C library; None where that is not known."""
    build = _SPECIAL.get(export)
    return build and build(_Lanes(function, declare, lanes), *operands, library)


_IN_LINE = {"exp": _exp}


def in_line(name: str, function: FunctionText, declare: Callable, operands: list[str], lanes: int) -> str | None:
    """The value of the C function ``name`` in float64 lanes, written in line; None where calling the library is better."""
    build = _IN_LINE.get(name)
    if build is not None:
        function.do(f"; {name}")
    return build and build(_Lanes(function, declare, lanes), *operands)


def ours(name: str, element: str) -> bool:
    """Is there a function of our own for lanes of this C function?"""
    return name in _OURS and element == "double"


def apply(name: str, function: FunctionText, declare: Callable, operands: list[str], lanes: int) -> str:
    """The value of the C function ``name`` in float64 lanes."""
    return _OURS[name](_Lanes(function, declare, lanes), *operands)
