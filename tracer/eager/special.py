"""``torch.special``: gamma and error functions, Bessel functions and their relatives, with PyTorch's slopes."""

from __future__ import annotations

import math

import numpy as np
from scipy import special as scipy

from tracer.ops import TABLE

from .dtypes import get_default_dtype, promoted
from .given import with_out
from .operations.activations import log_softmax, logsumexp, softmax
from .operations.arithmetic import operand
from .operations.choices import FUNCTIONS as CHOICES
from .operations.composed import GRADIENTS
from .operations.define import RESULT, kind, operation
from .operations.elementwise import FUNCTIONS as ELEMENTWISE
from .operations.elementwise import RECORDED, Recorded, arguments_read, opened
from .operations.numbers import minus, over, plus, times
from .operations.numeric import logit, sinc
from .operations.operands import check_operands
from .operations.pairwise import FUNCTIONS as PAIRWISE
from .operations.steps import FUNCTIONS as STEPS
from .record import broadcast_shape, fit_of, fitted, in_common
from .tensor import Tensor, made_of
from .updates import in_place

# As PyTorch composes the gradients where they are recorded: (g, operand, result if it is saved) -> gradient.
_COMPOSED = GRADIENTS | {
    "erfcx": lambda g, x, out: minus(times(x, 2) * out, 2 / math.sqrt(math.pi)) * g,
    "log_ndtr": lambda g, x, out: over(g, math.sqrt(2 * math.pi)) * (-(out + over(x.pow(2), 2))).exp(),
    "entr": lambda g, x: g * -plus(x.log(), 1),
}


def _float_data(input: Tensor, name: str):
    x = operand(input, name)._data
    return x if x.dtype.kind == "f" else x.astype(get_default_dtype().numpy)


def _smooth(name: str, grad_fn: str, function, slope, keeps_result: bool = False, by_result: bool = False, plain=None):
    """A function of one operand. ``slope(x)``, or ``slope(x, result)``, is written on tensors, so that it can be derived again.

    ``by_result``: it looks at the result alone. ``plain``: the same slope on NumPy data.
    """
    saved = {"self": not by_result, "result": keeps_result}
    names = tuple([name for name, kept in saved.items() if kept])
    composed = _COMPOSED.get(name)

    def product(of):
        return of and (lambda node, g, *entries: g * (of(None, *entries) if by_result else of(*entries)))
    cls = kind(grad_fn, product(slope) if composed is None else lambda node, g, *entries: composed(g, *entries), names, plain=product(plain))

    def smooth(input: Tensor, *, out=None) -> Tensor:
        x = _float_data(input, name)
        return operation(cls, (input,), np.asarray(function(x), x.dtype), tuple([e for e, kept in zip((input, RESULT), saved.values()) if kept]))
    smooth.__name__ = name
    smooth.__doc__ = f"``torch.special.{name}``."
    return smooth


def _tabled(name: str, op: str, grad_fn: str, function=None, keeps_result: bool = False, nan_as_zero: bool = False):
    """A function of one operand whose slope is that of the tracer's table.

    ``function``: its values, where PyTorch's are not the table's. ``nan_as_zero``: the slope at NaN is that at 0, as there.
    """
    partial, ufunc = TABLE[op].partials[0], getattr(scipy, op)
    needs_result = "out" in arguments_read(partial)

    def plain(x, out=None):
        if nan_as_zero:
            x, out = np.where(x == x, x, x.dtype.type(0)), np.where(x == x, out, x.dtype.type(0))
        result = None if not needs_result else (function or ufunc)(x) if out is None else out
        return partial(x, result).astype(result.dtype if x is None else x.dtype, copy=False)

    def slope(x: Tensor, out: Tensor | None = None) -> Tensor:
        if nan_as_zero and np.isnan(x._data).any():
            x, out = CHOICES["where"](x == x, x, 0.0), CHOICES["where"](x == x, out, 0.0)
        result = None if not needs_result else Recorded(smooth(x) if out is None else out)
        return opened(partial(None if x is None else Recorded(x), result))
    smooth = RECORDED[ufunc] = _smooth(name, grad_fn, function or ufunc, slope, keeps_result, keeps_result and arguments_read(partial) == {"out"}, plain)
    return smooth


def _plain(name: str, function):
    def plain(input: Tensor, *, out=None) -> Tensor:
        x = _float_data(input, name)
        return made_of(np.asarray(function(x), x.dtype)[()])
    plain.__name__ = name
    plain.__doc__ = f"``torch.special.{name}``; PyTorch records nothing for it."
    return plain


def _lgamma_data(x):
    return np.where(np.isinf(x), np.inf, scipy.gammaln(x))


erf, erfc, erfinv = _tabled("erf", "erf", "ErfBackward0"), _tabled("erfc", "erfc", "ErfcBackward0"), _tabled("erfinv", "erfinv", "ErfinvBackward0")
erfcx = _tabled("erfcx", "erfcx", "SpecialErfcxBackward0", keeps_result=True)
lgamma = _tabled("lgamma", "gammaln", "LgammaBackward0", _lgamma_data)
entr = _tabled("entr", "entr", "SpecialEntrBackward0", lambda x: np.where(x != x, x, scipy.entr(x)))
log_ndtr = RECORDED[scipy.log_ndtr] = _smooth("log_ndtr", "SpecialLogNdtrBackward0", scipy.log_ndtr,  # PyTorch's slope, NaN far out to the left
                                              lambda x, out: (-(out + x * x / 2)).exp() / math.sqrt(2 * math.pi), keeps_result=True)
ndtri = _tabled("ndtri", "ndtri", "SpecialNdtriBackward0", keeps_result=True)
i0, i0e = _tabled("i0", "i0", "I0Backward0"), _tabled("i0e", "i0e", "SpecialI0EBackward0", keeps_result=True)


i1 = _tabled("i1", "i1", "SpecialI1Backward0", keeps_result=True, nan_as_zero=True)
i1e = _tabled("i1e", "i1e", "SpecialI1EBackward0", keeps_result=True, nan_as_zero=True)
bessel_j0, bessel_j1, bessel_y0, bessel_y1 = (_plain(f"bessel_{n}", getattr(scipy, n)) for n in ("j0", "j1", "y0", "y1"))
modified_bessel_i0, modified_bessel_i1 = _plain("modified_bessel_i0", scipy.i0), _plain("modified_bessel_i1", scipy.i1)
modified_bessel_k0, modified_bessel_k1 = _plain("modified_bessel_k0", scipy.k0), _plain("modified_bessel_k1", scipy.k1)
scaled_modified_bessel_k0, scaled_modified_bessel_k1 = _plain("scaled_modified_bessel_k0", scipy.k0e), _plain("scaled_modified_bessel_k1", scipy.k1e)
spherical_bessel_j0, airy_ai = _plain("spherical_bessel_j0", lambda x: scipy.spherical_jn(0, x)), _plain("airy_ai", lambda x: scipy.airy(x)[0])


# Polygamma and zeta ---------------------------------------------------------------------------------------------------------------------

def _digamma_data(x):
    """Minus infinity at +0 and infinity at -0, NaN at negative integers, as PyTorch."""
    values = scipy.psi(x)
    values = np.where(x == 0, np.copysign(np.inf, -x), values)
    return np.where((x < 0) & (x == np.trunc(x)), np.nan, values)


digamma = _tabled("digamma", "psi", "DigammaBackward0", _digamma_data)
POLYGAMMA = kind("PolygammaBackward0", lambda node, g, x: g * opened(TABLE["polygamma"].partials[1](float(node.order), Recorded(x), None)), ("self",),
                 keeps="n:order")


def polygamma(n: int, input: Tensor, *, out=None) -> Tensor:
    """The ``n``-th derivative of digamma."""
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    x = _float_data(input, "polygamma")
    if n == 0:
        data = _digamma_data(x)
    else:
        data = (-1.0) ** (n + 1) * scipy.gamma(n + 1.0) * _hurwitz(np.float64(n + 1), x.astype(np.float64)) if n > 1 else _trigamma(x)
    return operation(POLYGAMMA, (input,), np.asarray(data, x.dtype), (input,), order=n)


def _hurwitz(s, q):
    """Hurwitz's zeta function; for negative q by the recurrence, which SciPy leaves out. NaN for infinite q, as in PyTorch."""
    steps = np.where((q < 0) & np.isfinite(q), np.floor(-q) + 1, 0)
    total = np.asarray(scipy.zeta(s, q + steps))
    for k in range(int(min(np.max(steps, initial=0), 10_000))):
        total = total + np.where(k < steps, np.power(q + k, -s), 0.0)
    return np.where((q <= 0) & (q == np.floor(q)), np.inf, np.where((q == np.inf) & (s > 1), np.nan, total))


def _trigamma(x):
    """By six steps of the recurrence and four terms of the asymptotic series, as in PyTorch, whose digits it has."""
    with np.errstate(divide="ignore", invalid="ignore"):
        low = x < 0.5
        value = np.where(low, -(np.pi * np.pi) / np.sin(np.pi * x) ** 2, 0.0)
        far = np.where(low, 1 - x, x)
        for _ in range(6):
            value = value + 1 / (far * far)
            far = far + 1
        inverse = 1 / (far * far)
        value = value + (1 + 1 / (2 * far) + inverse * (1 / 6 - inverse * (1 / 30 - inverse * (1 / 42)))) / far
        return np.where(low, -value, value)


def _two(name: str, grad_fn: str, function, slopes, undefined: str = ""):
    """A function of two operands; ``slopes``: of (x, y) on tensors, or None for one that PyTorch does not have."""
    shown = undefined.partition(":")[0] or f"special_{name}"  # in errors
    def backward(node, g, *entries):
        x, y = [e if isinstance(e, Tensor) else made_of(np.asarray(e, g._data.dtype)[()]) for e in entries]
        found = []
        for number, slope in enumerate(slopes):
            if node.edges[number] is None:
                found.append(None)
                continue
            if slope is None:
                raise NotImplementedError(f"the derivative for '{undefined or name}' is not implemented.")
            found.append(fitted(g * slope(x, y), node.fits[number]))
        return tuple(found)
    tensors, number_first, number_last = (kind(f"{grad_fn}{k}", backward, ("self", "other")) for k in range(3))

    def two(input, other, *, out=None) -> Tensor:
        check_operands(shown, input, other)
        a, b = input, other
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            broadcast_shape(a._data.shape, b._data.shape)
        dtype, (x, y) = in_common(a, b, floating=True)
        if undefined and promoted((a, b)) is not dtype:
            raise NotImplementedError(f"\"{shown}_cpu\" not implemented for '{promoted((a, b)).legacy}'")
        cls = number_first if not isinstance(a, Tensor) else tensors if isinstance(b, Tensor) else number_last
        return operation(cls, (a, b), np.asarray(function(x, y), dtype.numpy), (a, b), fits=(fit_of(a), fit_of(b)))
    two.__name__ = name
    two.__doc__ = f"``torch.special.{name}``."
    return two


def _xlog1py_data(x, y):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.isnan(y), y, np.where(x == 0, 0, x * np.log1p(y)))


def _slope_of_two(op: str, number: int):
    partial = TABLE[op].partials[number]
    return lambda x, y: opened(partial(Recorded(x), Recorded(y), None))


zeta = _two("zeta", "SpecialZetaBackward", lambda s, q: np.where((q == np.inf) & (s > 1), np.nan, scipy.zeta(s, q)), (None, _slope_of_two("zeta", 1)))
RECORDED |= {"zeta": zeta, "polygamma": lambda n, x: polygamma(int(n), x), np.full_like: lambda _, number: number}
xlog1py = _two("xlog1py", "SpecialXlog1PyBackward", _xlog1py_data, (_slope_of_two("xlog1py", 0), _slope_of_two("xlog1py", 1)))
def _incomplete(function, at_zero: float):
    """0 and 1 at x = 0 even where a is NaN."""
    return lambda a, x: np.where((x == 0) & ~(a <= 0), at_zero, function(a, x))


gammainc = _two("gammainc", "IgammaBackward", _incomplete(scipy.gammainc, 0), (None, _slope_of_two("gammainc", 1)), "igamma: input")
gammaincc = _two("gammaincc", "IgammacBackward", _incomplete(scipy.gammaincc, 1), (None, _slope_of_two("gammaincc", 1)), "igammac: input")

MVLGAMMA = kind("MvlgammaBackward0", lambda node, g, x: g * digamma(x.unsqueeze(-1) + made_of(_offsets(node.p, x._data.dtype))).sum(-1), ("self",),
                keeps="p")


def _offsets(p: int, dtype):
    return np.arange(-p / 2 + 0.5, 0.5, 0.5).astype(dtype)


def multigammaln(input: Tensor, p: int, *, out=None) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension ``p``."""
    x = _float_data(input, "mvlgamma")
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    if input._data.dtype.kind == "b":
        raise RuntimeError("The input tensor may not be a boolean tensor.")
    data = _lgamma_data(x[..., None] + _offsets(p, x.dtype)).sum(-1) + x.dtype.type(p * (p - 1) * math.log(math.pi) / 4)
    return operation(MVLGAMMA, (input,), np.asarray(data, x.dtype), (input,), p=p)


# Composed, as PyTorch composes it ---------------------------------------------------------------------------------------------------------

def ndtr(input: Tensor, *, out=None) -> Tensor:
    """The distribution function of the normal distribution."""
    x = input if input._data.dtype.kind == "f" else input.to(get_default_dtype())
    return times(plus(erf(times(x, math.sqrt(0.5))), 1), 0.5)


expit, exp2, expm1, log1p = (ELEMENTWISE[name] for name in ("sigmoid", "exp2", "expm1", "log1p"))
psi, gammaln, round, xlogy = digamma, lgamma, STEPS["round"], PAIRWISE["xlogy"]

FUNCTIONS = {f.__name__: f for f in (erf, erfc, erfinv, lgamma, digamma, i0)}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
    setattr(Tensor, f"{_name}_", in_place(f"{_name}_", _function))
FUNCTIONS |= {"mvlgamma": multigammaln, "polygamma": polygamma, "igamma": gammainc, "igammac": gammaincc}
Tensor.mvlgamma, Tensor.igamma, Tensor.igammac = multigammaln, gammainc, gammaincc
Tensor.polygamma = lambda self, n: polygamma(n, self)

# With `out=`. Those that `torch` has too tell of it under their names there.
_ELSEWHERE = {"gammainc": "igamma", "gammaincc": "igammac", "gammaln": "lgamma", "psi": "digamma", "multigammaln": "mvlgamma", "expit": "sigmoid"}
_TOO = ("erf", "erfc", "erfinv", "lgamma", "digamma", "i0", "exp2", "expm1", "log1p", "round", "xlogy", "sinc", "logit", "softmax", "log_softmax", "logsumexp",
        "polygamma")
for _name in (*_ELSEWHERE, *_TOO, "erfcx", "entr", "log_ndtr", "ndtr", "ndtri", "i0e", "i1", "i1e", "zeta", "xlog1py", "bessel_j0", "bessel_j1", "bessel_y0",
              "bessel_y1", "modified_bessel_i0", "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1", "scaled_modified_bessel_k0",
              "scaled_modified_bessel_k1", "spherical_bessel_j0", "airy_ai"):
    globals()[_name] = with_out(globals()[_name], _ELSEWHERE.get(_name) or (_name if _name in _TOO else f"special_{_name}"))
__all__ = ["FUNCTIONS", "log_softmax", "logit", "logsumexp", "sinc", "softmax"]
