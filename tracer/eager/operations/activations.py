"""relu, softmax and its relatives."""

from __future__ import annotations

import numpy as np

from ..dtypes import get_default_dtype
from ..geometry import in_layout_of
from ..node import Node
from ..record import recorded, result, saved_result
from ..tensor import Tensor, made_of, unsigned, wrapped_dim
from .arithmetic import operand
from .define import gate, kind, operation

_PASSED = gate("ThresholdBackwardBackward0")


class ReluBackward0(Node):
    """Backward of relu: 0 at 0; NaN lets the gradient pass."""

    names = ("result",)

    def fast(self, g):
        self.check()
        return (np.where(self.checked_saved()[0].data <= 0, g.dtype.type(0), g),)

    def backward(self, g):
        out, = self.unpack()
        return (_PASSED(g, ~(out._data <= 0), x=out),)


def relu(input, inplace: bool = False) -> Tensor:
    """Elements below 0 replaced by 0."""
    if inplace:
        return input.relu_()
    x = operand(input, "relu")._data
    _refuse_bool(input)
    node = recorded(ReluBackward0, (input,))
    made = result(node, in_layout_of(np.maximum(x, x.dtype.type(0)), x))
    if node is not None:
        node.save(saved_result(made))
    return made


def _softmax_twice(node, g, given, out):
    dim = node.dim
    by_out = given * g - (out * given).sum(dim, keepdim=True) * g - given * (out * g).sum(dim, keepdim=True)
    return _softmax_backward(g, out, dim), by_out


def _log_softmax_twice(node, g, given, out):
    return g - (g * out.exp()).sum(node.dim, keepdim=True), -given.sum(node.dim, keepdim=True) * out.exp() * g


SOFTMAX_TWICE, LOG_SOFTMAX_TWICE = (kind(f"{name}BackwardDataBackward0", backward, ("grad_output", "output")) for name, backward in (
    ("Softmax", _softmax_twice), ("LogSoftmax", _log_softmax_twice)))


def _softmax_backward(g: Tensor, out: Tensor, dim: int) -> Tensor:
    product = g._data * out._data
    return operation(SOFTMAX_TWICE, (g, out), product - out._data * _line_sums(product, dim), (g, out), dim=dim)


def _log_softmax_backward(g: Tensor, out: Tensor, dim: int) -> Tensor:
    return operation(LOG_SOFTMAX_TWICE, (g, out), g._data - np.exp(out._data) * _line_sums(g._data, dim), (g, out), dim=dim)


def _line_sums(data, dim: int):
    return data.sum(axis=dim, keepdims=True) if data.ndim else data


def _refuse_bool(input: Tensor) -> None:
    if input._data.dtype.kind == "b":
        raise RuntimeError("Boolean inputs not supported for relu")


relu.refuses = _refuse_bool  # before memory is looked at


class SoftmaxBackward0(Node):
    """Backward of softmax."""

    arguments = {"dim": "given"}
    names = ("result",)
    slope = staticmethod(_softmax_backward)

    def backward(self, g):
        return (self.slope(g, self.unpack()[0], self.dim),)

    def fast(self, g):
        out, = self.plain()
        return ((g - _total(g * out, self.dim)) * out,)


class LogSoftmaxBackward0(SoftmaxBackward0):
    """Backward of log_softmax."""

    slope = staticmethod(_log_softmax_backward)

    def fast(self, g):
        out, = self.plain()
        return (g - np.exp(out) * _total(g, self.dim),)


def _total(x, axis: int):
    """The sum along an axis, which stays."""
    return np.add.reduce(x, axis=axis, keepdims=True) if x.ndim else x


class LogsumexpBackward0(Node):
    """Backward of logsumexp."""

    arguments = {"dim": "given", "keepdim": "keepdim"}
    names = ("self", "result")

    def backward(self, g):
        x, out = self.unpack()
        if self.keepdim is False:
            for axis in sorted(self.dims):
                g, out = g.unsqueeze(axis), out.unsqueeze(axis)
        return (g * (x - out).exp(),)

    def fast(self, g):
        x, out = self.plain()
        if self.keepdim is False and self.dims:
            g, out = np.expand_dims(g, self.dims), np.expand_dims(out, self.dims)
        return (g * np.exp(x - out),)


def _float(input, name: str, dim: int | None):
    x = operand(input, name)._data
    if x.dtype.kind != "f" and x.size:
        last = "_lastdim" if wrapped_dim(dim, x.ndim) == max(x.ndim - 1, 0) else ""
        raise NotImplementedError(f'"{name}{last}_kernel_impl" not implemented for \'{input.dtype.legacy}\'')
    return x


def _centred(x, axis: int):
    """Less the largest along an axis: 0 or below. NaN for NaN."""
    return x - np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf) if x.ndim else x - x


def _along(name: str, kind: type[SoftmaxBackward0], input, dim: int, dtype, value) -> Tensor:
    """``value(x, axis)`` of floats along an axis, recorded with its result."""
    input = input if dtype is None else input.to(dtype)
    x = _float(input, name, dim)
    axis = wrapped_dim(dim, x.ndim)
    if x.dtype.kind != "f":
        return made_of(np.array(x))  # without elements
    node = recorded(kind, (input,))
    made = result(node, value(x, axis))
    if node is not None:
        node.dim, node.given = axis, unsigned(dim)
        node.save(saved_result(made))
    return made


def _softmax(x, axis: int):
    e = np.exp(_centred(x, axis))
    return np.ascontiguousarray(e / _total(e, axis)) if x.ndim else e


def _log_softmax(x, axis: int):
    centred = _centred(x, axis)
    return np.ascontiguousarray(centred - np.log(_total(np.exp(centred), axis))) if x.ndim else centred


def softmax(input, dim: int, dtype=None, *, out=None) -> Tensor:
    """Exponentials that sum to 1 along an axis."""
    return _along("softmax", SoftmaxBackward0, input, dim, dtype, _softmax)


def log_softmax(input, dim: int, dtype=None, *, out=None) -> Tensor:
    """The logarithm of softmax."""
    return _along("log_softmax", LogSoftmaxBackward0, input, dim, dtype, _log_softmax)


def logsumexp(input, dim, keepdim: bool = False, *, out=None) -> Tensor:
    """The logarithm of the sum of exponentials over axes."""
    x = operand(input, "logsumexp")._data
    x = x if x.dtype.kind == "f" else x.astype(get_default_dtype().numpy)
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    axes = tuple([wrapped_dim(d, x.ndim) for d in dims])
    for axis in axes:
        if axes.count(axis) > 1:
            raise RuntimeError(f"dim {axis} appears multiple times in the list of dims")
    if not axes and x.ndim and x.size and not keepdim:  # PyTorch sums over all axes, into a result that has kept them
        raise RuntimeError("output with shape [] doesn't match the broadcast shape " + str([1] * x.ndim))
    axes = () if x.ndim == 0 else axes or tuple(range(x.ndim))
    highest = x.max(axis=axes, keepdims=True, initial=-np.inf) if axes else x
    highest = np.where(np.isfinite(highest), highest, 0).astype(x.dtype)
    data = np.log(np.exp(x - highest).sum(axis=axes, keepdims=True)) + highest if axes else x
    if not keepdim and axes:
        data = np.squeeze(data, axes)
    node = recorded(LogsumexpBackward0, (input,))
    made = result(node, np.asarray(data, order="C")[()])
    if node is not None:
        node.dims, node.keepdim, node.given = axes, keepdim, unsigned(dims)
        node.save(input, saved_result(made))
    return made


FUNCTIONS = {"relu": relu, "softmax": softmax, "log_softmax": log_softmax, "logsumexp": logsumexp}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
