"""Exponentials and logarithms."""

from __future__ import annotations

import math

import numpy as np

from ..graph.op import DERIVED, STRUCTURAL, Expand, Libm
from .apply import apply
from .arithmetic import ANY, POSITIVE, _sp
from .families import elementwise

EXP = elementwise("exp", np.exp, DERIVED, lambda x: _sp().exp(x), Libm("exp"), "math.exp({0})", "ExpBackward0", (ANY,))
EXP2 = elementwise("exp2", np.exp2, DERIVED, lambda x: 2**x, Libm("exp2"), "np.exp2({0})", "Exp2Backward0", (ANY,))
EXPM1 = elementwise("expm1", np.expm1, DERIVED, lambda x: _sp().exp(x) - 1, Libm("expm1"), "math.expm1({0})", "Expm1Backward0", (ANY,))
# Declared: a reciprocal's own derivative has no second division.
LOG = elementwise("log", np.log, (lambda x, out: np.reciprocal(x),), lambda x: _sp().log(x), Libm("log"), "np.log({0})", "LogBackward0", (POSITIVE,))
LOG2 = elementwise("log2", np.log2, DERIVED, lambda x: _sp().log(x, 2), Libm("log2"), "np.log2({0})", "Log2Backward0", (POSITIVE,))
LOG10 = elementwise("log10", np.log10, DERIVED, lambda x: _sp().log(x, 10), Libm("log10"), "np.log10({0})", "Log10Backward0", (POSITIVE,))
LOG1P = elementwise("log1p", np.log1p, DERIVED, lambda x: _sp().log(1 + x), Libm("log1p"), "np.log1p({0})", "Log1PBackward0", (POSITIVE,))


def _logaddexp(x, y):
    """The larger plus a correction; equal infinities have no difference, so it is taken as 0."""
    gap = np.where(x == y, 0.0, -np.abs(x - y))
    return np.maximum(x, y) + np.log1p(np.exp(gap))


def _logaddexp2(x, y):
    gap = np.where(x == y, 0.0, -np.abs(x - y))
    return np.maximum(x, y) + np.log1p(np.exp2(gap)) * (1.0 / math.log(2.0))


def _share(x, other):
    """exp(x - logaddexp(x, other)) as a sigmoid of the difference: exact at both ends, 1/2 where both are the same infinity."""
    gap = np.where(x == other, 0.0, x - other)
    tail = np.exp(-np.abs(gap))
    return np.where(gap >= 0, 1.0, tail) / (1.0 + tail)


def _share2(x, other):
    gap = np.where(x == other, 0.0, x - other)
    tail = np.exp2(-np.abs(gap))
    return np.where(gap >= 0, 1.0, tail) / (1.0 + tail)


def _at_arrays(body):
    """What an expansion means on arrays; equal infinities give no warning."""
    def evaluate(x, other):
        with np.errstate(invalid="ignore"):
            return np.asarray(body(x, other), np.result_type(x, other))
    return evaluate


# Operations of their own, for the slope of their text is 0 where x and other are equal: the second derivative of logaddexp is 1/4 there.
SHARE = elementwise("logistic_share", (), (lambda x, other, out: out * apply(SHARE, (other, x)), lambda x, other, out: -(out * apply(SHARE, (other, x)))),
                    lambda x, other: 1 / (1 + _sp().exp(other - x)), Expand(_share), STRUCTURAL, "LogisticShareBackward0", (ANY, ANY),
                    evaluate=_at_arrays(_share))
SHARE2 = elementwise("logistic_share2", (), (lambda x, other, out: math.log(2.0) * (out * apply(SHARE2, (other, x))),
                                             lambda x, other, out: -math.log(2.0) * (out * apply(SHARE2, (other, x)))),
                     lambda x, other: 1 / (1 + 2 ** (other - x)), Expand(_share2), STRUCTURAL, "LogisticShare2Backward0", (ANY, ANY),
                     evaluate=_at_arrays(_share2))
# Declared: SymPy's exp(x)/(exp(x) + exp(y)) overflows beyond 709.
LOGADDEXP = elementwise("logaddexp", np.logaddexp, (lambda x, y, out: apply(SHARE, (x, y)), lambda x, y, out: apply(SHARE, (y, x))),
                        lambda x, y: _sp().log(_sp().exp(x) + _sp().exp(y)), Expand(_logaddexp), STRUCTURAL, "LogaddexpBackward0", (ANY, ANY))
LOGADDEXP2 = elementwise("logaddexp2", np.logaddexp2, (lambda x, y, out: apply(SHARE2, (x, y)), lambda x, y, out: apply(SHARE2, (y, x))),
                         lambda x, y: _sp().log(2**x + 2**y, 2), Expand(_logaddexp2), STRUCTURAL, "Logaddexp2Backward0", (ANY, ANY))
