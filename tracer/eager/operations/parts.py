"""Parts of numbers: angle, mantissa and exponent; what complex numbers have, of real ones."""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from ..dtypes import get_default_dtype
from ..tensor import Tensor, made_of
from .define import kind, operation, operations
from .powers import pow_

ANGLE = kind("AngleBackward0", lambda node, g, _: made_of(np.zeros_like(g._data)[()]), ("self",))


def angle(input: Tensor, *, out=None) -> Tensor:
    """Pi for negative numbers, 0 for others."""
    x = input._data
    x = x if x.dtype.kind == "f" else x.astype(get_default_dtype().numpy)
    data = np.where(x < 0, x.dtype.type(math.pi), np.where(np.isnan(x), x, x.dtype.type(0)))
    return operation(ANGLE, (input,), data, (input,))


FREXP = kind("FrexpBackward0", lambda node, g, *_: g / pow_(2.0, node.exponent.to(g.dtype)), ("exponent",), outputs=2)
_FREXP_PAIR = namedtuple("frexp", ["mantissa", "exponent"])
_FREXP_PAIR.__repr__ = lambda self: f"torch.return_types.frexp(\nmantissa={self.mantissa!r},\nexponent={self.exponent!r})"


def frexp(input: Tensor, *, out=None):
    """The mantissa, between 1/2 and 1, and the exponent of 2."""
    if input._data.dtype.kind != "f":
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    mantissa, exponent = np.frexp(input._data)
    places = made_of(np.asarray(exponent, np.int32)[()])
    made, = operations(FREXP, (input,), (np.asarray(mantissa),), (places,), exponent=places)
    return _FREXP_PAIR(made, places)


def _itself(name: str):
    def function(input: Tensor) -> Tensor:
        return input
    function.__name__ = name
    function.__doc__ = "The tensor itself, as it is real."
    return function


FUNCTIONS = {"angle": angle, "frexp": frexp} | {name: _itself(name) for name in (
    "real", "conj", "conj_physical", "resolve_conj", "resolve_neg")}
for _name in ("angle", "frexp", "conj", "conj_physical", "resolve_conj", "resolve_neg"):
    setattr(Tensor, _name, FUNCTIONS[_name])
Tensor.real = property(FUNCTIONS["real"])
