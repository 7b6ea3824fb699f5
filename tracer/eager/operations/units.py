"""The activations of neural networks that go element by element."""

from __future__ import annotations

import math

import numpy as np

from tracer.ops import TABLE

from ..geometry import in_layout_of
from ..tensor import Tensor
from .choices import where
from .define import gate, kind, operation
from .operands import check_kernel

_SQRT_2_BY_PI = math.sqrt(2 / math.pi)
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def activation(name: str, grad_fn: str, function, slope, pieces: bool = False, whole: bool = False, defaults: dict | None = None,
               also: dict | None = None, check=None, plain=None):
    """``function(x, *options)`` on NumPy data, ``slope(x, *options)`` on tensors.

    ``pieces``: of lines; the slope is that of each element, on NumPy data. ``whole``: it gets the gradient too, and returns their product.
    ``defaults``: of the options; ``also``: what PyTorch keeps beside them.
    ``check``: of the operand and the options. ``plain``: the slope on NumPy data, for speed.
    """
    defaults, also = defaults or {}, also or {}
    passed = gate(f"{grad_fn[:-1]}Backward0")

    def backward(node, g, x):
        if not pieces:
            return slope(g, x, *node.options) if whole else g * slope(x, *node.options)
        found = slope(x._data, *node.options)
        return passed(g, found, 1.0, x) if found.dtype.kind == "b" else passed(g, True, found, x)
    cls = kind(grad_fn, backward, ("self",), keeps=" ".join([each for each in (*defaults, *also) if each != "value"]),
               plain=plain and (lambda node, g, x: g * plain(x, *node.options)))

    def function_(input: Tensor, *options, inplace: bool = False, **named) -> Tensor:
        kept = defaults | dict(zip(defaults, options)) | named
        options, x = tuple(kept.values()), input._data
        check(input, *options)
        made = operation(cls, (input,), in_layout_of(np.asarray(function(x, *options), x.dtype), x), (input,), options=options, **kept, **also)
        return input.copy_(made) if inplace else made
    function_.__name__ = name
    function_.__doc__ = f"``torch.nn.functional.{name}``."
    return function_


def _kernel(name: str, kinds: str = "f"):
    return lambda input, *_: check_kernel(name, input, kinds)


def expit(x):
    """The table's sigmoid, on NumPy data."""
    return TABLE["expit"].evaluate(x)


# Smooth ---------------------------------------------------------------------------------------------------------------------------------

def _gelu(x, approximate):
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(_SQRT_2_BY_PI * (x + 0.044715 * x**3)))
    return x * (0.5 * (1 + TABLE["erf"].evaluate(x / math.sqrt(2))))


def _gelu_slope(x, approximate):
    if approximate == "tanh":
        t = (_SQRT_2_BY_PI * (x + 0.044715 * x**3)).tanh()
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * (_SQRT_2_BY_PI * (1 + 3 * 0.044715 * x * x))
    return 0.5 * (1 + (x / math.sqrt(2)).erf()) + x * (-0.5 * x * x).exp() / math.sqrt(2 * math.pi)


def _check_gelu(input: Tensor, approximate: str) -> None:
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    check_kernel("GeluKernelImpl", input)


def _mish_slope(x: Tensor) -> Tensor:
    t = softplus(x).tanh()
    return t + x * x.sigmoid() * (1 - t * t)


def _softplus(x, beta, threshold):
    with np.errstate(over="ignore"):
        return np.where(x * beta > threshold, x, np.log1p(np.exp(np.minimum(x * beta, threshold))) / beta)


gelu = activation("gelu", "GeluBackward0", _gelu, _gelu_slope, defaults={"approximate": "none"}, check=_check_gelu)
silu = activation("silu", "SiluBackward0", lambda x: x / (1 + np.exp(-x)), lambda x: x.sigmoid() * (1 + x * (1 - x.sigmoid())), check=_kernel("silu_cpu"))
logsigmoid = activation("logsigmoid", "LogSigmoidBackward0", lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))), lambda x: (-x).sigmoid(),
                        check=_kernel("log_sigmoid_cpu"))
softplus = activation("softplus", "SoftplusBackward0", _softplus,
                      lambda g, x, beta, threshold: where(x * beta > threshold, g, g * (x * beta).sigmoid()), whole=True,
                      defaults={"beta": 1, "threshold": 20}, check=_kernel("softplus_cpu"),
                      plain=lambda x, beta, threshold: np.where(x * beta > threshold, x.dtype.type(1), expit(x * beta)))
mish = activation("mish", "MishBackward0", lambda x: x * np.tanh(np.logaddexp(x, x.dtype.type(0))), _mish_slope, check=_kernel("mish_cpu"))


def _bent(alpha: float, x, scale: float = 1.0, rate: float = 1.0):
    """``elu`` and its kin: the number above 0, an exponential below."""
    return scale * np.where(x <= 0, alpha * np.expm1(np.where(x <= 0, x, 0) * rate), x)


def _bent_slope(alpha: float, x: Tensor, scale: float = 1.0, rate: float = 1.0) -> Tensor:
    slope = where(x <= 0, (alpha * rate) * (where(x < 0, x, 0.0) * rate).exp(), 1.0).to(x.dtype)  # with no slope of its own at 0
    return slope if scale == 1.0 else slope * scale


elu = activation("elu", "EluBackward0", lambda x, alpha: _bent(alpha, x), lambda x, alpha: _bent_slope(alpha, x), defaults={"alpha": 1.0},
                 also={"scale": 1, "input_scale": 1}, check=_kernel("elu_cpu"))
selu = activation("selu", "EluBackward0", lambda x: _bent(_SELU_ALPHA, x, _SELU_SCALE), lambda x: _bent_slope(_SELU_ALPHA, x, _SELU_SCALE),
                  also={"alpha": _SELU_ALPHA, "scale": _SELU_SCALE, "input_scale": 1}, check=_kernel("elu_cpu"))
celu = activation("celu", "CeluBackward0", lambda x, alpha: _bent(alpha, x, rate=1 / alpha), lambda x, alpha: _bent_slope(alpha, x, rate=1 / alpha),
                  defaults={"alpha": 1.0}, check=_kernel("elu_cpu"))
hardswish = activation("hardswish", "HardswishBackward0", lambda x: x * np.clip(x + 3, 0, 6) / 6,
                       lambda x: where(x < -3, 0.0, where(x <= 3, x / 3 + 0.5, 1.0)), check=_kernel("hardswish_cpu"))


# Of pieces of lines ---------------------------------------------------------------------------------------------------------------------

def _check_hardtanh(input: Tensor, low=0, high=0) -> None:
    if low > high:
        raise ValueError("min_val cannot be greater than max_val")
    if input._data.dtype.kind == "b":
        raise RuntimeError("Bool inputs not supported for hardtanh")


def _check_softshrink(input: Tensor, limit: float) -> None:
    check_kernel("softshrink_check", input)
    if not 0 <= limit <= np.finfo(input._data.dtype).max:
        raise RuntimeError(f"lambda must be in range [0, {np.finfo(input._data.dtype).max:g}] for input dtype {input.dtype.legacy}, but found {limit:g}")


leaky_relu = activation("leaky_relu", "LeakyReluBackward0", lambda x, slope: np.where(x > 0, x, x * slope), lambda x, slope: np.where(x > 0, 1.0, slope),
                        pieces=True, defaults={"negative_slope": 0.01}, check=_kernel("leaky_relu_cpu"))
hardtanh = activation("hardtanh", "HardtanhBackward0", lambda x, low, high: np.clip(x, low, high), lambda x, low, high: ~((x <= low) | (x >= high)),
                      pieces=True, defaults={"min_val": -1.0, "max_val": 1.0}, check=_check_hardtanh)
relu6 = activation("relu6", "HardtanhBackward0", lambda x: np.clip(x, 0, 6), lambda x: ~((x <= 0) | (x >= 6)), pieces=True,
                   also={"min_val": 0, "max_val": 6}, check=_check_hardtanh)
hardshrink = activation("hardshrink", "HardshrinkBackward0", lambda x, limit: np.where((x >= -limit) & (x <= limit), 0, x),
                        lambda x, limit: ~((x >= -limit) & (x <= limit)), pieces=True, defaults={"lambd": 0.5}, check=_kernel("hardshrink_cpu"))
softshrink = activation("softshrink", "SoftshrinkBackward0", lambda x, limit: np.where(x > limit, x - limit, np.where(x < -limit, x + limit, x * 0)),
                        lambda x, limit: ~((x >= -limit) & (x <= limit)), pieces=True, defaults={"lambd": 0.5}, check=_check_softshrink)
threshold = activation("threshold", "ThresholdBackward0", lambda x, limit, value: np.where(x <= limit, value, x), lambda x, limit, _: ~(x <= limit),
                       pieces=True, defaults={"threshold": None, "value": None}, check=_kernel("threshold_cpu", "fiu"))
hardsigmoid = activation("hardsigmoid", "HardsigmoidBackward0", lambda x: np.clip(x + 3, 0, 6) / 6,
                         lambda x: np.where((x > -3) & (x < 3), np.float32(1 / 6), 0.0), pieces=True,  # PyTorch has the sixth in float32
                         check=_kernel("hardsigmoid_cpu"))


def tanhshrink(input: Tensor) -> Tensor:
    """``x - tanh(x)``."""
    return input - input.tanh()


def softsign(input: Tensor) -> Tensor:
    """``x / (1 + |x|)``."""
    return input / (input.abs() + 1)


FUNCTIONS = {f.__name__: f for f in (celu, selu, threshold, hardshrink)}
NN = FUNCTIONS | {f.__name__: f for f in (gelu, silu, logsigmoid, softplus, mish, elu, hardswish, leaky_relu, hardtanh, relu6, softshrink, hardsigmoid,
                                          tanhshrink, softsign)}
__all__ = ["FUNCTIONS", "NN"]
