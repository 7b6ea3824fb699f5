"""``torch.nn.functional``: activations, losses and what goes with them."""

from __future__ import annotations

import warnings

import numpy as np

from ..dtypes import int64, promoted
from ..given import with_out
from ..modes import no_grad
from ..operations.activations import FUNCTIONS as ACTIVATIONS
from ..operations.activations import relu as relu
from ..operations.added_products import addmm
from ..operations.by_index import index_select
from ..operations.choices import where
from ..operations.creation import zeros, zeros_like
from ..operations.define import gate, kind, operation
from ..operations.gathering import scatter
from ..operations.joining import cat
from ..operations.matrix_norms import norm
from ..operations.norms import vector_norm
from ..operations.numbers import over
from ..operations.operands import check_kernel
from ..operations.pairwise import FUNCTIONS as PAIRWISE
from ..operations.products import matmul
from ..operations.random_fills import bernoulli_
from ..operations.units import NN as UNITS
from ..operations.units import expit
from ..record import broadcast_shape, fit_of, fitted, in_common
from ..tensor import Tensor, made_of, unsigned, wrapped_dim
from ..words import type_name
from .margins import FUNCTIONS as MARGINS
from .normalizations import FUNCTIONS as NORMALIZATIONS
from .reductions import REDUCTIONS, reduced

globals().update(UNITS | MARGINS | NORMALIZATIONS)
logsigmoid = UNITS["logsigmoid"]


def _chosen_dim(name: str, input: Tensor, stacklevel: int) -> int:
    warnings.warn(f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.", stacklevel=stacklevel)
    return 0 if input.ndim in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """Exponentials that sum to 1 along an axis."""
    return ACTIVATIONS["softmax"](input, _chosen_dim("softmax", input, _stacklevel) if dim is None else dim, dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """The logarithm of softmax."""
    return ACTIVATIONS["log_softmax"](input, _chosen_dim("log_softmax", input, _stacklevel) if dim is None else dim, dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """Softmax of the negated numbers."""
    return softmax(-input, dim, dtype=dtype)


def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + exp(-x))``."""
    return input.sigmoid()


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return input.tanh()


def _glu_backward(node, g, x):
    a, b = x.chunk(2, node.dim)
    s = b.sigmoid()
    from_b = g * a * s * (1 - s)
    return cat([g * s, from_b], node.dim)


GLU = kind("GluBackward0", _glu_backward, ("self",), keeps="dim:given")


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half times the sigmoid of the second."""
    check_kernel("glu_cpu", input)
    if input.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    axis = wrapped_dim(dim, input.ndim)
    extent = input._data.shape[axis]
    if extent % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {axis} is size {extent}")
    a, b = np.split(input._data, 2, axis)
    return operation(GLU, (input,), (a * expit(b)).astype(a.dtype), (input,), dim=axis, given=unsigned(dim))


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Elements set to 0 with probability ``p``, the others scaled so that the mean stays."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0:
        return input
    mask = bernoulli_(zeros_like(input), 1 - p).div_(1 - p) if p < 1 else made_of(input._data.dtype.type(0))
    return input.mul_(mask) if inplace else input * mask


# Linear maps and lookups --------------------------------------------------------------------------------------------------------------------

def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``."""
    if not input.ndim or not weight.ndim:
        raise RuntimeError(f"both arguments to linear need to be at least 1D, but they are {input.ndim}D and {weight.ndim}D")
    if bias is None:
        return matmul(input, weight.t())
    if input.ndim == 2:
        return addmm(bias, input, weight.t())
    if not input.is_contiguous():
        return matmul(input, weight.t()) + bias
    rows = int(np.prod(input.shape[:-1]))
    return addmm(bias, input.reshape(rows, input.shape[-1]), weight.t()).view(*input.shape[:-1], weight.shape[0])


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """A new last axis with 1 at each number's place."""
    if tensor.dtype is not int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if not tensor._data.size and num_classes <= 0:
        raise RuntimeError("Can not infer total number of classes from empty tensor.")
    if tensor._data.size and tensor._data.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes != -1 and tensor._data.size and num_classes <= tensor._data.max():
        raise RuntimeError("Class values must be smaller than num_classes.")
    count = int(tensor._data.max()) + 1 if num_classes == -1 else num_classes
    return scatter(zeros(*tensor.shape, count, dtype=int64), -1, tensor.unsqueeze(-1), 1)


def _embedding_backward(node, g, indices):
    flat = g.reshape(-1, node.shape[1])
    if node.scale_grad_by_freq:
        flat = flat / made_of(np.bincount(np.ravel(indices._data), minlength=node.rows)[np.ravel(indices._data)][:, None].astype(g._data.dtype))
    total = made_of(np.zeros(node.shape, g._data.dtype)).index_add(0, indices.reshape(-1), flat)
    return total.index_fill(0, made_of(np.array([node.padding_idx])), 0) if node.padding_idx < node.rows else total


EMBEDDING = kind("EmbeddingBackward0", _embedding_backward, ("indices",),
                 keeps="padding_idx scale_grad_by_freq sparse weight_sym_argsize_0:rows")


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None, norm_type: float = 2.0,
              scale_grad_by_freq: bool = False, sparse: bool = False) -> Tensor:
    """The rows of ``weight`` at indices; ``padding_idx``: the row that gets no gradient; ``max_norm``: rows used are scaled down to it, in place."""
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    count = weight.shape[0]
    if padding_idx is not None:
        if not -count <= padding_idx < count:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= count
    if max_norm is not None:
        with no_grad():
            used = made_of(np.unique(input._data))
            weight.index_copy_(0, used, index_select(weight, 0, used).renorm(norm_type, 0, max_norm))
    rows = index_select(weight.detach(), 0, input.reshape(-1))
    return operation(EMBEDDING, (weight,), rows._data.reshape(*input.shape, weight.shape[1]), (input,), shape=weight._data.shape, rows=count,
                     padding_idx=unsigned(-1 if padding_idx is None else padding_idx), scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out=None) -> Tensor:
    """Divided by the norm along an axis."""
    return input / norm(input, p, dim, keepdim=True).clamp_min(eps).expand_as(input)


PAD = kind("ConstantPadNdBackward0", lambda node, g: pad(g, [-n for n in node.pad]), keeps="pad:given")


def pad(input: Tensor, pad, mode: str = "constant", value: float | None = None) -> Tensor:
    """Margins of one number, given for the last axis first; negative ones crop."""
    if mode != "constant":
        raise NotImplementedError("Unrecognised padding mode " + mode)
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * input.ndim:
        raise RuntimeError(f"Length of pad should be no more than twice the number of dimensions of the input. Pad length is {len(pad)} while the input has "
                           f"{input.ndim} dimensions.")
    margins = [(0, 0)] * (input.ndim - len(pad) // 2) + [(pad[k], pad[k + 1]) for k in range(len(pad) - 2, -1, -2)]
    inner = input._data[tuple([slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(input._data.shape, margins)])]
    data = np.pad(inner, [(max(a, 0), max(b, 0)) for a, b in margins], constant_values=0 if value is None else value)
    return operation(PAD, (input,), data, pad=tuple(pad), given=unsigned(pad))


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along an axis."""
    common = promoted((x1, x2))
    if not common.is_floating_point:
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {common.legacy}")
    x1, x2 = x1.broadcast_to(broadcast_shape(x1._data.shape, x2._data.shape)), x2.broadcast_to(broadcast_shape(x1._data.shape, x2._data.shape))
    a, b = (x / vector_norm(x, 2, dim, True).clone().clamp_min(eps) for x in (x1, x2))
    return (a * b).sum(dim)


# Losses ---------------------------------------------------------------------------------------------------------------------------------

def _warn_of_shapes(input: Tensor, target: Tensor) -> None:
    if target._data.shape != input._data.shape:
        warnings.warn(f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will likely lead to incorrect "
                      f"results due to "
                      "broadcasting. Please ensure they have the same size.", UserWarning, stacklevel=3)


def _loss(name: str, grad_fn: str, kernel: str, function, slopes, warn: bool = True, defaults: dict | None = None):
    """A loss of two operands. ``slopes``: of (input, target), on tensors, by each of them. ``defaults``: of the options."""
    defaults = defaults or {}
    def backward(node, g, x, y):
        count = int(np.prod(broadcast_shape(x._data.shape, y._data.shape)))
        g = g / count if node.reduction == "mean" else g
        return tuple([None if edge is None else fitted(g * slope(x, y, *node.options), fit) for edge, slope, fit in zip(node.edges, slopes, node.fits)])
    cls = kind(grad_fn, backward, ("self", "target"), keeps=" ".join(("reduction:code", *defaults)))

    def loss(input: Tensor, target: Tensor, size_average=None, reduce=None, reduction: str = "mean", *options, **named) -> Tensor:
        if warn:
            _warn_of_shapes(input, target)
        elif input._data.shape != target._data.shape:
            raise ValueError(f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. Please ensure they "
                             f"have the "
                             "same size.")
        shape = broadcast_shape(input._data.shape, target._data.shape)
        input, target = [each if each._data.shape == shape else each.expand(*shape) for each in (input, target)]
        kept = defaults | dict(zip(defaults, options)) | named
        options = tuple(kept.values())
        if input._data.dtype.kind != "f":
            raise NotImplementedError(f"\"{kernel}\" not implemented for '{input.dtype.legacy}'")
        _, (a, b) = in_common(input, target)
        values = np.asarray(function(a, b, *options), a.dtype)
        data = reduced(made_of(values), reduction)._data
        return operation(cls, (input, target), np.asarray(data), (input, target), reduction=reduction, code=REDUCTIONS[reduction],
                         options=options, fits=(fit_of(input), fit_of(target)), **kept)
    loss.__name__ = name
    loss.__doc__ = f"``torch.nn.functional.{name}``."
    return loss


mse_loss = _loss("mse_loss", "MseLossBackward0", "mse_cpu", lambda x, y: (x - y) ** 2, (lambda x, y: 2 * (x - y), lambda x, y: 2 * (y - x)))


def _smooth_slope(x: Tensor, y: Tensor, beta: float = 1.0) -> Tensor:
    d = x - y
    return where(d <= -beta, -1.0, where(d >= beta, 1.0, d / beta)).to(x.dtype)


def _huber_slope(x: Tensor, y: Tensor, delta: float = 1.0) -> Tensor:
    d = x - y
    return where(d <= -delta, -delta, where(d >= delta, delta, d)).to(x.dtype)


_smooth_l1 = _loss("smooth_l1_loss", "SmoothL1LossBackward0", "smooth_l1_cpu",
                   lambda x, y, beta=1.0: np.where(np.abs(x - y) < beta, 0.5 * (x - y) ** 2 / beta, np.abs(x - y) - 0.5 * beta),
                   (_smooth_slope, lambda x, y, *o: -_smooth_slope(x, y, *o)), defaults={"beta": 1.0})
_huber_loss = _loss("huber_loss", "HuberLossBackward0", "huber_cpu",
                   lambda x, y, delta=1.0: np.where(np.abs(x - y) <= delta, 0.5 * (x - y) ** 2, delta * (np.abs(x - y) - 0.5 * delta)),
                   (_huber_slope, lambda x, y, *o: -_huber_slope(x, y, *o)), defaults={"delta": 1.0})


def smooth_l1_loss(input: Tensor, target: Tensor, size_average=None, reduce=None, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """Squared below ``beta``, absolute above."""
    return l1_loss(input, target, reduction=reduction) if beta == 0 else _smooth_l1(input, target, None, None, reduction, float(beta))


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None) -> Tensor:
    """Squared below ``delta``, absolute above."""
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    if weight is not None:
        return reduced(_huber_loss(input, target, None, None, "none", delta) * weight, reduction)
    return _huber_loss(input, target, None, None, reduction, delta)


def l1_loss(input: Tensor, target: Tensor, size_average=None, reduce=None, reduction: str = "mean") -> Tensor:
    """The absolute difference."""
    _warn_of_shapes(input, target)
    return reduced((input - target).abs(), reduction)


def kl_div(input: Tensor, target: Tensor, size_average=None, reduce=None, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """``target (log target - input)``."""
    if input._data.dtype.kind != "f" and target._data.dtype.kind != "f":
        raise RuntimeError("kl_div: Integral inputs not supported.")
    values = target.exp() * (target - input) if log_target else PAIRWISE["xlogy"](target, target) - target * input
    if reduction == "mean":
        warnings.warn("reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' divides only by the batch size, "
                      "and aligns with "
                      "the KL div math definition.'mean' will be changed to behave the same as 'batchmean' in the next major release.", UserWarning,
                      stacklevel=2)
    if reduction == "batchmean":
        return values.sum() / input.shape[0]
    return reduced(values, reduction)


def _cross_entropy_of_probability(x, y, weight):
    """Logarithms not below -100."""
    with np.errstate(divide="ignore"):
        values = (y - 1) * np.maximum(np.log1p(-x), -100) - y * np.maximum(np.log(x), -100)
    return values if weight is None else values * weight._data


def _weighted(slope):
    return lambda x, y, weight: slope(x, y) if weight is None else slope(x, y) * weight


_binary = _loss("binary_cross_entropy", "BinaryCrossEntropyBackward0", "binary_cross_entropy", _cross_entropy_of_probability,
                (_weighted(lambda x, y: (x - y) / ((1 - x) * x).clamp(min=1e-12)),
                 _weighted(lambda x, y: (-x).log1p() - x.log())), warn=False, defaults={"weight": None})


def _logistic(x, y, weight, positive):
    """log1p(exp(-x)) without overflow, times the share of positives, and the rest."""
    share = 1 if positive is None else (positive._data - 1) * y + 1
    values = (1 - y) * x + share * (np.log1p(np.exp(-np.abs(x))) + np.maximum(-x, 0))
    return values if weight is None else values * weight._data


def _logistic_slope(x, y, weight, positive):
    scaled = y if positive is None else y * positive
    slope = x.sigmoid() - y if positive is None else (scaled + 1 - y) * x.sigmoid() - scaled
    return slope if weight is None else slope * weight


def _logistic_target_slope(x, y, weight, positive):
    slope = -x if positive is None else logsigmoid(-x) - positive * logsigmoid(x)
    return slope if weight is None else slope * weight


_with_logits = _loss("binary_cross_entropy_with_logits", "BinaryCrossEntropyWithLogitsBackward0", "log_sigmoid_cpu", _logistic,
                     (_logistic_slope, _logistic_target_slope),
                     defaults={"weight": None, "pos_weight": None})


def binary_cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average=None, reduce=None, reduction: str = "mean") -> Tensor:
    """The cross entropy of probabilities and targets between 0 and 1."""
    if target._data.shape != input._data.shape:
        raise ValueError(f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. Please ensure they have the "
                         "same size.")
    wrong = [np.ravel(~((x >= 0) & (x <= 1))) for x in (input._data, target._data)]
    places = [int(np.argmax(each)) if each.any() else each.size for each in wrong]
    if any([each.any() for each in wrong]):
        raise RuntimeError(f"all elements of {'input' if places[0] <= places[1] else 'target'} should be between 0 and 1")
    return _binary(input, target, None, None, reduction, weight)


def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average=None, reduce=None, reduction: str = "mean",
                                     pos_weight: Tensor | None = None) -> Tensor:
    """The same of numbers whose sigmoid is the probability."""
    if target._data.shape != input._data.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    return _with_logits(input, target, None, None, reduction, weight, pos_weight)


def _nll_backward(node, g, target, weight, x):
    shape, axis = node.shape, node.axis
    factor = made_of(node.weights) * (g / made_of(node.total) if node.reduction == "mean" else g)
    zeros_ = made_of(np.zeros(shape, g._data.dtype))
    values = where(made_of(node.weights == 0), 0.0, -factor).expand(node.places.shape)
    made = scatter(zeros_, axis, made_of(node.places).unsqueeze(axis), values.unsqueeze(axis))
    return _ATTACHED(made, True, x=node.unpack_one(2))


_ATTACHED = gate("NllLossBackwardBackward0")
NLL = {several: kind(f"NllLoss{'2D' * several}Backward0", _nll_backward, ("target", "weight", "self"),
                    keeps="ignore_index reduction:code total_weight:weight_of_all") for several in (False, True)}


def nll_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average=None, ignore_index: int = -100, reduce=None,
             reduction: str = "mean") -> Tensor:
    """Minus the number at the target's place along the class axis, weighted."""
    x, t = input._data, target._data
    axis = 0 if x.ndim == 1 else 1
    check_kernel("nll_loss_out_frame", input)
    if x.ndim < 1:
        raise ValueError(f"Expected 1 or more dimensions (got {x.ndim})")
    if x.ndim > 1 and x.shape[0] != t.shape[0]:
        raise ValueError(f"Expected input batch_size ({x.shape[0]}) to match target batch_size ({t.shape[0]}).")
    if t.dtype not in (np.int64, np.uint8):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {target.dtype.legacy}")
    classes = x.shape[axis]
    kept = t != ignore_index
    wrong = kept & ((t < 0) | (t >= classes))
    if np.any(wrong):
        raise IndexError(f"Target {np.asarray(t)[wrong].flat[0]} is out of bounds.")
    places = np.where(kept, t, 0)
    weights = (np.ones(classes, x.dtype) if weight is None else weight._data)[places] * kept.astype(x.dtype)
    picked = -np.take_along_axis(x, np.expand_dims(places, axis), axis).squeeze(axis) * weights
    total = np.asarray(weights).sum(dtype=x.dtype)
    data = picked if reduction == "none" else picked.sum() if reduction == "sum" else picked.sum() / total
    return operation(NLL[x.ndim > 2], (input,), np.asarray(data, x.dtype), (target, weight, input), shape=x.shape, axis=axis,
                     weights=np.asarray(weights, x.dtype), places=np.asarray(places), total=total, reduction=reduction, code=REDUCTIONS[reduction],
                     ignore_index=unsigned(ignore_index), weight_of_all=made_of(total[()] if reduction != "none" or x.ndim == 1 else x.dtype.type(0)))


def cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average=None, ignore_index: int = -100, reduce=None,
                  reduction: str = "mean",
                  label_smoothing: float = 0.0) -> Tensor:
    """:func:`nll_loss` of log_softmax; or, with targets of floats, the cross entropy with probabilities."""
    if not isinstance(target, Tensor):
        raise TypeError(f"cross_entropy_loss(): argument 'target' (position 2) must be Tensor, not {type_name(target)}")
    axis = 0 if input.ndim == 1 else 1
    if target._data.shape == input._data.shape and target._data.dtype.kind != "f" and input.ndim:
        raise RuntimeError(f"Expected floating point type for target with class probabilities, got {target.dtype.legacy}")
    logarithms = log_softmax(input, axis)
    if target._data.shape == input._data.shape and target._data.dtype.kind == "f":
        target = target * (1 - label_smoothing) + label_smoothing / input._data.shape[axis] if label_smoothing else target
        product = logarithms * target
        if weight is not None:
            product = product * weight.reshape([-1 if k == axis else 1 for k in range(input.ndim)])
        if reduction == "none":
            return -product.sum(axis)
        return over(-product.sum(), input.numel() // input._data.shape[axis]) if reduction == "mean" else -product.sum()
    hard = nll_loss(logarithms, target, weight, None, ignore_index, None, reduction)
    if not label_smoothing:
        return hard
    if weight is not None:
        smooth = -(logarithms * weight.reshape([-1 if k == axis else 1 for k in range(input.ndim)])).sum(axis)
    else:
        smooth = -logarithms.sum(axis)
    smooth = smooth.masked_fill(target == ignore_index, 0.0)
    if reduction == "mean":
        smooth = smooth.sum() / (weight[target].sum() if weight is not None else float((target._data != ignore_index).sum()))
    elif reduction == "sum":
        smooth = smooth.sum()
    classes = input._data.shape[axis]
    return hard * (1 - label_smoothing) + smooth * (label_smoothing / classes)



for _name in ("linear", "softplus", "gelu", "hardshrink", "softshrink", "logsigmoid", "normalize"):
    globals()[_name] = with_out(globals()[_name], _name)
