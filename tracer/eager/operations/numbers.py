"""Arithmetic with a number inside of composed operations, which PyTorch records under other names than the operators."""

from __future__ import annotations

from ..tensor import Tensor
from .arithmetic import AddBackward0, DivBackward0, MulBackward0

AddBackward1 = type("AddBackward1", (AddBackward0,), {"__doc__": "With a number."})
MulBackward1, DivBackward1 = (type(name, (parent,), {"names": (), "arguments": {"other": "number"}, "number": property(lambda node: node.checked_saved()[1]),
                                                     "holds_tensors": False, "__doc__": "With a number."}) for name, parent in (
    ("MulBackward1", MulBackward0), ("DivBackward1", DivBackward0)))


def _named(made: Tensor, cls: type) -> Tensor:
    if made._grad_fn is not None:
        made._grad_fn.__class__ = cls
    return made


def times(x: Tensor, number: float) -> Tensor:
    """``x * number``."""
    return _named(x * number, MulBackward1)


def plus(x: Tensor, number: float) -> Tensor:
    """``x + number``."""
    return _named(x + number, AddBackward1)


def over(x: Tensor, number: float) -> Tensor:
    """``x / number``."""
    made = _named(x / number, DivBackward1)
    if made._grad_fn is not None:
        made._grad_fn.edges, made._grad_fn.numbers = made._grad_fn.edges[:1], made._grad_fn.numbers and made._grad_fn.numbers[:1]
    return made
