"""Losses with margins and of distributions, composed as PyTorch composes them; distances of pairs."""

from __future__ import annotations

import math

import numpy as np

from ..modes import no_grad
from ..operations.choices import where
from ..operations.creation import zeros_like
from ..operations.define import kind, operation
from ..operations.norms import norm_of_old
from ..operations.operands import check_kernel
from ..operations.units import NN
from ..record import broadcast_shape, fit_of, fitted
from ..tensor import Tensor
from .reductions import REDUCTIONS, reduced

logsigmoid = NN["logsigmoid"]


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The norm of the differences along the last axis."""
    difference = x1 - x2 + eps
    return norm_of_old(difference, p, max(difference.ndim - 1, 0), keepdim)


def poisson_nll_loss(input: Tensor, target: Tensor, log_input: bool = True, full: bool = False, size_average=None, eps: float = 1e-8, reduce=None,
                     reduction: str = "mean") -> Tensor:
    """Minus the logarithm of Poisson's distribution, up to a constant unless ``full``."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return reduced(loss, reduction)


def gaussian_nll_loss(input: Tensor, target: Tensor, var, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> Tensor:
    """Minus the logarithm of the normal distribution of this variance."""
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * input.new_ones(input.size())
    elif (var._data < 0).any():
        raise ValueError("var has negative entry/entries")
    if var.size() != input.size():
        if input.size()[:-1] == var.size():
            var = var.unsqueeze(-1)
        elif not (input.ndim == var.ndim and sum(y for x, y in zip(input.size(), var.size()) if x != y) == 1):
            raise ValueError("var is of incorrect size")
    if reduction not in REDUCTIONS:
        raise ValueError(reduction + " is not valid")
    var = var.clone()
    with no_grad():
        var.clamp_(min=eps)
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    loss = loss + 0.5 * math.log(2 * math.pi) if full else loss
    return reduced(loss, reduction)


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, size_average=None, reduce=None, reduction: str = "mean") -> Tensor:
    """The number itself where the target is 1; where it is -1, by how much it is below the margin."""
    nothing = zeros_like(input)
    return reduced(where(target != 1, (margin - input).clamp_min(0), nothing) + where(target != -1, input, nothing), reduction)


def margin_ranking_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average=None, reduce=None, reduction: str = "mean") -> Tensor:
    """By how much the order that the target tells is missed."""
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError("margin_ranking_loss : All input tensors should have same dimension but got sizes: "
                           f"input1: {input1.size()}, input2: {input2.size()}, target: {target.size()} ")
    return reduced((-target * (input1 - input2) + margin).clamp_min_(0), reduction)


def _soft_backward(node, g, x, target):
    scale = node.count if node.reduction == "mean" else 1
    z = (target * x).neg().exp()
    return fitted(-target * z / (z + 1) * g / scale, node.fit)


SOFT_MARGIN = kind("SoftMarginLossBackward0", _soft_backward, ("self", "target"), keeps="reduction:code")


def soft_margin_loss(input: Tensor, target: Tensor, size_average=None, reduce=None, reduction: str = "mean") -> Tensor:
    """``log(1 + exp(-target input))``."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    check_kernel("soft_margin_cpu", input)
    broadcast_shape(input._data.shape, target._data.shape)
    values = np.log1p(np.exp(-target._data * input._data)).astype(input._data.dtype)
    data = values.mean() if reduction == "mean" else values.sum() if reduction == "sum" else values
    return operation(SOFT_MARGIN, (input,), np.asarray(data), (input, target), reduction=reduction, code=REDUCTIONS[reduction], count=values.size,
                     fit=fit_of(input))


def cosine_embedding_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average=None, reduce=None,
                          reduction: str = "mean") -> Tensor:
    """One minus the cosine where the target is 1; where it is -1, by how much the cosine is above the margin."""
    dim = target.ndim
    product = (input1 * input2).sum(dim)
    squares = [(each * each).sum(dim) + 1e-12 for each in (input1, input2)]
    cosine = product / (squares[0] * squares[1]).sqrt()
    nothing = zeros_like(cosine)
    similar, apart = where(target == 1, 1 - cosine, nothing), where(target == -1, (cosine - margin).clamp_min(0), nothing)
    return reduced(similar + apart, reduction)


def triplet_margin_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2, eps: float = 1e-6, swap: bool = False,
                        size_average=None, reduce=None, reduction: str = "mean") -> Tensor:
    """By how much the distance to what is alike, and the margin, exceed that to what is not."""
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    ranks = [each.ndim for each in (anchor, positive, negative)]
    if len(set(ranks)) > 1:
        raise RuntimeError("The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
                           f"anchor {ranks[0]}D, positive {ranks[1]}D, and negative {ranks[2]}D inputs")
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    far = far.min(pairwise_distance(positive, negative, p, eps)) if swap else far
    return reduced((margin + near - far).clamp_min(0), reduction)


def multilabel_soft_margin_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average=None, reduce=None,
                                reduction: str = "mean") -> Tensor:
    """The mean over classes of the cross entropy of each with its own target."""
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    loss = loss if weight is None else loss * weight
    return reduced(loss.sum(input.ndim - 1) / input.size(input.ndim - 1), reduction)


FUNCTIONS = {f.__name__: f for f in (pairwise_distance, poisson_nll_loss, gaussian_nll_loss, hinge_embedding_loss, margin_ranking_loss, soft_margin_loss,
                                     cosine_embedding_loss, triplet_margin_loss, multilabel_soft_margin_loss)}
