"""How PyTorch composes the gradients of element-wise functions where they are recorded: which operations, in which order.

Their values are those of the slopes in the tracer's table, which an ordinary backward pass evaluates; what is here names the nodes of a recorded one.
"""

from __future__ import annotations

import math

from ..tensor import Tensor
from .define import kind, operation
from .numbers import less, minus, plus, times


def _tanh_twice(node, g, given, out):
    return tanh_backward(g, out), g * (times(out, -2) * given)


def _sigmoid_twice(node, g, given, out):
    return sigmoid_backward(g, out), g * given * plus(times(out, -2), 1)


TANH_TWICE, SIGMOID_TWICE = (kind(f"{name}BackwardBackward0", backward, ("grad_output", saved)) for name, backward, saved in (
    ("Tanh", _tanh_twice, "output"), ("Sigmoid", _sigmoid_twice, "output")))


def tanh_backward(g: Tensor, out: Tensor) -> Tensor:
    """``g (1 - out²)``, with a node of its own."""
    return operation(TANH_TWICE, (g, out), g._data * (1 - out._data * out._data), (g, out))


def sigmoid_backward(g: Tensor, out: Tensor) -> Tensor:
    """``g (1 - out) out``, with a node of its own."""
    return operation(SIGMOID_TWICE, (g, out), g._data * ((1 - out._data) * out._data), (g, out))


# (g, what was saved: the result for those functions whose slope needs it alone) -> gradient.
GRADIENTS = {
    "tanh": tanh_backward, "sigmoid": sigmoid_backward,
    "exp2": lambda g, out: times(g * out, math.log(2)),
    "expm1": lambda g, out: g * plus(out, 1),
    "log": lambda g, x: g / x,
    "log2": lambda g, x: g / times(x, math.log(2)),
    "log10": lambda g, x: g / times(x, math.log(10)),
    "log1p": lambda g, x: g / plus(x, 1),
    "sqrt": lambda g, out: g / times(out, 2),
    "reciprocal": lambda g, out: -g * (out * out),
    "tan": lambda g, out: g * plus(out.pow(2), 1),
    "asin": lambda g, x: g * plus(-x * x, 1).rsqrt(),
    "acos": lambda g, x: g * -plus(-x * x, 1).rsqrt(),
    "atan": lambda g, x: g / plus(x * x, 1),
    "asinh": lambda g, x: g * plus(x.pow(2), 1).rsqrt(),
    "acosh": lambda g, x: g * minus(x * x, 1).rsqrt(),
    "atanh": lambda g, x: times(g, 1) / less(1, x.pow(2)),
    "erf": lambda g, x: times((-x.pow(2)).exp(), 2 / math.sqrt(math.pi)) * g,
    "erfc": lambda g, x: times((-x.pow(2)).exp(), -2 / math.sqrt(math.pi)) * g,
    "erfinv": lambda g, x: times(x.erfinv().pow(2).exp(), 0.5 * math.sqrt(math.pi)) * g,
}
GRADIENTS |= {f"arc{name[1:]}": GRADIENTS[name] for name in ("asin", "acos", "atan", "asinh", "acosh", "atanh")}
