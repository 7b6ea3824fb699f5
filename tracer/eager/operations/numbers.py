"""Arithmetic with a number inside of composed operations and of gradients, which PyTorch records under other names than the operators."""

from __future__ import annotations

import functools

from ..node import Node
from ..tensor import Tensor, made_of


@functools.cache
def _with_number(kind: type[Node]) -> type[Node]:
    again = {"MulBackward0": times, "DivBackward0": over}.get(kind.__name__)
    methods = {} if again is None else {"backward": lambda self, g: (again(g, self.unpack()[1]),), "names": (), "arguments": {"other": "number"},
                                        "number": property(lambda node: node.checked_saved()[1]), "holds_tensors": False}
    return type(f"{kind.__name__[:-1]}1", (kind,), methods | {"__doc__": f"{kind.__doc__} b is a number."})


def _named(made: Tensor) -> Tensor:
    """The number has no edge."""
    node = made._grad_fn
    if node is not None:
        node.__class__ = _with_number(type(node))
        node.edges, node.numbers = node.edges[:1], node.numbers and node.numbers[:1]
    return made


def times(x: Tensor, number: float) -> Tensor:
    """``x * number``."""
    return _named(x * number)


def plus(x: Tensor, number: float) -> Tensor:
    """``x + number``."""
    return _named(x + number)


def minus(x: Tensor, number: float) -> Tensor:
    """``x - number``."""
    return _named(x - number)


def less(number: float, x: Tensor) -> Tensor:
    """``number - x``, which PyTorch makes a difference of tensors."""
    return made_of(x._data.dtype.type(number)) - x


def over(x: Tensor, number: float) -> Tensor:
    """``x / number``."""
    return _named(x / number)


def number_over(number: float, x: Tensor) -> Tensor:
    """``number / x``, which PyTorch makes a quotient of tensors."""
    return made_of(x._data.dtype.type(number)) / x
