"""Powers, comparisons, choices and roundings; functions of two operands from the tracer's table."""

from __future__ import annotations

import math

import numpy as np

from tracer.graph.op import ZERO
from tracer.ops import TABLE

from .arithmetic import _Binary, _binary, _number, _refuse_integer_zero, div, operand
from .dtypes import bool_, get_default_dtype, int64
from .elementwise import RECORDED, Recorded, _opened
from .geometry import in_layout_of
from .node import Node
from .numbers import times
from .record import broadcast_shape, cast, data_of, fit_of, fitted, in_common, look_up_nodes, recorded, result, saved_result
from .tensor import Tensor, counter_of, made_of

# Powers -----------------------------------------------------------------------------------------------------------------------

class PowBackward0(_Binary):
    """A power with a number for exponent."""

    names = ("self",)
    _saved_exponent = 2

    def fast(self, g):
        x, = self._plain()
        n = self._saved_exponent
        if n == 2:
            return (g * (x * 2),)
        return (g * (n * x ** (n - 1)) if n else np.zeros_like(g),)

    def backward(self, g):
        x, = self.unpack()
        n = self._saved_exponent
        return (made_of(np.zeros_like(g._data)) if n == 0 else g * times(x.pow(n - 1), n),)


class PowBackward1(_Binary):
    """A power of two tensors."""

    names = ("self", "exponent", "result")

    def backward(self, g):
        x, y, out = self.unpack()
        by_x = by_y = None
        if self.edges[0] is not None:
            by_x = where(y == 0, 0.0, g * (y * x.pow(y - 1)))
        if self.edges[1] is not None:
            by_y = g * where((x == 0) & (y >= 0), 0.0, out * x.log())
        return self._fit((by_x, by_y))

    fast = None


class PowBackward2(_Binary):
    """A number to the power of a tensor."""

    names = ("exponent", "result")
    base = 0.0

    def backward(self, g):
        y, out = self.unpack()
        if self.base == 0:
            return (where(y >= 0, 0.0, g * out * math.inf),)
        return (g * (out * math.log(self.base)),) if self.base > 0 else (g * out * math.nan,)

    fast = None


def pow_(input, exponent, *, out=None) -> Tensor:
    """``input ** exponent``."""
    if not isinstance(exponent, Tensor):
        return _power_of_number(operand(input, "pow"), exponent)
    if not isinstance(input, Tensor):
        data = np.asarray(np.power(*in_common(input, exponent)[1]), order="C")[()]
        node = recorded(PowBackward2, (exponent,))
        made = result(node, data)
        if node is not None:
            node.base = node._saved_self = input
            node.save(exponent, saved_result(made))
        return made
    node, data = _binary(PowBackward1, _refuse_negative_integers, input, exponent)
    made = result(node, data)
    if node is not None:
        node.save(input, exponent, saved_result(made))
    return made


def _refuse_negative_integers(x, y):
    if x.dtype.kind in "iu" and np.any(np.asarray(y) < 0):
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    return np.power(x, y)


def _power_of_number(x: Tensor, n) -> Tensor:
    data = x._data
    if data.dtype.kind == "f":
        # As PyTorch: squares, cubes and roots are not left to pow.
        value = (data * data if n == 2 else data * data * data if n == 3 else np.sqrt(data) if n == 0.5 else 1 / data if n == -1
                 else 1 / (data * data) if n == -2 else np.power(data, data.dtype.type(n)))
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


# Comparisons ------------------------------------------------------------------------------------------------------------------

def _comparison(name: str, ufunc):
    def function(input, other, *, out=None) -> Tensor:
        a, b = operand(input, name), operand(other, name, 2, "other")
        if isinstance(b, Tensor):
            broadcast_shape(a._data.shape, b._data.shape)
        _, (x, y) = in_common(a, b)
        return made_of(in_layout_of(np.asarray(ufunc(x, y))[()], data_of(a), data_of(b)))
    function.__name__ = name
    function.__doc__ = f"``{ufunc.__name__}`` of the elements, as bools."
    return function


COMPARISONS = {name: _comparison(name, ufunc) for name, ufunc in {"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
                                                                  "eq": np.equal, "ne": np.not_equal}.items()}


def _compared(name: str):
    function = COMPARISONS[name]

    def operator(self, other):
        return function(self, other) if isinstance(other, Tensor) or _number(other) else NotImplemented
    return operator


def _logical(name: str, ufunc):
    def function(input, other=None, *, out=None) -> Tensor:
        given = [input._data] if other is None else [input._data, other._data if isinstance(other, Tensor) else other]
        return made_of(in_layout_of(np.asarray(ufunc(*given))[()], *given))
    function.__name__ = name
    function.__doc__ = f"``{ufunc.__name__}`` of the elements."
    return function


LOGICAL = {f.__name__: f for f in (_logical("logical_and", np.logical_and), _logical("logical_or", np.logical_or), _logical("logical_xor", np.logical_xor),
                                   _logical("logical_not", np.logical_not), _logical("isnan", np.isnan), _logical("isinf", np.isinf),
                                   _logical("isfinite", np.isfinite), _logical("signbit", np.signbit))}


def _bitwise(name: str, ufunc):
    def function(input, other, *, out=None) -> Tensor:
        dtype, (x, y) = in_common(input, other)
        if dtype.is_floating_point:
            raise NotImplementedError(f'"{name}_cpu" not implemented for \'{dtype.legacy}\'')
        return made_of(in_layout_of(ufunc(x, y), data_of(input), data_of(other)))
    function.__name__ = name
    function.__doc__ = f"``{ufunc.__name__}`` of integers or bools."
    return function


BITWISE = {name: _bitwise(name, ufunc) for name, ufunc in {"bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor,
                                                           "bitwise_left_shift": np.left_shift, "bitwise_right_shift": np.right_shift}.items()}


def bitwise_not(input, *, out=None) -> Tensor:
    """The bits inverted; ``not`` of bools."""
    return made_of(np.invert(input._data))


# Choices ------------------------------------------------------------------------------------------------------------------------

class WhereBackward0(_Binary):
    """Backward of where: each branch gets what it gave."""

    names = ("condition",)

    def backward(self, g):
        zero = made_of(g._data.dtype.type(0))
        chosen, = self.unpack()
        return self._fit2(where(chosen, g, zero), where(chosen, zero, g))

    def _fit2(self, *pair):
        return tuple([None if fit is None or edge is None else fitted(each, fit) for each, fit, edge in zip(pair, self.fits, self.edges)])

    def fast(self, g):
        condition, = self._plain()
        return self._fit2(np.where(condition, g, g.dtype.type(0)), np.where(condition, g.dtype.type(0), g))


def where(condition, input=None, other=None, *, out=None):
    """``input`` where the condition holds, else ``other``; with a condition alone, the places where it holds."""
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    if condition.dtype is not bool_ and condition.dtype.name != "uint8":
        raise RuntimeError(f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype.legacy}")
    look_up_nodes((input, other))
    shape = condition._data.shape
    for each in (input, other):
        shape = broadcast_shape(shape, np.shape(data_of(each)))
    dtype, (x, y) = in_common(input, other)
    data = in_layout_of(np.where(condition._data, x, y).astype(dtype.numpy, copy=False), condition._data, data_of(input), data_of(other))
    node = recorded(WhereBackward0, (input, other))
    if node is not None:
        node.fits = fit_of(input), fit_of(other)
        node.save(condition)
    return result(node, data if data.ndim else data[()])


class MaskedFillBackward0(Node):
    """Backward of masked_fill."""

    names = ("mask",)

    def fast(self, g):
        self.check()
        return (np.where(self.saved[0]._data, g.dtype.type(0), g),)

    def backward(self, g):
        mask, = self.unpack()
        return (where(mask, 0.0, g).to(g.dtype), *((where(mask, g, 0.0).sum(),) if len(self.edges) > 1 else ()))


class _MaskedFillByTensor(MaskedFillBackward0):
    fast = None


_MaskedFillByTensor.__name__ = "MaskedFillBackward1"


def masked_fill(input, mask, value) -> Tensor:
    """The tensor with a number where the mask holds."""
    if mask.dtype is not bool_:
        raise RuntimeError(f"masked_fill only supports boolean masks, but got mask with dtype {mask.dtype.name}")
    number = input._data.dtype.type(value._data if isinstance(value, Tensor) else value)
    data = np.asarray(np.where(mask._data, number, input._data), order="C")
    node = recorded(_MaskedFillByTensor, (input, value)) if isinstance(value, Tensor) else recorded(MaskedFillBackward0, (input,))
    if node is not None:
        node.save(mask)
    return result(node, data if data.ndim else data[()])


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
        raise ValueError("torch.clamp: At least one of 'min' or 'max' must not be None")
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


class _ClampByTensors(_Binary):
    names = ("self", "min", "max")
    fast = None

    def backward(self, g):
        x, low, high = self.unpack()
        inside = made_of(np.ones(g._data.shape, bool))
        if low is not None:
            inside = inside & (x >= low)
        if high is not None:
            inside = inside & (x <= high)
        below = None if low is None else where((x < low) & (high is None or low <= high) if high is not None else x < low, g, 0.0)
        above = None if high is None else where((x > high) | (low > high) if low is not None else x > high, g, 0.0)
        return self._fit((where(inside, g, 0.0), below, above))


_ClampByTensors.__name__ = "ClampBackward0"


def _clamp_by_tensors(input, low, high) -> Tensor:
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
    node = recorded(_ClampByTensors, (input, low, high))
    if node is not None:
        node.fits = tuple([fit_of(o) if o is not None else None for o in (input, low, high)])
        node.save(input, low, high)
    return result(node, in_layout_of(value, *arrays))


def clamp_min(input, min) -> Tensor:
    """Elements not below a bound."""
    return _clamp_by_tensors(input, min, None) if isinstance(min, Tensor) else _clamp(input, min, None, ClampMinBackward0)


def clamp_max(input, max) -> Tensor:
    """Elements not above a bound."""
    return _clamp_by_tensors(input, None, max) if isinstance(max, Tensor) else _clamp(input, None, max, ClampMaxBackward0)


# Functions of two operands from the table ------------------------------------------------------------------------------------------

class Pairwise(_Binary):
    """The gradient times the table's slope by each operand."""

    partials: tuple = ()
    evaluate = None

    def fast(self, g):
        x, y, *saved = self._plain()
        out = saved[0] if saved else type(self).evaluate(x, y)
        return self._fit(tuple([None if edge is None else _slope(g, partial, x, y, out) for edge, partial in zip(self.edges, self.partials)]))

    def backward(self, g):
        x, y, *saved = self.unpack()
        pair = [Recorded(o if isinstance(o, Tensor) else made_of(np.asarray(o)[()])) for o in (x, y)]
        out = Recorded(saved[0] if saved else self.again(x, y))
        return self._fit(tuple([None if edge is None else _recorded_slope(g, partial, *pair, out) for edge, partial in zip(self.edges, self.partials)]))


class _Extreme(_Binary):
    """Backward of a larger or smaller of two: the gradient goes where the value came from, and in halves to both at ties, if these are ``shared``."""

    names = ("self", "other")

    def fast(self, g):
        x, y = self._plain()
        left, right = self.losers(x, y)
        half = np.where(x == y, g / 2, g) if self.shared else g
        zero = g.dtype.type(0)
        return self._fit((np.where(left, zero, half), np.where(right, zero, half)))

    def backward(self, g):
        x, y = [each if isinstance(each, Tensor) else made_of(np.asarray(each)[()]) for each in self.unpack()]
        left, right = [made_of(np.asarray(each)) for each in self.losers(x._data, y._data)]
        half = where(x == y, g / 2, g) if self.shared else g
        pair = masked_fill(half, left, 0), masked_fill(half, right, 0)
        for each in pair if self.shared else ():
            counter_of(each)[0] = 1  # PyTorch fills in place
        return self._fit(pair)


def _other_numbers(wins):
    def losers(x, y):
        first = wins(x, y) | (y != y)
        return ~first, first
    return losers


def _extreme(name: str, ufunc, losers, shared: bool):
    kind = type(f"{name.title()}Backward0", (_Extreme,), {"losers": staticmethod(losers), "shared": shared, "__doc__": f"Backward of {name}."})

    def function(input, other, *, out=None) -> Tensor:
        a, b = operand(input, name), operand(other, name, 2, "other")
        if not isinstance(b, Tensor):
            raise TypeError(f"{name}(): argument 'other' (position 2) must be Tensor, not {type(b).__name__}")
        node, data = _binary(kind, ufunc, a, b)
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
    return (g * _opened(partial(x, y, out)) if callable(partial) else g * partial).to(g.dtype)


def _pairwise(name: str, op, grad_fn: str):
    evaluate = op.evaluate
    partials = op.partials if isinstance(op.partials, tuple) else (ZERO, ZERO)

    def function(input, other, *, out=None) -> Tensor:
        a, b = operand(input, name, 2), operand(other, name, 2, "other")
        node, data = _binary(kind, evaluate, a, b, floating=name == "atan2")
        made = result(node, data if data.ndim else data[()])
        if node is not None:
            node.save(a, b, *((saved_result(made),) if keeps_result else ()))
        return made
    function.__name__ = name
    function.__doc__ = f"``{op.name}`` of the elements."
    keeps_result = name == "hypot"  # of what PyTorch saves
    kind = type(grad_fn, (Pairwise,), {"partials": partials, "evaluate": staticmethod(evaluate), "again": staticmethod(function),
                                       "names": ("self", "other", "result") if keeps_result else ("self", "other"), "__doc__": f"Backward of {name}."})
    return function


PAIRS = {"hypot": "HypotBackward0", "logaddexp": "LogaddexpBackward0", "logaddexp2": "Logaddexp2Backward0", "copysign": "CopysignBackward0",
         "xlogy": "XlogyBackward0", "xlog1py": "SpecialXlog1PyBackward0", "heaviside": "HeavisideBackward0", "nextafter": "NextafterBackward0"}
FUNCTIONS = {name: _pairwise(name, TABLE[name], grad_fn) for name, grad_fn in PAIRS.items() if name in TABLE}
FUNCTIONS |= EXTREMES | {"atan2": _pairwise("atan2", TABLE["arctan2"], "Atan2Backward0")}
FUNCTIONS |= {"arctan2": FUNCTIONS["atan2"]}


class _RemainderBase(_Binary):
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
        a, b = operand(input, name, 2), operand(other, name, 2, "other")
        _refuse_integer_zero(a, b)
        kind = _REMAINDERS[f"{name.title()}Backward{int(isinstance(b, Tensor))}"]
        node, data = _binary(kind, ufunc, a, b)
        if node is not None:
            if isinstance(b, Tensor):
                node.save(a if node.edges[1] is not None else None, b)
            else:
                node.edges, node.numbers = node.edges[:1], node.numbers and node.numbers[:1]
        return result(node, data)
    function.__name__ = name
    function.__doc__ = f"``{ufunc.__name__}`` of the elements."
    return function


FUNCTIONS |= {"remainder": _remainder_function("remainder", np.remainder), "fmod": _remainder_function("fmod", np.fmod)}


# Steps: slope zero ---------------------------------------------------------------------------------------------------------------

class _Step(Node):
    def fast(self, g):
        return (np.zeros(g.shape, g.dtype)[()],)

    def backward(self, g):
        return (made_of(np.zeros(g._data.shape, g._data.dtype)[()]),)


def _step(name: str, function, grad_fn: str):
    kind = type(grad_fn, (_Step,), {"__doc__": f"Backward of {name}: zero."})

    def step(input, *, out=None) -> Tensor:
        x = operand(input, name)._data
        if x.dtype.kind == "b" and name not in ("sign", "sgn"):
            raise NotImplementedError(f"\"{'trunc' if name == 'fix' else name}_vml_cpu\" not implemented for 'Bool'")
        value = function(x) if x.dtype.kind == "f" else np.sign(x) if x.dtype.kind == "i" and name in ("sign", "sgn") else np.array(x)[()]
        return result(recorded(kind, (input,)), in_layout_of(value, x))
    step.__name__ = name
    step.__doc__ = f"``{name}`` of the elements; its slope is 0."
    return step


def _sign(x):
    return np.where(x != x, x.dtype.type(0), np.sign(x))[()]  # 0 for NaN


FUNCTIONS |= {"floor": _step("floor", np.floor, "FloorBackward0"), "ceil": _step("ceil", np.ceil, "CeilBackward0"),
              "trunc": _step("trunc", np.trunc, "TruncBackward0"), "fix": _step("fix", np.trunc, "TruncBackward0"),
              "sign": _step("sign", _sign, "SignBackward0"), "sgn": _step("sgn", _sign, "SgnBackward0")}
_round = _step("round", np.rint, "RoundBackward0")


def round_(input, *, decimals: int = 0, out=None) -> Tensor:
    """The nearest integers, ties to even; or so many decimals."""
    if not decimals:
        return _round(input)
    return result(recorded(_ROUNDED_DECIMALS, (input,)), np.round(input._data, decimals))


_ROUNDED_DECIMALS = type("RoundBackward1", (_Step,), {"__doc__": "Backward of round with decimals: zero."})


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
    _refuse_integer_zero(input, other)
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
        return (g * (out.pow(3) * -0.5),)


FUNCTIONS |= COMPARISONS | LOGICAL | BITWISE
FUNCTIONS |= {"pow": pow_, "square": _square, "where": where, "clamp": clamp, "clip": clamp, "clamp_min": clamp_min, "clamp_max": clamp_max, "round": round_,
              "frac": frac, "floor_divide": floor_divide, "rsqrt": rsqrt, "bitwise_not": bitwise_not, "masked_fill": masked_fill,
              "greater": COMPARISONS["gt"], "greater_equal": COMPARISONS["ge"], "less": COMPARISONS["lt"], "less_equal": COMPARISONS["le"],
              "not_equal": COMPARISONS["ne"]}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
Tensor.where = lambda self, condition, other: where(condition, self, other)
for _name in COMPARISONS:
    setattr(Tensor, f"__{_name}__", _compared(_name))
Tensor.__pow__ = lambda self, n: pow_(self, n) if isinstance(n, Tensor) or _number(n) else NotImplemented
Tensor.__rpow__ = lambda self, base: pow_(base, self)
Tensor.__mod__, Tensor.__rmod__ = FUNCTIONS["remainder"], lambda self, other: FUNCTIONS["remainder"](other, self)
Tensor.__floordiv__, Tensor.__rfloordiv__ = floor_divide, lambda self, other: floor_divide(made_of(np.asarray(other)), self)
Tensor.__and__, Tensor.__or__, Tensor.__xor__, Tensor.__invert__ = BITWISE["bitwise_and"], BITWISE["bitwise_or"], BITWISE["bitwise_xor"], bitwise_not
Tensor.__rand__, Tensor.__ror__, Tensor.__rxor__ = Tensor.__and__, Tensor.__or__, Tensor.__xor__
Tensor.__lshift__, Tensor.__rshift__ = BITWISE["bitwise_left_shift"], BITWISE["bitwise_right_shift"]


def _tensor(value, like: Tensor) -> Tensor:
    """A number in a slope as a tensor."""
    return value if isinstance(value, Tensor) else made_of(like._data.dtype.type(value))


RECORDED.update({np.where: where, np.power: pow_, np.square: _square, np.maximum: lambda a, b: FUNCTIONS["maximum"](a, _tensor(b, a)),
                 np.minimum: lambda a, b: FUNCTIONS["minimum"](a, _tensor(b, a)),
                 np.hypot: FUNCTIONS["hypot"],
                 np.sign: FUNCTIONS["sgn"], np.floor: FUNCTIONS["floor"], np.trunc: FUNCTIONS["trunc"], np.logaddexp: FUNCTIONS["logaddexp"],
                 np.add: lambda a, b: a + b, np.multiply: lambda a, b: a * b, np.subtract: lambda a, b: a - b, np.divide: lambda a, b: a / b,
                 np.equal: lambda a, b: a == b, np.less: lambda a, b: a < b, np.greater: lambda a, b: a > b, np.isnan: LOGICAL["isnan"],
                 np.floor_divide: lambda a, b: floor_divide(a, b), np.negative: lambda a: -a})
__all__ = ["FUNCTIONS", "cast", "int64"]
