"""Comparisons, logic, bits, selection, extremes."""

from __future__ import annotations

import numpy as np

from ..graph.op import NOT_SYMBOLIC, STRUCTURAL, ZERO, ByClass, Expand, Instruction, Intrinsic, Select
from ..graph.types import array_type
from .apply import apply
from .arithmetic import ANY, NONZERO, _sp
from .families import broadcast_shape, elementwise, to_bool


def _comparison(name: str, ufunc, predicate: str, symbol: str, sympy):
    order = predicate not in ("eq", "ne")
    return elementwise(name, ufunc, ZERO, sympy,
                       Instruction(f"fcmp {'u' if predicate == 'ne' else 'o'}{predicate}", f"icmp {'s' if order else ''}{predicate}",
                                   f"icmp {'u' if order else ''}{predicate}", f"icmp {'u' if order else ''}{predicate}"),
                       f"({{0}} {symbol} {{1}})", "", (ANY, ANY), infer=to_bool)


LESS = _comparison("less", np.less, "lt", "<", lambda x, y: x < y)
LESS_EQUAL = _comparison("less_equal", np.less_equal, "le", "<=", lambda x, y: x <= y)
GREATER = _comparison("greater", np.greater, "gt", ">", lambda x, y: x > y)
GREATER_EQUAL = _comparison("greater_equal", np.greater_equal, "ge", ">=", lambda x, y: x >= y)
EQUAL = _comparison("equal", np.equal, "eq", "==", lambda x, y: _sp().Eq(x, y))
NOT_EQUAL = _comparison("not_equal", np.not_equal, "ne", "!=", lambda x, y: _sp().Ne(x, y))


def _truth(x):
    return x if x.dtype.kind == "b" else x != 0


def _logical(name: str, ufunc, body, sympy, arity: int = 2):
    return elementwise(name, ufunc, ZERO, sympy, Expand(body), STRUCTURAL, "", (ANY,) * arity, infer=to_bool)


LOGICAL_AND = _logical("logical_and", np.logical_and, lambda x, y: _truth(x) & _truth(y), lambda x, y: _sp().And(x, y))
LOGICAL_OR = _logical("logical_or", np.logical_or, lambda x, y: _truth(x) | _truth(y), lambda x, y: _sp().Or(x, y))
LOGICAL_XOR = _logical("logical_xor", np.logical_xor, lambda x, y: _truth(x) ^ _truth(y), lambda x, y: _sp().Xor(x, y))
LOGICAL_NOT = _logical("logical_not", np.logical_not, lambda x: ~_truth(x), lambda x: _sp().Not(x), 1)


def _bits(name: str, ufunc, opcode: str, symbol: str, unsigned: str | None = None, evaluate=None):
    return elementwise(name, ufunc, ZERO, NOT_SYMBOLIC, Instruction(None, opcode, unsigned or opcode, opcode), f"({{0}} {symbol} {{1}})", "", None,
                       evaluate=evaluate)


BITWISE_AND = _bits("bitwise_and", np.bitwise_and, "and", "&")
BITWISE_OR = _bits("bitwise_or", np.bitwise_or, "or", "|")
BITWISE_XOR = _bits("bitwise_xor", np.bitwise_xor, "xor", "^")
INVERT = elementwise("invert", np.invert, ZERO, NOT_SYMBOLIC, Instruction(None, "xor", "xor", "xor", last=-1), "(~{0})", "", None)
SHIFT_LEFT = _bits("shift_left", (), "shl", "<<", evaluate=np.left_shift)
SHIFT_RIGHT = _bits("shift_right", (), "ashr", ">>", "lshr", np.right_shift)


def _left_shift(x, y):
    """0 beyond the width, as NumPy; the machine's shift is undefined there."""
    wide = (y < 0) | (y >= 8 * x.dtype.itemsize)
    return np.where(wide, 0, apply(SHIFT_LEFT, (x, np.where(wide, 0, y).astype(x.dtype)))).astype(x.dtype)


def _right_shift(x, y):
    last = 8 * x.dtype.itemsize - 1
    return apply(SHIFT_RIGHT, (x, np.where((y < 0) | (y > last), last, y).astype(x.dtype)))


LEFT_SHIFT = elementwise("left_shift", np.left_shift, ZERO, NOT_SYMBOLIC, Expand(_left_shift), STRUCTURAL, "", None)
RIGHT_SHIFT = elementwise("right_shift", np.right_shift, ZERO, NOT_SYMBOLIC, Expand(_right_shift), STRUCTURAL, "", None)

ISNAN = elementwise("isnan", np.isnan, ZERO, NOT_SYMBOLIC, Expand(lambda x: x != x), STRUCTURAL, "", (ANY,), infer=to_bool)
ISFINITE = elementwise("isfinite", np.isfinite, ZERO, NOT_SYMBOLIC, Expand(lambda x: np.abs(x) < np.inf if x.dtype.kind == "f" else x == x), STRUCTURAL, "",
                       (ANY,), infer=to_bool)
ISINF = elementwise("isinf", np.isinf, ZERO, NOT_SYMBOLIC, Expand(lambda x: np.abs(x) == np.inf if x.dtype.kind == "f" else x != x), STRUCTURAL, "",
                    (ANY,), infer=to_bool)
SIGNBIT = elementwise("signbit", np.signbit, ZERO, NOT_SYMBOLIC, Expand(lambda x: np.copysign(1.0, x) < 0), STRUCTURAL, "", (NONZERO,), infer=to_bool)


def _selected(types, attrs):
    condition, yes, no = types
    assert condition.is_bool and yes.dtype == no.dtype, types
    return array_type(yes.dtype, broadcast_shape(condition.shape, yes.shape, no.shape))


# Its cotangents are selects themselves, made by the sweeps, which guard what lies behind them.
WHERE = elementwise("where", (), (ZERO, ZERO, ZERO), lambda c, x, y: _sp().Piecewise((x, c), (y, True)), Select(),
                    "({1} if {0} else {2})", "WhereBackward0", None, infer=_selected, evaluate=np.where)


# Extremes -------------------------------------------------------------------------------------------------------------------

def _half_at_ties(loses):
    """1 unless the operand loses, so that a NaN does not pass for a constant."""
    def partial(x, y, out):
        return np.where(x == y, 0.5, np.where(loses(x, y), 0.0, 1.0))
    return partial


HALF = "1/2 each at ties (PyTorch)"
MAXIMUM = elementwise("maximum", np.maximum, (_half_at_ties(lambda x, y: x < y), _half_at_ties(lambda x, y: x > y)), lambda x, y: _sp().Max(x, y),
                      ByClass(Intrinsic("llvm.maximum"), Intrinsic("llvm.smax"), Intrinsic("llvm.umax"), Instruction(bool="or")),
                      "np.maximum({0}, {1})", "MaximumBackward0", (ANY, ANY), kink=HALF)
MINIMUM = elementwise("minimum", np.minimum, (_half_at_ties(lambda x, y: x > y), _half_at_ties(lambda x, y: x < y)), lambda x, y: _sp().Min(x, y),
                      ByClass(Intrinsic("llvm.minimum"), Intrinsic("llvm.smin"), Intrinsic("llvm.umin"), Instruction(bool="and")),
                      "np.minimum({0}, {1})", "MinimumBackward0", (ANY, ANY), kink=HALF)


def _first(wins):
    """The first operand where it wins, at ties, and where the other is NaN."""
    return (lambda x, y, out: np.where(wins(x, y) | (y != y), 1.0, 0.0), lambda x, y, out: np.where(wins(x, y) | (y != y), 0.0, 1.0))


FMAX = elementwise("fmax", np.fmax, _first(lambda x, y: x >= y), lambda x, y: _sp().Max(x, y),
                   ByClass(Expand(lambda x, y: np.where((x >= y) | (y != y), x, y)), Intrinsic("llvm.smax"), Intrinsic("llvm.umax"), Instruction(bool="or")),
                   "np.fmax({0}, {1})", "FmaxBackward0", (ANY, ANY), kink="1 and 0 at ties (PyTorch)")
FMIN = elementwise("fmin", np.fmin, _first(lambda x, y: x <= y), lambda x, y: _sp().Min(x, y),
                   ByClass(Expand(lambda x, y: np.where((x <= y) | (y != y), x, y)), Intrinsic("llvm.smin"), Intrinsic("llvm.umin"), Instruction(bool="and")),
                   "np.fmin({0}, {1})", "FminBackward0", (ANY, ANY), kink="1 and 0 at ties (PyTorch)")


def _clip(x, low, high):
    # NaN stays; where low > high the upper bound wins, as in NumPy.
    return np.minimum(np.maximum(x, low), high)


CLIP = elementwise("clip", (), (lambda x, low, high, out: np.where((x >= low) & (x <= high), 1.0, 0.0),
                                lambda x, low, high, out: np.where((x < low) & (low < high), 1.0, 0.0),
                                lambda x, low, high, out: np.where((x > high) | (low > high), 1.0, 0.0)),
                   lambda x, low, high: _sp().Min(_sp().Max(x, low), high), Expand(_clip), STRUCTURAL, "ClampBackward0", (ANY, (-3.0, -1.0), (1.0, 3.0)),
                   evaluate=lambda x, low, high: np.minimum(np.maximum(x, low), high), kink="1 at the bounds (PyTorch)")
HEAVISIDE = elementwise("heaviside", np.heaviside, ZERO, lambda x, y: _sp().Heaviside(x, y),
                        Expand(lambda x, y: np.where(x != x, x, np.where(x > 0, 1.0, np.where(x == 0, y, 0.0)))), STRUCTURAL,
                        "HeavisideBackward0", (NONZERO, ANY))

