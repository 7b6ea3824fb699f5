"""Arithmetic, powers and roots, and the operations that only the system itself makes."""

from __future__ import annotations

import numpy as np

from ..errors import UnsupportedError
from ..graph.node import constant_value
from ..graph.op import (
    DERIVED,
    NOT_SYMBOLIC,
    STRUCTURAL,
    ZERO,
    ByClass,
    Convert,
    Expand,
    Instruction,
    Intrinsic,
    Libm,
)
from .apply import apply
from .families import elementwise

ANY, POSITIVE, NONZERO = (-4.0, 4.0), (0.25, 4.0), (0.5, 4.0)


def _sp():
    import sympy  # only where SymPy is asked

    return sympy


ADD = elementwise("add", np.add, DERIVED, lambda x, y: x + y, Instruction("fadd", "add", "add", "or"),
                  "({0} + {1})", "AddBackward0", (ANY, ANY), commutative=True)
SUBTRACT = elementwise("subtract", np.subtract, DERIVED, lambda x, y: x - y, Instruction("fsub", "sub", "sub"),
                       "({0} - {1})", "SubBackward0", (ANY, ANY))
MULTIPLY = elementwise("multiply", np.multiply, DERIVED, lambda x, y: x * y, Instruction("fmul", "mul", "mul", "and"),
                       "({0} * {1})", "MulBackward0", (ANY, ANY), commutative=True)
# Declared: -out/y divides once, and does not overflow for large y as SymPy's -x/y**2 does.
DIVIDE = elementwise("divide", np.divide, (lambda x, y, out: 1.0 / y, lambda x, y, out: -out / y), lambda x, y: x / y,
                     Instruction("fdiv"), "({0} / {1})", "DivBackward0", (ANY, NONZERO))
NEGATIVE = elementwise("negative", np.negative, DERIVED, lambda x: -x, Instruction("fneg", "sub", "sub", first=0),
                       "(-{0})", "NegBackward0", (ANY,))
RECIPROCAL = elementwise("reciprocal", np.reciprocal, (lambda x, out: -out * out,), lambda x: 1 / x, Expand(lambda x: 1.0 / x),
                         STRUCTURAL, "ReciprocalBackward0", (NONZERO,))
SQUARE = elementwise("square", np.square, DERIVED, lambda x: x**2, Expand(lambda x: x * x), STRUCTURAL, "PowBackward0", (ANY,))
SQRT = elementwise("sqrt", np.sqrt, DERIVED, lambda x: _sp().sqrt(x), Intrinsic("llvm.sqrt"), "np.sqrt({0})", "SqrtBackward0", (POSITIVE,),
                   kink="infinite at 0")
# Declared: SymPy's cbrt is complex for negative numbers.
CBRT = elementwise("cbrt", np.cbrt, (lambda x, out: 1.0 / (3.0 * (out * out)),), NOT_SYMBOLIC, Libm("cbrt"), "np.cbrt({0})", "CbrtBackward0", (NONZERO,))


def _sign_of(x):
    """Subgradient 0 at 0, as PyTorch; SymPy's Heaviside gives 1/2."""
    return np.sign(x)


ABSOLUTE = elementwise("absolute", np.absolute, (lambda x, out: _sign_of(x),), lambda x: _sp().Abs(x),
                       ByClass(Intrinsic("llvm.fabs"), signed=Expand(lambda x: np.where(x < 0, -x, x)), unsigned=Expand(lambda x: x), bool=Expand(lambda x: x)),
                       "abs({0})", "AbsBackward0", (NONZERO,), kink="0 at 0 (PyTorch)")
FABS = elementwise("fabs", np.fabs, (lambda x, out: _sign_of(x),), lambda x: _sp().Abs(x), Intrinsic("llvm.fabs"),
                   "abs({0})", "AbsBackward0", (NONZERO,), kink="0 at 0 (PyTorch)")


def _sign(x):
    if x.dtype.kind != "f":
        return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)
    # 0 for either zero; NaN stays.
    return np.where(x == 0, 0.0, np.where(x != x, x, np.copysign(1.0, x)))


SIGN = elementwise("sign", np.sign, ZERO, lambda x: _sp().sign(x), Expand(_sign), STRUCTURAL, "SignBackward0", (NONZERO,))
COPYSIGN = elementwise("copysign", np.copysign, (lambda x, y, out: np.where(x == 0, 0.0, np.copysign(1.0, x) * np.copysign(1.0, y)), ZERO), NOT_SYMBOLIC,
                       Intrinsic("llvm.copysign"), "np.copysign({0}, {1})", "CopysignBackward0", (NONZERO, NONZERO), kink="0 at 0 (PyTorch)")


# Powers -------------------------------------------------------------------------------------------------------------------

def _power_by_base(x, y, out):
    """y * x**(y-1), and 0 for the exponent 0 whatever x is, as PyTorch."""
    return np.where(y == 0, 0.0, y * np.power(x, y - 1))


def _power_by_exponent(x, y, out):
    """out * log(x), and 0 at x = 0 with y >= 0, as PyTorch; SymPy's form is NaN there."""
    return np.where((x == 0) & (y >= 0), 0.0, out * np.log(x))


def _integer_power(x, y):
    exponent = constant_value(y.node)
    if exponent is None or exponent < 0:
        raise UnsupportedError("an integer to the power of an integer that is not a known number >= 0; make the base a float: x * 1.0")
    result, square, exponent = None, x, int(exponent)
    while exponent:
        if exponent & 1:
            result = square if result is None else result * square
        square, exponent = square * square, exponent >> 1
    return x * 0 + 1 if result is None else result


POWER = elementwise("power", np.power, (_power_by_base, _power_by_exponent), lambda x, y: x**y,
                    ByClass(Libm("pow"), signed=Expand(_integer_power), unsigned=Expand(_integer_power)), "np.power({0}, {1})", "PowBackward1",
                    (POSITIVE, ANY), kink="0 for exponent 0; by the exponent 0 at x = 0 <= y (PyTorch)")
FLOAT_POWER = elementwise("float_power", np.float_power, (_power_by_base, _power_by_exponent), lambda x, y: x**y, Libm("pow"), "np.power({0}, {1})",
                          "PowBackward1", (POSITIVE, ANY), kink="as power")


# Division with remainder ----------------------------------------------------------------------------------------------------

def _float_remainder(x, y):
    """NumPy's: the remainder has the sign of the divisor, an exact 0 too."""
    rest = np.fmod(x, y)
    wrong = (rest != 0) & ((y < 0) != (rest < 0))
    return np.where(rest == 0, np.copysign(rest, y), np.where(wrong, rest + y, rest))


def _integer_parts(x, y):
    """Quotient and remainder rounded towards minus infinity; 0 for a divisor 0, as NumPy; -1 apart, since the machine traps on min // -1."""
    if x.dtype.kind == "b":
        raise UnsupportedError("// and % of bools; convert with .astype(int)")
    plain = (y == 0) | (y == -1) if x.dtype.kind == "i" else y == 0
    safe = np.where(plain, 1, y).astype(x.dtype)
    quotient, rest = apply(TRUNCATED_QUOTIENT, (x, safe)), apply(TRUNCATED_REMAINDER, (x, safe))
    if x.dtype.kind == "i":
        wrong = (rest != 0) & ((rest < 0) != (safe < 0))
        quotient, rest = quotient - wrong.astype(x.dtype), np.where(wrong, rest + safe, rest)
        quotient = np.where(y == -1, -x, quotient)
    zero = y == 0
    return np.where(zero, 0, quotient).astype(x.dtype), np.where(plain, 0, rest).astype(x.dtype)


def _floor_divide(x, y):
    if x.dtype.kind != "f":
        return _integer_parts(x, y)[0]
    # NumPy's npy_floor_divide: from the remainder, so that it is right where x/y rounds up to the next integer.
    rest = np.fmod(x, y)
    quotient = (x - rest) / y
    quotient = np.where((rest != 0) & ((y < 0) != (rest < 0)), quotient - 1.0, quotient)
    whole = np.floor(quotient)
    whole = np.where(quotient - whole > 0.5, whole + 1.0, whole)
    whole = np.where(quotient == 0, np.copysign(quotient * 0.0, x / y), whole)
    return np.where(y == 0, x / y, whole)


def _remainder(x, y):
    return _float_remainder(x, y) if x.dtype.kind == "f" else _integer_parts(x, y)[1]


TRUNCATED_QUOTIENT = elementwise("truncated_quotient", (), ZERO, NOT_SYMBOLIC, Instruction(signed="sdiv", unsigned="udiv"),
                                 "truncated_quotient({0}, {1})", "", None, evaluate=lambda x, y: (x - np.fmod(x, y)) // y)
TRUNCATED_REMAINDER = elementwise("truncated_remainder", (), ZERO, NOT_SYMBOLIC, Instruction(signed="srem", unsigned="urem"), "np.fmod({0}, {1})", "", None,
                                  evaluate=np.fmod)
FMOD = elementwise("fmod", np.fmod, (1.0, lambda x, y, out: -np.trunc(x / y)), NOT_SYMBOLIC,
                   ByClass(Libm("fmod"), signed=Expand(lambda x, y: x - np.where(y == 0, x, _truncated(x, y))), unsigned=Expand(_remainder)),
                   "np.fmod({0}, {1})", "FmodBackward1", (ANY, NONZERO))
REMAINDER = elementwise("remainder", np.remainder, (1.0, lambda x, y, out: -np.floor(x / y)), lambda x, y: x - y * _sp().floor(x / y), Expand(_remainder),
                        STRUCTURAL, "RemainderBackward1", (ANY, NONZERO))
FLOOR_DIVIDE = elementwise("floor_divide", np.floor_divide, ZERO, lambda x, y: _sp().floor(x / y), Expand(_floor_divide), STRUCTURAL, "", (ANY, NONZERO))


def _truncated(x, y):
    safe = np.where((y == 0) | (y == -1), 1, y).astype(x.dtype)
    return np.where((y == 0) | (y == -1), x, x - apply(TRUNCATED_REMAINDER, (x, safe)))


# What tracing and derivation make themselves --------------------------------------------------------------------------------

def _cast_type(types, attrs):
    return types[0].with_dtype(attrs[0])


CAST = elementwise("cast", (), (1.0,), lambda x, dtype=None: x, Convert(), STRUCTURAL, "ToCopyBackward0", (ANY,),
                   infer=_cast_type, evaluate=lambda x, dtype: np.asarray(x).astype(dtype))
STRONG_MULTIPLY = elementwise("strong_multiply", (), (lambda c, f, out: f, lambda c, f, out: c), lambda c, f: c * f,
                              Expand(lambda c, f: np.where(c == 0, c * 0.0, c * f)), STRUCTURAL, "MulBackward0", (ANY, ANY),
                              evaluate=lambda c, f: np.where(np.equal(c, 0), np.zeros_like(c), c * f))
COPY_OF = elementwise("copy_of", (), (1.0,), lambda x, tag=None: x, Expand(lambda x: x), STRUCTURAL, "CloneBackward0", (ANY,), evaluate=lambda x, tag: x)
STOP_GRADIENT = elementwise("stop_gradient", (), ZERO, lambda x: x, Expand(lambda x: x), STRUCTURAL, "", (ANY,), evaluate=lambda x: x)

