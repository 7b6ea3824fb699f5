"""Functions of two operands: those of the tracer's table, the larger and the smaller, remainders."""

from __future__ import annotations

import numpy as np
from scipy import special as scipy

from tracer.graph.op import ZERO
from tracer.ops import TABLE

from ..dtypes import promoted
from ..record import data_of, result, saved_result
from ..tensor import Tensor, count_updates, made_of
from .arithmetic import Binary, binary, div, refuse_integer_zero
from .choices import masked_fill, where
from .elementwise import RECORDED, Recorded, opened
from .numbers import over
from .operands import check_kernel, check_operands


class Pairwise(Binary):
    """The gradient times the table's slope by each operand."""

    partials: tuple = ()
    evaluate = None
    composed = None  # as PyTorch composes the gradients where they are recorded, if not from the operations of the slopes

    def fast(self, g):
        x, y, *saved = self.plain()
        out = saved[0] if saved else type(self).evaluate(x, y)
        return self._fit(tuple([None if edge is None else _slope(g, partial, x, y, out) for edge, partial in zip(self.edges, self.partials)]))

    def backward(self, g):
        x, y, *saved = self.unpack()
        pair = [Recorded(o if isinstance(o, Tensor) or o is None else made_of(np.asarray(o)[()])) for o in (x, y)]
        if self.composed is not None:
            return self._fit(self.composed(g, *map(opened, pair), *(saved or (None,))))
        out = Recorded(saved[0] if saved else self.again(x, y))
        return self._fit(tuple([None if edge is None else _recorded_slope(g, partial, *pair, out) for edge, partial in zip(self.edges, self.partials)]))


class _Extreme(Binary):
    """Backward of a larger or smaller of two: the gradient goes where the value came from, and in halves to both at ties, if these are ``shared``."""

    names = ("self", "other")

    def fast(self, g):
        x, y = self.plain()
        left, right = self.losers(x, y)
        half = np.where(x == y, g / 2, g) if self.shared else g
        zero = g.dtype.type(0)
        return self._fit((np.where(left, zero, half), np.where(right, zero, half)))

    def backward(self, g):
        x, y = [each if isinstance(each, Tensor) else made_of(np.asarray(each)[()]) for each in self.unpack()]
        left, right = [made_of(np.asarray(each)) for each in self.losers(x._data, y._data)]
        half = where(x == y, over(g, 2), g) if self.shared else g
        pair = masked_fill(half, left, 0), masked_fill(half, right, 0)
        for each in pair if self.shared else ():
            count_updates(each, 1)  # PyTorch fills in place
        return self._fit(pair)


def _other_numbers(wins):
    def losers(x, y):
        first = wins(x, y) | (y != y)
        return ~first, first
    return losers


def _extreme(name: str, ufunc, losers, shared: bool):
    kind = type(f"{name.title()}Backward0", (_Extreme,), {"losers": staticmethod(losers), "shared": shared, "__doc__": f"Backward of {name}."})

    def function(input, other, *, out=None) -> Tensor:
        check_operands(name, input, other)
        a, b = input, other
        node, data = binary(kind, ufunc, a, b)
        if node is not None:
            node.save(a, b)
        return result(node, data)
    function.__name__ = name
    function.__doc__ = f"``{ufunc.__name__}`` of the elements."
    return function


EXTREMES = {"maximum": _extreme("maximum", np.maximum, lambda x, y: (x < y, x > y), True),
            "minimum": _extreme("minimum", np.minimum, lambda x, y: (x > y, x < y), True),
            "fmax": _extreme("fmax", np.fmax, _other_numbers(np.greater_equal), False), "fmin": _extreme("fmin", np.fmin, _other_numbers(np.less_equal), False)}


def _slope(g, partial, x, y, out):
    if partial is ZERO:
        return g * 0
    found = g * (partial(x, y, out) if callable(partial) else partial)
    return found if found.dtype == g.dtype else found.astype(g.dtype)


def _recorded_slope(g, partial, x, y, out):
    if partial is ZERO:
        return g * 0
    return (g * opened(partial(x, y, out)) if callable(partial) else g * partial).to(g.dtype)


def _atan2(node, g, x, y, _):
    inverse = masked_fill((x * x + y * y).reciprocal(), (x == 0) & (y == 0), 0)
    return g * y * inverse if node.edges[0] is not None else None, g * -x * inverse if node.edges[1] is not None else None


def _hypot(node, g, x, y, out):
    return tuple([None if edge is None else g * each / out for edge, each in zip(node.edges, (x, y))])


def _xlogy(node, g, x, y, _):
    by_x = masked_fill(g.xlogy(y), (x == 0) & (y <= 0), 0) if node.edges[0] is not None else None
    return by_x, None if node.edges[1] is None else g * x / y


# As PyTorch composes gradients where they are recorded, if not from the operations of the slopes: (node, gradient, operands, result) -> gradients.
_COMPOSED = {"atan2": _atan2, "hypot": _hypot, "xlogy": _xlogy}


def _pairwise(name: str, op, grad_fn: str):
    evaluate = op.evaluate
    partials = op.partials if isinstance(op.partials, tuple) else (ZERO, ZERO)

    def function(input, other, *, out=None) -> Tensor:
        check_operands(name, input, other)
        if name == "hypot":
            check_kernel("hypot_cpu", input)
        a, b = input, other
        node, data = binary(kind, evaluate, a, b, floating=name in ("atan2", "xlogy"))
        made = result(node, data if data.ndim else data[()])
        if node is not None:
            if keeps_result:
                node.save(a if node.edges[0] is not None else None, b if node.edges[1] is not None else None, saved_result(made))
            else:
                node.save(a, b)
            if name == "atan2" and data_of(a).dtype.kind == "b":
                node.fast = None  # PyTorch negates the first operand, which tells that bools have no negative
        return made
    function.__name__ = name
    function.__doc__ = f"``{op.name}`` of the elements."
    keeps_result = name == "hypot"  # of what PyTorch saves
    kind = type(grad_fn, (Pairwise,), {"partials": partials, "evaluate": staticmethod(evaluate), "again": staticmethod(function),
                                       "composed": _COMPOSED.get(name), "names": ("self", "other", "result") if keeps_result else ("self", "other"),
                                       "__doc__": f"Backward of {name}."})
    return function


PAIRS = {"hypot": "HypotBackward0", "logaddexp": "LogaddexpBackward0", "logaddexp2": "Logaddexp2Backward0", "copysign": "CopysignBackward0",
         "xlogy": "XlogyBackward0", "xlog1py": "SpecialXlog1PyBackward0", "heaviside": "HeavisideBackward0"}


class _RemainderBase(Binary):
    """A remainder: slope 1 by the dividend, minus the rounded quotient by the divisor."""

    names = ("self", "other")
    rounding = "floor"

    def _slopes(self, g, a=None, b=None):
        if len(self.edges) == 1 or self.edges[1] is None:
            return g, None
        quotient = np.floor_divide(a, b) if not isinstance(a, Tensor) and self.rounding == "floor" else np.trunc(a / b) if not isinstance(a, Tensor) else div(
            a, b, rounding_mode=self.rounding)
        return g, -g * quotient


_REMAINDERS = {name: type(name, (_RemainderBase,), {"rounding": rounding, "__doc__": f"{name} of PyTorch."}) for name, rounding in (
    ("RemainderBackward0", "floor"), ("RemainderBackward1", "floor"), ("FmodBackward0", "trunc"), ("FmodBackward1", "trunc"))}


def _remainder_function(name: str, ufunc):
    def function(input, other, *, out=None) -> Tensor:
        check_operands(name, input, other)
        a, b = input, other
        if promoted((a, b)).numpy.kind == "b":
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for 'Bool'")
        refuse_integer_zero(a, b)
        kind = _REMAINDERS[f"{name.title()}Backward{int(isinstance(b, Tensor))}"]
        node, data = binary(kind, ufunc, a, b)
        if node is not None:
            if isinstance(b, Tensor):
                node.save(*((a, b) if node.edges[1] is not None else (None, None)))
            else:
                node.names = ()
                node.edges, node.numbers = node.edges[:1], node.numbers and node.numbers[:1]
        return result(node, data)
    function.__name__ = name
    function.__doc__ = f"``{ufunc.__name__}`` of the elements."
    return function


def _tensor(value, like) -> Tensor:
    """A number in a slope as a tensor."""
    return value if isinstance(value, Tensor) else made_of(like._data.dtype.type(value))


FUNCTIONS = {name: _pairwise(name, TABLE[name], grad_fn) for name, grad_fn in PAIRS.items()}
FUNCTIONS |= EXTREMES | {"atan2": _pairwise("atan2", TABLE["arctan2"], "Atan2Backward0")}
FUNCTIONS |= {"arctan2": FUNCTIONS["atan2"], "remainder": _remainder_function("remainder", np.remainder), "fmod": _remainder_function("fmod", np.fmod)}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
RECORDED.update({np.maximum: lambda a, b: FUNCTIONS["maximum"](a, _tensor(b, a)), np.minimum: lambda a, b: FUNCTIONS["minimum"](a, _tensor(b, a)),
                 np.hypot: lambda a, b: FUNCTIONS["hypot"](_tensor(a, b), _tensor(b, a)),
                 np.logaddexp: lambda a, b: FUNCTIONS["logaddexp"](_tensor(a, b), _tensor(b, a)),
                 scipy.xlogy: FUNCTIONS["xlogy"]})
