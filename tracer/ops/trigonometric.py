"""Circular and hyperbolic functions, their inverses, angles and lengths."""

from __future__ import annotations

import math

import numpy as np

from ..graph.op import DERIVED, STRUCTURAL, Expand, Libm
from .arithmetic import ANY, NONZERO, POSITIVE, _sp
from .families import elementwise

UNIT = (-0.9, 0.9)

SIN = elementwise("sin", np.sin, DERIVED, lambda x: _sp().sin(x), Libm("sin"), "math.sin({0})", "SinBackward0", (ANY,))
COS = elementwise("cos", np.cos, DERIVED, lambda x: _sp().cos(x), Libm("cos"), "math.cos({0})", "CosBackward0", (ANY,))
TAN = elementwise("tan", np.tan, DERIVED, lambda x: _sp().tan(x), Libm("tan"), "math.tan({0})", "TanBackward0", ((-1.2, 1.2),))
# Declared: 1 - x*x cancels near 1, (1 - x)*(1 + x) does not.
ARCSIN = elementwise("arcsin", np.arcsin, (lambda x, out: 1.0 / np.sqrt((1.0 - x) * (1.0 + x)),), lambda x: _sp().asin(x), Libm("asin"),
                      "np.arcsin({0})", "AsinBackward0", (UNIT,))
ARCCOS = elementwise("arccos", np.arccos, (lambda x, out: -1.0 / np.sqrt((1.0 - x) * (1.0 + x)),), lambda x: _sp().acos(x), Libm("acos"),
                      "np.arccos({0})", "AcosBackward0", (UNIT,))
ARCTAN = elementwise("arctan", np.arctan, DERIVED, lambda x: _sp().atan(x), Libm("atan"), "math.atan({0})", "AtanBackward0", (ANY,))
SINH = elementwise("sinh", np.sinh, DERIVED, lambda x: _sp().sinh(x), Libm("sinh"), "np.sinh({0})", "SinhBackward0", (ANY,))
COSH = elementwise("cosh", np.cosh, DERIVED, lambda x: _sp().cosh(x), Libm("cosh"), "np.cosh({0})", "CoshBackward0", (ANY,))
TANH = elementwise("tanh", np.tanh, DERIVED, lambda x: _sp().tanh(x), Libm("tanh"), "math.tanh({0})", "TanhBackward0", (ANY,))
# Declared: x*x overflows where hypot(x, 1) does not.
ARCSINH = elementwise("arcsinh", np.arcsinh, (lambda x, out: 1.0 / np.hypot(x, 1.0),), lambda x: _sp().asinh(x), Libm("asinh"), "np.arcsinh({0})",
                      "AsinhBackward0", (ANY,))
# Declared: (x - 1)*(x + 1) does not cancel near 1 as x*x - 1 does.
ARCCOSH = elementwise("arccosh", np.arccosh, (lambda x, out: 1.0 / (np.sqrt(x - 1.0) * np.sqrt(x + 1.0)),), lambda x: _sp().acosh(x), Libm("acosh"),
                      "np.arccosh({0})", "AcoshBackward0", ((1.2, 4.0),))
ARCTANH = elementwise("arctanh", np.arctanh, (lambda x, out: 1.0 / ((1.0 - x) * (1.0 + x)),), lambda x: _sp().atanh(x), Libm("atanh"), "np.arctanh({0})",
                      "AtanhBackward0", (UNIT,))

# Declared: x/out is NaN at (0, 0), as JAX; SymPy's form squares and overflows.
HYPOT = elementwise("hypot", np.hypot, (lambda x, y, out: x / out, lambda x, y, out: y / out), lambda x, y: _sp().sqrt(x**2 + y**2), Libm("hypot"),
                    "math.hypot({0}, {1})", "HypotBackward0", (NONZERO, NONZERO), kink="NaN at (0, 0) (PyTorch)")


def _angle_factor(other, y, x, sign: float):
    """other / (x*x + y*y), scaled so that nothing overflows, and 0 at the origin as PyTorch."""
    length = np.hypot(x, y)
    return np.where(length == 0, 0.0, sign * (other / length) / length)


ARCTAN2 = elementwise("arctan2", np.arctan2, (lambda y, x, out: _angle_factor(x, y, x, 1.0), lambda y, x, out: _angle_factor(y, y, x, -1.0)),
                      lambda y, x: _sp().atan2(y, x), Libm("atan2"), "math.atan2({0}, {1})", "Atan2Backward0", (POSITIVE, POSITIVE),
                      kink="0 at (0, 0) (PyTorch)")

RADIANS_PER_DEGREE, DEGREES_PER_RADIAN = math.pi / 180.0, 180.0 / math.pi
DEG2RAD = elementwise("deg2rad", (np.deg2rad, np.radians), (RADIANS_PER_DEGREE,), lambda x: x * _sp().pi / 180,
                      Expand(lambda x: x * RADIANS_PER_DEGREE), STRUCTURAL, "Deg2RadBackward0", (ANY,))
RAD2DEG = elementwise("rad2deg", (np.rad2deg, np.degrees), (DEGREES_PER_RADIAN,), lambda x: x * 180 / _sp().pi,
                      Expand(lambda x: x * DEGREES_PER_RADIAN), STRUCTURAL, "Rad2DegBackward0", (ANY,))
