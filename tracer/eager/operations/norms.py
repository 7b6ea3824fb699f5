"""Norms and distances, sums that leave NaN out, moments in pairs."""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..dtypes import Dtype, int64
from ..record import fitted, look_up_nodes
from ..tensor import Tensor, made_of, unsigned, wrapped_dim
from ..updates import in_place
from .arithmetic import operand, sub
from .choices import masked_fill, where
from .define import RESULT, kind, operation, operations
from .numbers import over, plus, times
from .reductions import axes_of, by_root, by_variance, correction_of, spread

# Vector norms, with PyTorch's subgradients: 0 where the norm is 0; shared by all that are largest.


def _norm_of(x, order: float, axes, keepdim: bool):
    if x.ndim == 0:
        x, axes, keepdim = x.reshape(1), (0,), False
    axes = tuple(range(x.ndim)) if axes is None else axes
    options = {"axis": axes, "keepdims": keepdim}
    if order == 2:
        return np.sqrt(np.add.reduce(x * x, **options))
    if order == 0:
        return (x != 0).sum(**options).astype(x.dtype)
    size = np.abs(x)
    if np.isinf(order):
        return size.max(**options) if order > 0 else size.min(**options)
    if order == 1:
        return size.sum(**options)
    return np.power(np.power(size, x.dtype.type(order)).sum(**options), x.dtype.type(1 / order))


def norm_backward(g: Tensor, x: Tensor, order: float, out: Tensor, axes, keepdim: bool) -> Tensor:
    """The gradient of a vector norm."""
    g, out = spread_dims(g, axes, keepdim, x.ndim), spread_dims(out, axes, keepdim, x.ndim)
    if order == 0:
        return None
    if order == 1:
        return x.sgn() * g
    if order == 2:
        return g * masked_fill(x / out, out == 0, 0)
    if np.isinf(order):
        mask = (x.abs() == out) | x.isnan()
        return x.sgn() * ((g / mask.sum(axes, keepdim=True)) * mask)
    if order < 1:
        scaled = x.sgn() * masked_fill(x.abs().pow(order - 1), x == 0, 0)
        return scaled * g * out.pow(1 - order)
    scaled = x.sgn() * x.abs().pow(order - 1) if order < 2 else x * x.abs().pow(order - 2)
    return scaled * masked_fill(g / out.pow(order - 1), out == 0, 0)


def spread_dims(g: Tensor, axes, keepdim: bool, ndim: int) -> Tensor:
    """A reduced tensor with its axes back, of extent 1."""
    for axis in () if keepdim or ndim == 0 else sorted(axes or ()):
        g = g.unsqueeze(axis)
    return g


def _vector_norm_backward(node, g, x, out):
    found = norm_backward(g, x, node.order, out, node.axes, node.keepdim)
    return found if found is None or found.dtype is node.source else found.to(node.source)


def _vector_norm_plain(node, g, x, out):
    if node.order != 2 or x.dtype != out.dtype or not x.ndim:
        return NotImplemented
    if out.ndim and not node.keepdim:
        g, out = np.expand_dims(g, node.axes), np.expand_dims(out, node.axes)
    return g * np.where(out == 0, out.dtype.type(0), x / out)


VECTOR_NORM = kind("LinalgVectorNormBackward0", _vector_norm_backward, ("self", "result"), plain=_vector_norm_plain,
                   keeps="dim:given keepdim ord")


def vector_norm(x: Tensor, ord: float = 2, dim=None, keepdim: bool = False, *, dtype: Dtype | None = None, out=None) -> Tensor:
    """The norm of all elements, or over axes."""
    if x._data.dtype.kind != "f":
        raise RuntimeError(f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {x.dtype.legacy}")
    axes = axes_of(dim, x.ndim)
    if (ord < 0 or ord == math.inf) and not x._data.size and any(not x._data.shape[a] for a in (axes or range(x.ndim))):
        empty = None if axes is None else next(a for a in axes if not x._data.shape[a])
        where_ = "an empty tensor because" if empty is None else f"the dimension {empty}because this dimension is empty and"
        raise RuntimeError(f"linalg.vector_norm cannot compute the {ord:g} norm on {where_} the operation does not have an identity")
    data = x._data if dtype is None else x._data.astype(dtype.numpy)
    return operation(VECTOR_NORM, (x,), np.asarray(_norm_of(data, ord, axes, keepdim), order="C"), (x, RESULT), order=float(ord), axes=axes, keepdim=keepdim,
                     source=x.dtype, ord=ord, given=unsigned((dim,) if isinstance(dim, int) else dim))


NORM_OF_OLD = kind("NormBackward1", _vector_norm_backward, ("self", "result"), keeps="dim:given keepdim p:order")


def norm_of_old(x: Tensor, p: float, dim: int, keepdim: bool) -> Tensor:
    """``at::norm`` along an axis, which some functions still go through."""
    axes = axes_of(dim, x.ndim)
    return operation(NORM_OF_OLD, (x,), np.asarray(_norm_of(x._data, p, axes, keepdim), order="C"), (x, RESULT), order=float(p), axes=axes, keepdim=keepdim,
                     source=x.dtype, given=unsigned((dim,)))


# Distances -----------------------------------------------------------------------------------------------------------------------------

def _dist_backward(node, g, x, y, out):
    found = norm_backward(g, x - y, node.order, out, None, False)
    return fitted(found, (x._data.shape, x._data.dtype)), fitted(-found, (y._data.shape, y._data.dtype))


DIST = kind("DistBackward0", _dist_backward, ("self", "other", "result"), keeps="p")


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The norm of the difference."""
    look_up_nodes((input, other))
    difference = sub(input.detach(), other.detach())
    if not difference.is_floating_point():
        raise RuntimeError(f"norm(): input dtype should be either floating point or complex. Got {difference.dtype.legacy} instead.")
    return operation(DIST, (input, other), np.asarray(_norm_of(np.asarray(difference._data), p, None, False)), (input, other, RESULT), order=float(p), p=p)


def _cdist_backward(node, g, x, y, out):
    if node.order == 0:
        return tuple([made_of(np.zeros_like(each._data)) for each in (x, y)])
    plain = [t.detach() for t in (g, x, y, out)]
    difference = plain[1].unsqueeze(-2) - plain[2].unsqueeze(-3)
    found = norm_backward(plain[0], difference, node.order, plain[3], (difference.ndim - 1,), False)
    sums = fitted(found.sum(-2), (x._data.shape, x._data.dtype)), fitted(-found.sum(-3), (y._data.shape, y._data.dtype))
    return tuple([operation(CDIST_BACKWARD, (g, x, y), each._data) for each in sums])


def _cdist_twice(node, g):
    raise NotImplementedError("the derivative for '_cdist_backward' is not implemented.")


CDIST, CDIST_BACKWARD = kind("CdistBackward0", _cdist_backward, ("x1", "x2", "result"), keeps="p:order"), kind("CdistBackwardBackward0", _cdist_twice)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "") -> Tensor:
    """Distances of all pairs of rows."""
    for number, each in enumerate((x1, x2), 1):
        if each.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, X{number} got: {each.ndim}D")
    if x1._data.shape[-1] != x2._data.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1._data.shape[-1]} X2: {x2._data.shape[-1]}")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    for number, each in enumerate((x1, x2), 1):
        if each._data.dtype.kind != "f":
            raise RuntimeError(f"cdist only supports floating-point dtypes, X{number} got: {each.dtype.legacy}")
    difference = x1._data[..., :, None, :] - x2._data[..., None, :, :]
    data = np.minimum(np.ceil(np.abs(difference)), 1).sum(-1) if p == 0 else _norm_of(difference, p, (-1,), False)
    return operation(CDIST, (x1, x2), np.asarray(data), (x1, x2, RESULT), order=float(p))


def _renorm_backward(node, g, x):
    axes = tuple([k for k in range(x.ndim) if k != node.dim])
    size = vector_norm(x, node.order, axes, True)
    product = (x * g).sum(axes, keepdim=True) if axes else x * g
    slope = norm_backward(product, x, node.order, size, axes, True)
    inverse = plus(size, 1e-7).reciprocal()
    scaled = times(inverse, node.maximum) * (g - inverse * slope)
    return where(size > node.maximum, scaled, g)


RENORM = kind("RenormBackward0", _renorm_backward, ("self",), keeps="dim:given maxnorm:maximum p")


def renorm(input: Tensor, p: float, dim: int, maxnorm: float, *, out=None) -> Tensor:
    """Parts along an axis scaled down to a largest norm."""
    if input._data.dtype.kind != "f":
        raise RuntimeError(f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {input.dtype.legacy}")
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    axis, x = wrapped_dim(dim, input.ndim), input._data
    size = _norm_of(x, p, tuple([k for k in range(x.ndim) if k != axis]), True)
    scale = np.where(size > maxnorm, x.dtype.type(maxnorm) / (size + x.dtype.type(1e-7)), x.dtype.type(1)).astype(x.dtype)
    return operation(RENORM, (input,), x * scale, (input,), order=float(p), dim=axis, maximum=maxnorm, p=p,
                     given=unsigned(dim))


# Without NaN -----------------------------------------------------------------------------------------------------------------------------

def _nansum_backward(node, g, x):
    return spread(g.to(x.dtype), x._data.shape, node.axes, node.keepdim) * x.isnan().logical_not()


NANSUM = kind("NansumBackward0", _nansum_backward, ("self",), keeps="dim:given keepdim")


def nansum(input: Tensor, dim=None, keepdim: bool = False, *, dtype: Dtype | None = None, out=None) -> Tensor:
    """The sum of what is not NaN."""
    x = operand(input, "nansum")._data
    axes = axes_of(dim, x.ndim)
    goal = dtype.numpy if dtype is not None else x.dtype if x.dtype.kind == "f" else int64.numpy
    kept = np.where(x != x, x.dtype.type(0), x).astype(goal)
    data = np.sum(kept, axis=axes, dtype=goal, keepdims=keepdim) if x.ndim else kept
    return operation(NANSUM, (input,), np.asarray(data, order="C"), (input,), axes=axes, keepdim=keepdim,
                     given=unsigned((dim,) if isinstance(dim, int) else dim))


def nanmean(input: Tensor, dim=None, keepdim: bool = False, *, dtype: Dtype | None = None, out=None) -> Tensor:
    """The mean of what is not NaN."""
    if input._data.dtype.kind != "f":
        raise RuntimeError(f"nanmean(): expected input to have floating point or complex dtype but got {input.dtype.legacy}")
    return nansum(input, dim, keepdim, dtype=dtype) / input.isnan().logical_not().sum(dim, keepdim)


# Moments in pairs ---------------------------------------------------------------------------------------------------------------------------

def _moments(name: str, grad_fn: str, spread_of):
    def backward(node, of_spread, of_mean, x, *out):
        axes, count = node.axes, node.count
        total = None
        if of_spread is not None:
            total = by_variance(by_root(of_spread, out[0]) if out else of_spread, x, axes, node.keepdim, node.correction)
        if of_mean is not None:
            mean = over(spread(of_mean, x._data.shape, axes, node.keepdim), count)
            total = mean if total is None else total + mean
        return total
    saved = ("self", "result0") if name == "std_mean" else ("self",)
    cls = kind(grad_fn, backward, saved, outputs=2, keeps="correction:given_correction dim:given keepdim")

    def function(input: Tensor, dim=None, unbiased: bool | None = None, keepdim: bool = False, *, correction=None):
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if input._data.dtype.kind != "f":
            raise RuntimeError(f"{name} only support floating point and complex dtypes")
        axes, detached = axes_of(dim, input.ndim), input.detach()
        count = input._data.size if axes is None else int(np.prod([input._data.shape[a] for a in axes]))
        less = correction_of(unbiased, correction)
        if count <= less:
            warnings.warn(f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor (input numel divided by "
                          "output numel).", UserWarning, stacklevel=2)
        with warnings.catch_warnings(action="ignore"):
            mean = detached.mean(tuple(range(input.ndim)) if dim is None else dim, keepdim)
            data = spread_of(detached, dim, unbiased, keepdim, correction=correction)._data, mean._data
        return tuple(operations(cls, (input,), data, (input, 0)[:len(saved)], axes=axes, keepdim=keepdim, count=count,
                                correction=less, given=unsigned((dim,) if isinstance(dim, int) else dim),
                                given_correction=None if unbiased is None and correction is None and dim is None else less))
    function.__name__ = name
    function.__doc__ = "The spread and the mean."
    return function


var_mean, std_mean = (_moments(name, grad_fn, lambda x, *a, _n=name, **o: getattr(x, _n[:3])(*a, **o))
                      for name, grad_fn in (("var_mean", "VarMeanBackward0"), ("std_mean", "StdMeanBackward0")))

# Running log-sum-exp --------------------------------------------------------------------------------------------------------------------------


def _logcumsumexp_backward(node, g, x, out):
    def reverse(values):
        return logcumsumexp(values.flip(node.dim), node.dim).flip(node.dim)
    if not x.ndim:
        return g
    lowest = float(np.finfo(g._data.dtype).min)
    up = where(g > 0, g, 1.0).log()
    up = where(g > 0, up, lowest)
    down = where(g < 0, (-where(g < 0, g, -1.0)).log(), lowest)
    return (reverse(up - out) + x).exp() - (reverse(down - out) + x).exp()


LOGCUMSUMEXP = kind("LogcumsumexpBackward0", _logcumsumexp_backward, ("self", "result"), keeps="dim:given")


def logcumsumexp(input: Tensor, dim: int, *, out=None) -> Tensor:
    """The logarithm of running sums of exponentials along an axis."""
    x = operand(input, "logcumsumexp")._data
    if x.dtype.kind != "f":
        raise NotImplementedError(f'"logcumsumexp_out_cpu" not implemented for \'{input.dtype.legacy}\'')
    axis = wrapped_dim(dim, x.ndim)
    return operation(LOGCUMSUMEXP, (input,), np.ascontiguousarray(np.logaddexp.accumulate(x, axis)) if x.ndim else x, (input, RESULT), dim=axis,
                     given=unsigned(dim))


FUNCTIONS = {f.__name__: f for f in (dist, cdist, renorm, nansum, nanmean, var_mean, std_mean, logcumsumexp)}
for _name in ("dist", "renorm", "nansum", "nanmean", "logcumsumexp"):
    setattr(Tensor, _name, FUNCTIONS[_name])
Tensor.renorm_ = in_place("renorm_", renorm)
__all__ = ["FUNCTIONS"]
