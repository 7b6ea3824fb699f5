"""Elementary functions in lanes of our own, where the C library's are slower or missing.

Written in line with fused multiply-adds, so that results do not depend on the machine's width. Each is within 4 ulp, and tested.
Coefficients without a source are minimax polynomials that Remez' exchange gives with 50 digits.

A function that is right for part of the numbers only also gives the lanes that lie outside, for which a caller takes the library's.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .lane_text import Lanes, bits_of

_LN2_HIGH = math.log(2.0)
_LN2_LOW = 2.3190468138462996e-17  # ln 2 - _LN2_HIGH
_BEYOND = 22.0                     # where tanh has become 1
_EXPM1_DEGREE = 13                 # of Taylor's series: 1e-17 of the value within ln(2)/2

Value = tuple[str, str | None]     # a value, and a mask of the lanes in which it is not the function's


def _reduced(w: Lanes, x: str) -> tuple[str, str, str]:
    """(n, n in lowest bits, r) with x = n ln(2) + r."""
    shifted, n = w.rounded(x, 1.0 / _LN2_HIGH)
    return n, shifted, w.fma(n, w.number(-_LN2_LOW), w.fma(n, w.number(-_LN2_HIGH), x))


def _expm1(w: Lanes, x: str) -> str:
    """exp(x) - 1 for 0 <= x <= 44."""
    _, shifted, rest = _reduced(w, x)
    series = w.number(1.0 / math.factorial(_EXPM1_DEGREE))
    for k in reversed(range(2, _EXPM1_DEGREE)):
        series = w.fma(series, rest, w.number(1.0 / math.factorial(k)))
    small = w.fma(w.op("fmul", rest, rest), series, rest)
    scale = w.power_of_two(shifted)
    return w.fma(scale, small, w.op("fsub", scale, w.number(1.0)))


def _tanh(w: Lanes, x: str) -> str:
    """expm1(2|x|) / (expm1(2|x|) + 2): 1.0 ns an element, where libmvec takes 2.0."""
    magnitude = w.call("fabs", x)
    within = w.select(w.compare("olt", magnitude, w.number(_BEYOND)), magnitude, w.number(_BEYOND))
    e = _expm1(w, w.op("fadd", within, within))
    value = w.call("copysign", w.quotient(e, w.op("fadd", e, w.number(2.0))), x)
    return w.select(w.compare("ord", x, x), value, x)


# Functions that loops of samples take in line: a call of the C library's keeps the machine from overlapping one function with the next, and makes
# it save every register; sines and cosines of one angle share nearly all their work.

_MOST = 1000.0     # the exponential of a number beyond is that of this one
_EXP = (0.500000000000001, 0.16666666666666416, 0.041666666666535554, 0.008333333333493249, 0.0013888888942388221, 0.0001984126950669796,
        2.4801494257315785e-05, 2.755758788211202e-06, 2.762986966129646e-07, 2.4999195580277414e-08)


def _exp_parts(w: Lanes, x: str) -> tuple[str, str]:
    """(small, n) with exp(x) = 2**n (1 + small), small = r + r**2 (1/2 + …)."""
    n, _, r = _reduced(w, w.clamped(x, _MOST))
    return w.fma(w.op("fmul", r, r), w.series(r, _EXP), r), n


def _exp(w: Lanes, x: str, _) -> Value:
    """Right for every number."""
    small, n = _exp_parts(w, x)
    return w.scaled(w.op("fadd", small, w.number(1.0)), n), None


_LOG = (0.6666666666666726, 0.39999999999458646, 0.2857142873400492, 0.22222199337852325, 0.18183528177772057, 0.15314905193113465,
        0.14787956273948882)
_SMALLEST_NORMAL, _INFINITE = bits_of(2.0**-1022), bits_of(math.inf)
_FRACTION = (1 << 52) - 1


def _log(w: Lanes, x: str, _) -> Value:
    """Of normal positive numbers: x = 2**e m with m between the roots of 1/2 and 2, and the series in s = f/(2 + f), f = m - 1, as fdlibm has it."""
    bits = w.bits(x)
    outside = w.f.let(f"icmp uge {w.integers} {w.on_bits('sub', bits, _SMALLEST_NORMAL)}, splat (i64 {_INFINITE - _SMALLEST_NORMAL})")
    moved = w.on_bits("sub", bits, bits_of(math.sqrt(0.5)) - bits_of(1.0))
    exponent = w.of_bits(w.on_bits("or", w.on_bits("lshr", moved, 52), bits_of(2.0**52)))
    e = w.op("fsub", exponent, w.number(2.0**52 + 1023.0))
    m = w.of_bits(w.on_bits("add", w.on_bits("and", moved, _FRACTION), bits_of(math.sqrt(0.5))))
    f = w.op("fsub", m, w.number(1.0))
    s = w.quotient(f, w.op("fadd", f, w.number(2.0)))
    z = w.op("fmul", s, s)
    half = w.op("fmul", w.op("fmul", f, f), w.number(0.5))
    bent = w.op("fmul", s, w.fma(z, w.series(z, _LOG), half))
    small = w.op("fsub", f, w.op("fsub", half, w.fma(e, w.number(_LN2_LOW), bent)))
    return w.fma(e, w.number(_LN2_HIGH), small), outside


_PI_2 = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33)  # pi/2 in three parts
_FAR = 1e9         # up to here the three parts give the angle in its quadrant to the last bit
_SIN = (-1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04, 2.75573137070700676789e-06,
        -2.50507602534068634195e-08, 1.58969099521155010221e-10)   # fdlibm's kernels on [-pi/4, pi/4]
_COS = (-0.5, 4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05, -2.75573143513906633035e-07,
        2.08757232129817482790e-09, -1.13596475577881948265e-11)


def _sincos(w: Lanes, x: str) -> tuple[str, str, str]:
    """Sine and cosine of |x| <= 1e9, and the lanes beyond. n*(first part) is subtracted exactly: the difference is a multiple of 2**-52 below 1."""
    magnitude = w.call("fabs", x)
    shifted, n = w.rounded(magnitude, 2.0 / math.pi)
    r = magnitude
    for part in _PI_2:
        r = w.fma(n, w.number(-part), r)
    z = w.op("fmul", r, r)
    sine = w.fma(w.op("fmul", z, r), w.series(z, _SIN), r)
    cosine = w.fma(z, w.fma(z, w.series(z, _COS[1:]), w.number(_COS[0])), w.number(1.0))
    quadrant = w.bits(shifted)
    odd = w.f.let(f"trunc {w.integers} {quadrant} to {w.mask}")
    lowest, second = w.on_bits("shl", quadrant, 63), w.on_bits("shl", quadrant, 62)
    return (w.with_sign(w.select(odd, cosine, sine), w.on_bits("xor", second, w.bits(x))),
            w.with_sign(w.select(odd, sine, cosine), w.on_bits("xor", second, lowest)),
            w.compare("ogt", magnitude, w.number(_FAR)))


def _of_pair(position: int) -> Callable:
    def one(w: Lanes, x: str, known: dict) -> Value:
        if x not in known:
            known[x] = _sincos(w, x)
        return known[x][position], known[x][2]
    return one


_IN_LINE = {"exp": _exp, "log": _log, "sin": _of_pair(0), "cos": _of_pair(1)}


def in_line(name: str, w: Lanes, x: str, known: dict) -> Value | None:
    """The C function ``name`` written in line; None where calling the library is better. ``known`` holds what one angle has given already."""
    build = _IN_LINE.get(name)
    if build is None:
        return None
    w.f.do(f"; {name}")
    return build(w, x, known)


# The lower tail of the normal distribution over exp(-z**2/2) at -z, for 0 <= z <= 38.6: a quotient, within 1.2e-17 of the value. No coefficient is negative,
# so that nothing cancels; the second one below has 12 bits behind the point, so that what is lost in adding to it is known exactly (see _step).
_TAIL_ABOVE = (0.5, 0.8262774461610672, 0.6770136736872971, 0.3553246883219192, 0.13104684716278872, 0.03532471570848863, 0.0070383905619347455,
               0.0010247839558634592, 0.00010473836680169344, 6.83252215766433e-06, 2.1864350199387974e-07)
_TAIL_BELOW = (1.0, 2.450439453125, 2.809195154205245, 1.9928046121716096, 0.9742467522477852, 0.3456087537184767, 0.09108043075696698,
               0.017904072816283142, 0.0025858790326079573, 0.00026308820964444, 1.712659322747774e-05, 5.480579841620528e-07)
_TAIL_ENDS = 38.6  # below -38.6 the distribution function is 0


def _step(w: Lanes, x: str, factor: str, first: float) -> tuple[str, str]:
    """first + x*factor, and what was lost in rounding it: exactly, where ``first`` has few bits and all are positive."""
    value = w.fma(x, factor, w.number(first))
    return value, w.fma(x, factor, w.op("fsub", w.number(first), value))


def _ndtr(w: Lanes, x: str) -> str:
    """exp(-x**2/2) P(|x|)/Q(|x|) is the tail; the exponential is the one that the density takes, written alike, so that it is computed once for both.

    What x*x has lost in rounding is put right to first order: at x = -30 it is 450 ulp of the value.
    """
    small, n = _exp_parts(w, w.op("fmul", w.op("fmul", x, x), w.number(-0.5)))
    z = w.call("fabs", x)
    z = w.select(w.compare("olt", z, w.number(_TAIL_ENDS)), z, w.number(_TAIL_ENDS))
    lost = w.fma(z, z, w.negative(w.op("fmul", z, z)))
    whole = w.op("fadd", small, w.number(1.0))
    small = w.fma(w.op("fmul", lost, w.number(-0.5)), whole, small)
    above, above_rest = _step(w, z, w.series(z, _TAIL_ABOVE[1:]), _TAIL_ABOVE[0])
    inner, inner_rest = _step(w, z, w.series(z, _TAIL_BELOW[2:]), _TAIL_BELOW[1])
    below, below_rest = _step(w, z, inner, _TAIL_BELOW[0])
    ratio, rest = w.quotient_of_sums(above, above_rest, below, w.fma(z, inner_rest, below_rest))
    tail = w.scaled(w.op("fadd", ratio, w.fma(small, ratio, w.op("fmul", rest, whole))), n)
    return w.select(w.compare("ogt", x, w.number(0.0)), w.op("fsub", w.number(1.0), tail), tail)


_SPECIAL = {"__pyx_fuse_1ndtr": _ndtr}  # by the name that SciPy exports it under


def has_special(export: str) -> bool:
    """Is this function of SciPy known in lanes?"""
    return export in _SPECIAL


def special(export: str, w: Lanes, operands: list[str]) -> str | None:
    """The value of a function of SciPy in lanes; None where that is not known."""
    build = _SPECIAL.get(export)
    return build and build(w, *operands)


_OURS = {"tanh": _tanh}


def ours(name: str, element: str) -> bool:
    """Is there a function of our own for lanes of this C function?"""
    return name in _OURS and element == "double"


def apply(name: str, w: Lanes, operands: list[str]) -> str:
    """The value of the C function ``name`` in lanes."""
    return _OURS[name](w, *operands)
