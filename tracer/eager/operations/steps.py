"""Roundings and signs, whose slope is zero."""

from __future__ import annotations

import numpy as np

from ..dtypes import promoted
from ..geometry import in_layout_of
from ..node import Node
from ..record import data_of, in_common, recorded, result, saved_result
from ..tensor import Tensor, made_of
from .arithmetic import operand, refuse_integer_zero
from .elementwise import RECORDED
from .operands import check_kernel, check_operands


class _Step(Node):
    def fast(self, g):
        self.check()
        return (np.zeros(g.shape, g.dtype)[()],)

    def backward(self, g):
        self.unpack()
        return (made_of(in_layout_of(np.zeros(g._data.shape, g._data.dtype)[()], g._data)),)


def _step(name: str, function, grad_fn: str):
    kind = type(grad_fn, (_Step,), {"names": ("self", "result") if name == "sgn" else (), "__doc__": f"Backward of {name}: zero."})

    def step(input, *, out=None) -> Tensor:
        x = operand(input, name)._data
        if x.dtype.kind == "b" and name not in ("sign", "sgn"):
            raise NotImplementedError(f"\"{'trunc' if name == 'fix' else name}_vml_cpu\" not implemented for 'Bool'")
        value = function(x) if x.dtype.kind == "f" else np.sign(x) if x.dtype.kind == "i" and name in ("sign", "sgn") else np.array(x)[()]
        node = recorded(kind, (input,))
        made = result(node, in_layout_of(value, x))
        if node is not None and name == "sgn":
            node.save(input, saved_result(made))  # as of complex numbers, which need them
        return made
    step.__name__ = name
    step.__doc__ = f"``{name}`` of the elements; its slope is 0."
    return step


def _sign(x):
    return np.where(x != x, x.dtype.type(0), np.sign(x))[()]  # 0 for NaN


_round = _step("round", np.rint, "RoundBackward0")


def round_(input, *, decimals: int | None = None, out=None) -> Tensor:
    """The nearest integers, ties to even; or so many decimals."""
    if decimals is None:
        return _round(input)
    check_kernel("round_cpu" if decimals else "round_vml_cpu", input)
    return result(recorded(_ROUNDED_DECIMALS, (input,)), np.round(input._data, decimals))


_ROUNDED_DECIMALS = type("RoundBackward1", (_Step,), {"arguments": {}, "__doc__": "Backward of round with decimals: zero."})


class FracBackward0(Node):
    """Backward of frac: the gradient itself."""

    def fast(self, g):
        return (g,)

    backward = fast


def frac(input, *, out=None) -> Tensor:
    """What is behind the point, with the sign of the number."""
    if input._data.dtype.kind != "f":
        raise NotImplementedError(f"\"frac_cpu\" not implemented for '{input.dtype.legacy}'")
    return result(recorded(FracBackward0, (input,)), input._data - np.trunc(input._data))


def floor_divide(input, other, *, out=None, name: str = "floor_divide") -> Tensor:
    """The quotient rounded down; not differentiable. ``name``: of the operation in the message that says so."""
    check_operands("floor_divide", input, other)
    if promoted((input, other)).numpy.kind == "b":
        raise NotImplementedError("\"div_floor_cpu\" not implemented for 'Bool'")
    refuse_integer_zero(input, other)
    _, (x, y) = in_common(input, other)
    inputs = tuple([each for each in (input, other) if isinstance(each, Tensor)])
    node = recorded(_FloorDivided, inputs)
    if node is not None:
        node.operation = name
    return result(node, in_layout_of(np.floor_divide(x, y), data_of(input), data_of(other)))


class _FloorDivided(Node):
    """Not differentiable in PyTorch."""

    at_once, outputs = True, 2  # that is, one; the engine looks closer at nodes with several

    def name(self) -> str:
        return "torch::autograd::NotImplemented"

    def backward(self, *_):
        raise RuntimeError(f"derivative for aten::{self.operation} is not implemented")


_FloorDivided.__name__ = "NotImplemented"


FUNCTIONS = {"floor": _step("floor", np.floor, "FloorBackward0"), "ceil": _step("ceil", np.ceil, "CeilBackward0"),
             "trunc": _step("trunc", np.trunc, "TruncBackward0"), "fix": _step("fix", np.trunc, "TruncBackward0"),
             "sign": _step("sign", _sign, "SignBackward0"), "sgn": _step("sgn", _sign, "SgnBackward0"), "round": round_, "frac": frac,
             "floor_divide": floor_divide}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
RECORDED.update({np.sign: FUNCTIONS["sgn"], np.floor: FUNCTIONS["floor"], np.trunc: FUNCTIONS["trunc"], np.floor_divide: lambda a, b: floor_divide(a, b)})
