"""Rounding to integers. Piecewise constant, so no gradient flows."""

from __future__ import annotations

import numpy as np

from ..graph.op import NOT_SYMBOLIC, ZERO, ByClass, Expand, Intrinsic
from .arithmetic import ANY, _sp
from .families import elementwise

_SAME = Expand(lambda x: x)


def _rounding(name: str, ufunc, intrinsic: str, sympy, grad_fn: str):
    return elementwise(name, ufunc, ZERO, sympy, ByClass(Intrinsic(intrinsic), _SAME, _SAME, _SAME), f"np.{name}({{0}})", grad_fn, (ANY,))


FLOOR = _rounding("floor", np.floor, "llvm.floor", lambda x: _sp().floor(x), "FloorBackward0")
CEIL = _rounding("ceil", np.ceil, "llvm.ceil", lambda x: _sp().ceiling(x), "CeilBackward0")
TRUNC = _rounding("trunc", np.trunc, "llvm.trunc", NOT_SYMBOLIC, "TruncBackward0")
RINT = _rounding("rint", np.rint, "llvm.roundeven", NOT_SYMBOLIC, "RoundBackward0")  # halves to even
