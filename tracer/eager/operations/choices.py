"""Choices by a condition: where, masked_fill, clamp."""

from __future__ import annotations

import numpy as np

from ..dtypes import bool_, promoted
from ..geometry import in_layout_of
from ..node import Node
from ..record import broadcast_shape, cast, data_of, fit_of, fitted, in_common, look_up_nodes, recorded, result, summed_to
from ..tensor import Tensor, made_of
from ..words import type_name
from .arithmetic import Binary
from .elementwise import RECORDED
from .operands import check_operands


class WhereBackward0(Binary):
    """Backward of where: each branch gets what it gave."""

    names = ("condition",)

    def backward(self, g):
        zero = made_of(g._data.dtype.type(0))
        chosen, = self.unpack()
        return self._fit2(where(chosen, g, zero), where(chosen, zero, g))

    def _fit2(self, *pair):
        return tuple([None if fit is None or edge is None else fitted(each, fit) for each, fit, edge in zip(pair, self.fits, self.edges)])

    def fast(self, g):
        condition, = self.plain()
        return self._fit2(np.where(condition, g, g.dtype.type(0)), np.where(condition, g.dtype.type(0), g))


def where(condition, input=None, other=None, *, out=None):
    """``input`` where the condition holds, else ``other``; with a condition alone, the places where it holds."""
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    chosen = condition._data
    if chosen.dtype.kind != "b" and chosen.dtype != np.uint8:
        raise RuntimeError(f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype.legacy}")
    look_up_nodes((input, other))
    a, b = data_of(input), data_of(other)
    shape = chosen.shape
    for each in (a, b):
        shape = broadcast_shape(shape, each.shape if isinstance(each, np.ndarray) else ())
    dtype, (x, y) = in_common(input, other)
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):  # PyTorch makes of it one with tensors, of one dtype
        input, other = [each.to(dtype) if isinstance(each, Tensor) and each._rg else each for each in (input, other)]
    data = np.where(chosen, x, y)
    if data.dtype != dtype.numpy:
        data = data.astype(dtype.numpy)
    data = in_layout_of(data, chosen, a, b)
    node = recorded(WhereBackward0, (input, other))
    if node is not None:
        node.fits = fit_of(input), fit_of(other)
        node.save(condition)
    return result(node, data if data.ndim else data[()])


class MaskedFillBackward0(Node):
    """Backward of masked_fill."""

    names = ("mask",)
    shape: tuple = ()

    def fast(self, g):
        self.check()
        found = np.where(self.saved[0]._data, g.dtype.type(0), g)
        return (found if found.shape == self.shape else summed_to(found, self.shape),)

    def backward(self, g):
        mask, = self.unpack()
        to_self = None if self.edges[0] is None else fitted(masked_fill(g, mask, 0), (self.shape, g._data.dtype))
        return to_self, *[None if edge is None else g.masked_select(mask).sum() for edge in self.edges[1:]]


class _MaskedFillByTensor(MaskedFillBackward0):
    fast = None


_MaskedFillByTensor.__name__ = "MaskedFillBackward1"


def masked_fill(input, mask, value) -> Tensor:
    """The tensor with a number where the mask holds."""
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s).")
    broadcast_shape(input._data.shape, mask._data.shape)
    if mask.dtype is not bool_:
        raise RuntimeError(f"masked_fill_ only supports boolean masks, but got mask with dtype {mask.dtype.c_name}")
    number = input._data.dtype.type(value._data if isinstance(value, Tensor) else value)
    data = np.asarray(np.where(mask._data, number, input._data), order="C")
    node = recorded(_MaskedFillByTensor, (input, value)) if isinstance(value, Tensor) else recorded(MaskedFillBackward0, (input,))
    if node is not None:
        node.save(mask)
        node.shape = input._data.shape
    return result(node, data if data.ndim else data[()])


masked_fill.is_fill = True  # one number is read before anything is written


class ClampBackward1(Node):
    """Backward of clamp with numbers: the gradient passes at the bounds."""

    arguments = {"min": "low", "max": "high"}
    names = ("self",)
    low = high = None

    def _inside(self, x):
        inside = np.ones(x.shape, bool)
        if self.low is not None:
            inside &= x >= self.low
        if self.high is not None:
            inside &= x <= self.high
        return inside

    def fast(self, g):
        x = self.checked_saved()[0]
        self.check()
        return (np.where(self._inside(x._data), g, g.dtype.type(0)),)

    def backward(self, g):
        x, = self.unpack()
        return (where(made_of(self._inside(x._data)), g, 0.0),)


class ClampMinBackward0(ClampBackward1):
    """Backward of clamp_min."""

    arguments = {"min": "low"}


class ClampMaxBackward0(ClampBackward1):
    """Backward of clamp_max."""

    arguments = {"max": "high"}


def clamp(input, min=None, max=None, *, out=None) -> Tensor:
    """Elements brought within bounds, which are numbers or tensors."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    for name, bound in (("min", min), ("max", max)):
        if bound is not None and not isinstance(bound, (Tensor, int, float, np.number, np.bool_)):
            raise TypeError(f"clamp(): argument '{name}' must be Number, not {type_name(bound)}")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        return _clamp_by_tensors(input, min, max)
    return _clamp(input, min, max, ClampBackward1)


def _clamp(input, min, max, kind) -> Tensor:
    data = input._data
    dtype, _ = in_common(input, *[b for b in (min, max) if b is not None])
    value = cast(data, dtype)
    if min is not None:
        value = np.maximum(value, dtype.numpy.type(min))
    if max is not None:
        value = np.minimum(value, dtype.numpy.type(max))
    node = recorded(kind, (input,))
    if node is not None:
        node.low, node.high = min, max
        node.save(input)
    return result(node, in_layout_of(value, data))


class _ClampByTensors(Binary):
    names = ("self", "min", "max")
    fast = None

    def backward(self, g):
        x, low, high = self.unpack()
        inside = made_of(np.ones(g._data.shape, bool))
        if low is not None:
            inside = inside & (x >= low)
        if high is not None:
            inside = inside & (x <= high)
        below = None if low is None else where(x < low if high is None else (x < low) & (low < high), g, 0.0)
        above = None if high is None else where(x > high if low is None else (x > high) | (high < low), g, 0.0)
        return self._fit((where(inside, g, 0.0), below, above))


_ClampByTensors.__name__ = "ClampBackward0"


class ClampMinBackward1(_ClampByTensors):
    """Backward of clamp_min by a tensor."""

    names = ("self", "min")

    def backward(self, g):
        x, low = self.unpack()
        return self._fit((where(x >= low, g, 0.0), where(x < low, g, 0.0)))


class ClampMaxBackward1(_ClampByTensors):
    """Backward of clamp_max by a tensor."""

    names = ("self", "max")

    def backward(self, g):
        x, high = self.unpack()
        return self._fit((where(x <= high, g, 0.0), where(x > high, g, 0.0)))


def _clamp_by_tensors(input, low, high, kind: type = _ClampByTensors) -> Tensor:
    if kind is _ClampByTensors and promoted([each for each in (input, low, high) if each is not None]).numpy.kind == "b":
        raise NotImplementedError("\"clamp_cpu\" not implemented for 'Bool'")
    look_up_nodes((input, low, high))
    shape = input._data.shape
    for bound in (low, high):
        shape = broadcast_shape(shape, np.shape(data_of(bound)) if bound is not None else ())
    _, arrays = in_common(*[o for o in (input, low, high) if o is not None])
    rest = iter(arrays)
    value = next(rest)
    if low is not None:
        value = np.maximum(value, next(rest))
    if high is not None:
        value = np.minimum(value, next(rest))
    operands = (input, low, high) if kind is _ClampByTensors else (input, high if low is None else low)
    node = recorded(kind, operands)
    if node is not None:
        node.fits = tuple([fit_of(o) if o is not None else None for o in operands])
        node.save(*operands)
    return result(node, in_layout_of(value, *arrays))


def clamp_min(input, min, *, out=None) -> Tensor:
    """Elements not below a bound."""
    check_operands("clamp_min", input, min)
    return _clamp_by_tensors(input, min, None, ClampMinBackward1) if isinstance(min, Tensor) else _clamp(input, min, None, ClampMinBackward0)


def clamp_max(input, max, *, out=None) -> Tensor:
    """Elements not above a bound."""
    check_operands("clamp_max", input, max)
    return _clamp_by_tensors(input, None, max, ClampMaxBackward1) if isinstance(max, Tensor) else _clamp(input, None, max, ClampMaxBackward0)


FUNCTIONS = {"where": where, "masked_fill": masked_fill, "clamp": clamp, "clip": clamp, "clamp_min": clamp_min, "clamp_max": clamp_max}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
Tensor.where = lambda self, condition, other: where(condition, self, other)
RECORDED[np.where] = where
