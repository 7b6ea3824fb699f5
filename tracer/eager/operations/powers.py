"""Powers and the inverse square root."""

from __future__ import annotations

import math

import numpy as np

from ..dtypes import get_default_dtype
from ..geometry import in_layout_of
from ..node import Node
from ..record import in_common, recorded, result, saved_result
from ..tensor import Tensor, made_of
from .arithmetic import Binary, binary, is_number, operand
from .choices import where
from .elementwise import RECORDED
from .numbers import minus, times
from .operands import check_operands


class PowBackward0(Binary):
    """A power with a number for exponent."""

    names = ("self",)
    _saved_exponent = 2

    def fast(self, g):
        x, = self.plain()
        n = self._saved_exponent
        if n == 2:
            return (g * (x * 2),)
        return (g * (n * _raised(x, n - 1)) if n else np.zeros_like(g),)

    def backward(self, g):
        x, = self.unpack()
        n = self._saved_exponent
        return (made_of(np.zeros_like(g._data)) if n == 0 else g * times(x.pow(n - 1), n),)


class PowBackward1(Binary):
    """A power of two tensors."""

    names = ("self", "exponent", "result")

    def backward(self, g):
        x, y, out = self.unpack()
        by_x = by_y = None
        if self.edges[0] is not None:
            by_x = where(y == 0, 0.0, g * (y * x.pow(minus(y, 1))))
        if self.edges[1] is not None:
            by_y = g * where((x == 0) & (y >= 0), 0.0, out * x.log())
        return self._fit((by_x, by_y))

    def fast(self, g):
        x, y, out = self.plain()
        by_x = by_y = None
        zero = g.dtype.type(0)
        if self.edges[0] is not None:
            by_x = np.where(y == 0, zero, g * (y * np.power(x, y - 1)))
        if self.edges[1] is not None:
            by_y = g * np.where((x == 0) & (y >= 0), zero, out * np.log(x))
        return self._fit((by_x, by_y))


class PowBackward2(Binary):
    """A number to the power of a tensor."""

    names = ("exponent", "result")
    base = 0.0

    def backward(self, g):
        y, out = self.unpack()
        slope = times(out, math.log(self.base) if self.base > 0 else -math.inf if self.base == 0 else math.nan)
        return (where(y >= 0, 0.0, g * slope) if self.base == 0 else g * slope,)

    fast = None


def pow_(input, exponent, *, out=None) -> Tensor:
    """``input ** exponent``."""
    if not isinstance(exponent, Tensor) or not isinstance(input, Tensor):
        check_operands("pow", input, exponent)
    if not isinstance(exponent, Tensor):
        return _power_of_number(operand(input, "pow"), exponent)
    if not isinstance(input, Tensor):
        data = np.asarray(_integer_power(*in_common(input, exponent)[1]), order="C")[()]
        node = recorded(PowBackward2, (exponent,))
        made = result(node, data)
        if node is not None:
            node.base = node._saved_self = input
            node.save(exponent, saved_result(made))
        return made
    node, data = binary(PowBackward1, _integer_power, input, exponent)
    made = result(node, data)
    if node is not None:
        node.save(input, exponent, saved_result(made))
    return made


def _refuse_negative_integers(x, y):
    if x.dtype.kind in "iu" and np.any(np.asarray(y) < 0):
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    return np.power(x, y)


def _raised(x, n: float):
    """As PyTorch: squares, cubes, roots and their inverses are not left to pow, which shows at -0."""
    return (x * x if n == 2 else x * x * x if n == 3 else np.sqrt(x) if n == 0.5 else 1 / x if n == -1 else 1 / (x * x) if n == -2
            else 1 / np.sqrt(x) if n == -0.5 else np.power(x, x.dtype.type(n)))


def _integer_power(x, y):
    """With negative exponents what is left of a fraction: 0, but for 1 and -1."""
    if x.dtype.kind == "b":
        raise NotImplementedError("\"pow\" not implemented for 'Bool'")
    if x.dtype.kind not in "iu" or not np.any(np.asarray(y) < 0):
        return np.power(x, y)
    base, exponent = np.broadcast_arrays(x, y)
    whole = np.power(base, np.maximum(exponent, 0))
    fraction = np.where(base == 1, 1, np.where(base == -1, np.where(exponent % 2, -1, 1), 0))
    return np.where(exponent < 0, fraction, whole).astype(x.dtype)[()]


def _power_of_number(x: Tensor, n) -> Tensor:
    data = x._data
    if data.dtype.kind == "f":
        value = _raised(data, n)
    elif data.dtype.kind == "b" and isinstance(n, bool):
        value = data | (not n)
    else:
        _, (base, exponent) = in_common(x, n)
        value = _refuse_negative_integers(base, exponent)
    node = recorded(PowBackward0, (x,))
    if node is not None:
        node._saved_exponent = n
        node.save(x)
    value = value if value.dtype == data.dtype or data.dtype.kind != "f" else value.astype(data.dtype)
    return result(node, in_layout_of(value, data))


def _square(input, *, out=None) -> Tensor:
    return pow_(operand(input, "square"), 2)


def rsqrt(input, *, out=None) -> Tensor:
    """``1 / sqrt(input)``."""
    x = operand(input, "rsqrt")._data
    x = x if x.dtype.kind == "f" else x.astype(get_default_dtype().numpy)
    node = recorded(RsqrtBackward0, (input,))
    made = result(node, in_layout_of(1 / np.sqrt(x), x))
    if node is not None:
        node.save(saved_result(made))
    return made


class RsqrtBackward0(Node):
    """Backward of rsqrt."""

    names = ("result",)

    def fast(self, g):
        self.check()
        out = self.checked_saved()[0].data
        return (g * (out * out * out * -0.5),)

    def backward(self, g):
        out, = self.unpack()
        return (times(g, -0.5) * out.pow(3),)


FUNCTIONS = {"pow": pow_, "square": _square, "rsqrt": rsqrt}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
Tensor.__pow__ = lambda self, n: pow_(self, n) if isinstance(n, Tensor) or is_number(n) else NotImplemented
RECORDED.update({np.power: pow_, np.square: _square})
