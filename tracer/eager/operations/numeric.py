"""Element-wise functions of two and three operands that have a backward function of their own; comparisons of whole tensors."""

from __future__ import annotations

import numpy as np

from ..dtypes import bool_, float64, get_default_dtype, promoted
from ..geometry import in_layout_of
from ..node import Node
from ..record import broadcast_shape, fit_of, fitted, in_common, look_up_nodes, result, updated
from ..tensor import Tensor, made_of
from ..updates import in_place
from .arithmetic import binary, operand
from .choices import masked_fill, where
from .define import RESULT, IfNeeded, kind, operation
from .numbers import less, number_over, plus, times
from .operands import check_operands
from .powers import pow_


def _fit(node, *gradients):
    return tuple([None if g is None or edge is None else fitted(g, fit) for g, fit, edge in zip(gradients, node.fits, node.edges)])


def _same_dtype(name: str, first: Tensor, *others) -> None:
    for each in others:
        if isinstance(each, Tensor) and each.dtype is not first.dtype:
            raise RuntimeError(f"expected dtype {first.dtype.c_name} for `{name}` but got dtype {each.dtype.c_name}")


# Three operands ------------------------------------------------------------------------------------------------------------------------

def _lerp_backward(node, g, *saved):
    if not saved:
        return _fit(node, times(g, 1 - node.weight), times(g, node.weight))
    start, end, weight = saved
    return _fit(node, g * less(1, weight), g * weight, g * (end - start) if node.edges[2] is not None else None)


LERP0, LERP1 = kind("LerpBackward0", _lerp_backward, keeps="weight"), kind("LerpBackward1", _lerp_backward, ("self", "end", "weight"))


def lerp(input: Tensor, end: Tensor, weight, *, out=None) -> Tensor:
    """``input + weight (end - input)``."""
    look_up_nodes((input, end, weight))
    _same_dtypes(input, end, weight)
    tensor = isinstance(weight, Tensor)
    for each in (end, weight) if tensor else (end,):
        broadcast_shape(input._data.shape, each._data.shape)
    if input._data.dtype.kind != "f":
        raise NotImplementedError(f'"lerp_kernel_{"tensor" if tensor else "scalar"}" not implemented for \'{input.dtype.legacy}\'')
    a, b, w = input._data, end._data, weight._data if tensor else input._data.dtype.type(weight)
    data = np.where(np.abs(w) < 0.5, a + w * (b - a), b - (b - a) * (1 - w)).astype(a.dtype, copy=False)
    inputs = (input, end, weight) if tensor else (input, end)
    saves = (IfNeeded(input, 2), IfNeeded(end, 2), weight) if tensor else ()
    return operation(LERP1 if tensor else LERP0, inputs, data, saves, weight=weight, fits=[fit_of(x) for x in inputs])


def _same_dtypes(input: Tensor, end: Tensor, weight=None) -> None:
    _same_dtype("end", input, end)
    if isinstance(weight, Tensor):
        _same_dtype("weight", input, weight)


lerp.refuses = _same_dtypes  # before memory is looked at


def _addcmul_backward(node, g, first, second):
    return _fit(node, g, *[g * times(each, node.value) if edge is not None else None for each, edge in zip((second, first), node.edges[1:])])


def _addcdiv_backward(node, g, first, second):
    by_second = -g * (times(first, node.value) / (second * second)) if node.edges[2] is not None else None
    return _fit(node, g, g * number_over(node.value, second) if node.edges[1] is not None else None, by_second)


def _three(name: str, cls: type, function):
    def three(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value=1, out=None) -> Tensor:
        look_up_nodes((input, tensor1, tensor2))
        broadcast_shape(input._data.shape, broadcast_shape(tensor1._data.shape, tensor2._data.shape))
        dtype, (a, b, c) = in_common(input, tensor1, tensor2)
        if dtype is bool_ and name == "addcmul":
            raise NotImplementedError("\"addcmul_cpu_out\" not implemented for 'Bool'")
        if name == "addcdiv" and not dtype.is_floating_point:
            raise RuntimeError("Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a true division of "
                               "tensor1 and tensor2. "
                               "The historic addcdiv behavior can be implemented as (input + value * torch.trunc(tensor1 / tensor2)).to(input.dtype) for "
                               "integer inputs "
                               "and as (input + value * tensor1 / tensor2) for float inputs. The future addcdiv behavior is just the latter "
                               "implementation: (input + "
                               "value * tensor1 / tensor2), for all dtypes.")
        inputs = (input, tensor1, tensor2)
        saves = IfNeeded(tensor1, 2), IfNeeded(tensor2, 1) if name == "addcmul" else tensor2
        return operation(cls, inputs, in_layout_of(np.asarray(a + function(dtype.numpy.type(value), b, c)), a, b, c), saves, value=value,
                         fits=[fit_of(x) for x in inputs])
    three.__name__ = name
    three.__doc__ = f"``torch.{name}``."
    return three


addcmul = _three("addcmul", kind("AddcmulBackward0", _addcmul_backward, ("tensor1", "tensor2"), keeps="value"), lambda v, b, c: v * b * c)
addcdiv = _three("addcdiv", kind("AddcdivBackward0", _addcdiv_backward, ("tensor1", "tensor2"), keeps="value"), lambda v, b, c: v * b / c)


# One operand -----------------------------------------------------------------------------------------------------------------------------

NAN_TO_NUM = kind("NanToNumBackward0", lambda node, g, x: g * x.isfinite(), ("self",))


def nan_to_num(input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None, *, out=None) -> Tensor:
    """NaN and infinities replaced by numbers: 0, and the largest ones of the dtype."""
    x = input._data
    if x.dtype.kind != "f":
        return made_of(np.array(x)[()])
    largest = np.finfo(x.dtype).max
    data = np.nan_to_num(x, nan=0.0 if nan is None else nan, posinf=largest if posinf is None else posinf, neginf=-largest if neginf is None else neginf)
    return operation(NAN_TO_NUM, (input,), np.asarray(data, x.dtype), (input,))


def positive(input: Tensor) -> Tensor:
    """The tensor itself; bools have no sign."""
    if input.dtype is bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


# A sinc of its own: sin(pi x) - whose gradient at 0 is 0 - as PyTorch writes it.
def _sinc_backward(node, g, x):
    z = times(x, np.pi)
    slope = (z * z.cos() - z.sin()) / times(x * x, np.pi)
    return where(x == 0, 0.0, g * slope)


SINC = kind("SincBackward0", _sinc_backward, ("self",))


def sinc(input: Tensor, *, out=None) -> Tensor:
    """``sin(pi x) / (pi x)``, 1 at 0."""
    x = operand(input, "sinc")._data
    x = x if x.dtype.kind == "f" else x.astype(get_default_dtype().numpy)
    z = x * x.dtype.type(np.pi)
    with np.errstate(invalid="ignore", divide="ignore"):
        data = np.where(x == 0, x.dtype.type(1), np.sin(z) / z)
    return operation(SINC, (input,), data, (input,))


def _logit_backward(node, g, x):
    eps = node.eps
    if eps is None:
        slope = where((x == 0) | (x == 1), g * float("inf"), g / (x * less(1, x)))  # also at -0
        return where((x < 0) | (x > 1), float("nan"), slope)
    return where((x >= eps) & (x <= 1 - eps), g / (x * less(1, x)), 0.0)


LOGIT = kind("LogitBackward0", _logit_backward, ("self",), keeps="eps")


def logit(input: Tensor, eps: float | None = None, *, out=None) -> Tensor:
    """``log(x / (1 - x))``; with ``eps``, of x brought within eps and 1 - eps."""
    x = operand(input, "logit")._data
    x = x if x.dtype.kind == "f" else x.astype(get_default_dtype().numpy)
    z = x if eps is None else np.clip(x, x.dtype.type(eps), x.dtype.type(1 - eps))
    return operation(LOGIT, (input,), np.log(z / (1 - z)), (input,), eps=eps)


def _float_power_(input: Tensor, exponent) -> Tensor:
    if input.dtype is not float64:
        raise RuntimeError(f"the base given to float_power_ has dtype {input.dtype.legacy} but the operation's result requires dtype Double")
    return input.pow_(exponent)


def float_power(input, exponent, *, out=None) -> Tensor:
    """A power in float64."""
    check_operands("float_power", input, exponent)
    a, b = [x.to(float64) if isinstance(x, Tensor) else x for x in (input, exponent)]
    return pow_(a, b)


def _ldexp_backward(node, g, y, out):
    return _fit(node, None if y is None else g * 2.0 ** y, g * times(out, float(np.log(2))))


LDEXP = kind("LdexpBackward0", _ldexp_backward, ("other", "result"))


def ldexp(input: Tensor, other: Tensor, *, out=None) -> Tensor:
    """``input * 2**other``."""
    check_operands("ldexp", input, other)
    broadcast_shape(input._data.shape, other._data.shape)
    _, (a, b) = in_common(input, other, floating=True)
    return operation(LDEXP, (input, other), np.asarray(a * np.exp2(b)), (IfNeeded(other, 0), RESULT), fits=[fit_of(input), fit_of(other)])


def _pair(name: str, grad_fn: str, function, backward, saved: tuple = ("self", "other"), with_number: str = ""):
    """``saved``: what the backward function gets, "result" in the place of "other" if that is enough for it. ``with_number``: the name for a number."""
    cls = kind(grad_fn, backward, saved)
    of_number = kind(with_number or grad_fn, lambda *given: backward(*given)[:1], saved)

    def pair(input, other, *, out=None) -> Tensor:
        check_operands(name, input, other)
        a, b = input, other
        if saved[1] != "result" and promoted((a, b)).numpy.kind != "f":  # copysign has integers too
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{promoted((a, b)).legacy}'")
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            broadcast_shape(a._data.shape, b._data.shape)
        dtype, (x, y) = in_common(a, b, floating=True)
        inputs, found = (a, b) if isinstance(b, Tensor) else (a,), cls if isinstance(b, Tensor) else of_number
        return operation(found, inputs, in_layout_of(np.asarray(function(x, y), dtype.numpy), x, y),
                         (IfNeeded(a, 0), RESULT) if saved[1] == "result" else (a, b),
                         fits=[fit_of(a), fit_of(b)])
    pair.__name__ = name
    pair.__doc__ = f"``numpy.{name}``."
    return pair


def _copysign_backward(node, g, x, out):
    return _fit(node, None if x is None else g * masked_fill(out / x, x == 0, 0), updated(made_of(np.zeros(g._data.shape, g._data.dtype)[()]), 1))


copysign = _pair("copysign", "CopysignBackward0", np.copysign, _copysign_backward, ("self", "result"), "CopysignBackward1")
logaddexp = _pair("logaddexp", "LogaddexpBackward0", np.logaddexp, lambda node, g, x, y: _fit(node, g / plus((y - x).exp(), 1), g / plus((x - y).exp(), 1)))
logaddexp2 = _pair("logaddexp2", "Logaddexp2Backward0", np.logaddexp2, lambda node, g, x, y: _fit(node, g / plus(2 ** (y - x), 1), g / plus(2 ** (x - y), 1)))


def _integers(name: str, ufunc):
    def function(input: Tensor, other: Tensor, *, out=None) -> Tensor:
        check_operands(name, input, other)
        dtype, (a, b) = in_common(input, other)
        if dtype.is_floating_point or dtype is bool_:
            raise NotImplementedError(f'"{name}_cpu" not implemented for \'{dtype.legacy}\'')
        return made_of(ufunc(a, b))
    function.__name__ = name
    function.__doc__ = f"``numpy.{name}``."
    return function


gcd, lcm = _integers("gcd", np.gcd), _integers("lcm", np.lcm)


class NotImplementedNode(Node):
    """What is recorded for an operation that has no derivative."""

    what = ""

    def backward(self, *_):
        raise RuntimeError(f"derivative for aten::{self.what} is not implemented")


NotImplementedNode.__name__ = "NotImplemented"


def _underived(name: str, function, cls: type = NotImplementedNode):
    def method(input, other, *, out=None) -> Tensor:
        check_operands(name, input, other)
        a, b = input, other
        node, data = binary(cls, function, a, b)
        if node is not None:
            node.what = name
        return result(node, data)
    method.__name__ = name
    method.__doc__ = f"``torch.{name}``; it has no derivative."
    return method


def _heaviside(x, y):
    return np.where(x == 0, y, (x > 0).astype(x.dtype))


def _same_heaviside(input: Tensor, values: Tensor, *, out=None) -> Tensor:
    check_operands("heaviside", input, values)
    if input.dtype is not values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    return _HEAVISIDE(input, values)


_HEAVISIDE = _underived("heaviside", _heaviside)
_same_heaviside.__name__, _same_heaviside.__doc__ = "heaviside", "0 below 0, 1 above, the second operand at 0."
NEXTAFTER = kind("NextafterBackward0", lambda node, g, x, y: _fit(node, where(x == y, 0.0, g), made_of(np.zeros_like(g._data))), ("self", "other"))


def nextafter(input: Tensor, other: Tensor, *, out=None) -> Tensor:
    """The next number that there is, towards ``other``."""
    check_operands("nextafter", input, other)
    broadcast_shape(input._data.shape, other._data.shape)
    dtype, (x, y) = in_common(input, other)
    if dtype.numpy.kind != "f":
        raise NotImplementedError(f"\"nextafter_cpu\" not implemented for '{dtype.legacy}'")
    return operation(NEXTAFTER, (input, other), in_layout_of(np.asarray(np.nextafter(x, y)), x, y), (input, other), fits=[fit_of(input), fit_of(other)])


# Whole tensors -------------------------------------------------------------------------------------------------------------------------

def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Where two tensors are equal but for tolerances."""
    check_operands("isclose", input, other)
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{_legacy(input)} did not match {_legacy(other)}")
    rtol, atol = float(rtol), float(atol)
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value:g}")
    broadcast_shape(input._data.shape, other._data.shape)
    a, b = input._data, other._data
    close = a == b
    if a.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            close = close | (np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= atol + np.abs(a.dtype.type(rtol) * b)))
        close = close | (np.isnan(a) & np.isnan(b)) if equal_nan else close
    elif a.dtype.kind in "iu":
        close = close | (np.abs(a.astype(np.float64) - b) <= atol + np.abs(rtol * b))
    return updated(made_of(np.asarray(close)[()]), 1)


def _legacy(x: Tensor) -> str:
    return x.dtype.legacy


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Are all elements equal but for tolerances?"""
    return bool(np.all(isclose(input, other, rtol, atol, equal_nan)._data))


def equal(input: Tensor, other: Tensor) -> bool:
    """Are shape and all elements the same?"""
    return input._data.shape == other._data.shape and bool(np.all(input._data == other._data))


def _test(name: str, function):
    def test(input: Tensor, *, out=None) -> Tensor:
        return made_of(np.asarray(function(input._data) if input._data.dtype.kind == "f" else np.full(input._data.shape, name == "isreal"))[()])
    test.__name__ = name
    test.__doc__ = f"``{name}`` of each element."
    return test


isposinf, isneginf, isreal = _test("isposinf", np.isposinf), _test("isneginf", np.isneginf), _test("isreal", lambda x: np.ones(x.shape, bool))


def is_nonzero(input: Tensor) -> bool:
    """Is the only element other than 0?"""
    return bool(input)


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Do the shapes agree?"""
    return input._data.shape == other._data.shape


def is_signed(input: Tensor) -> bool:
    """Has the dtype negative numbers?"""
    return input._data.dtype.kind in "if"


FUNCTIONS = {f.__name__: f for f in (copysign, logaddexp, logaddexp2, lerp, addcmul, addcdiv, nan_to_num, positive, sinc, logit, float_power, ldexp, gcd,
                                     lcm, _same_heaviside, nextafter,
                                     isclose, allclose,
                                     equal, isposinf, isneginf, isreal, is_nonzero, is_same_size, is_signed)}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
for _function in (copysign, lerp, addcmul, addcdiv, nan_to_num, sinc, logit, ldexp, gcd, lcm, _same_heaviside, nextafter):
    setattr(Tensor, f"{_function.__name__}_", in_place(f"{_function.__name__}_", _function))
Tensor.float_power_ = _float_power_
FUNCTIONS |= {"sinc_": Tensor.sinc_, "logit_": Tensor.logit_, "nan_to_num_": Tensor.nan_to_num_}
__all__ = ["FUNCTIONS"]
