"""Normalisations: by mean and spread over the last axes, over groups of channels, over the batch."""

from __future__ import annotations

import numpy as np

from ..operations.choices import where
from ..operations.define import kind, operations
from ..operations.operands import check_kernel
from ..record import fitted
from ..tensor import Size, Tensor, made_of


def _normal(x: Tensor, axes, eps: float) -> tuple[Tensor, Tensor]:
    """Mean 0 and variance 1 over axes, and the inverse deviation."""
    centred = x - x.mean(axes, keepdim=True)
    inverse = ((centred * centred).mean(axes, keepdim=True) + eps).rsqrt()
    return centred * inverse, inverse


def _backward(node, g, *_):
    """``parted``: the extents under which the tensor has what is normalised together along ``axes``; ``wide``: those that weight and bias have then."""
    x, weight, bias = node.given
    if node.fixed is not None:
        normal, inverse = (x - node.fixed[0]) * node.fixed[1], node.fixed[1]
    else:
        normal, inverse = _normal(x.reshape(node.parted), node.axes, node.eps)
    scaled = (g if weight is None else g * weight.reshape(node.wide)).reshape(node.parted)
    found = [None, None, None]
    if node.edges[0] is not None and node.fixed is not None:
        found[0] = scaled * inverse
    elif node.edges[0] is not None:
        centred = scaled - scaled.mean(node.axes, keepdim=True) - normal * (scaled * normal).mean(node.axes, keepdim=True)
        found[0] = (inverse * centred).reshape(x.shape)
    if node.edges[1] is not None:
        found[1] = fitted(g * normal.reshape(x.shape), (node.wide, weight._data.dtype)).reshape(weight.shape)
    if node.edges[2] is not None:
        found[2] = fitted(g, (node.wide, bias._data.dtype)).reshape(bias.shape)
    return tuple(found)


LAYER_NORM = kind("NativeLayerNormBackward0", _backward, ("input", "weight", "bias"), outputs=3, keeps="normalized_shape result1 result2")
BATCH_NORM = kind("NativeBatchNormBackward0", _backward, ("input", "weight"), outputs=3,
                  keeps="eps training running_mean running_var result1 result2")
GROUP_NORM = kind("NativeGroupNormBackward0", _backward, ("input", "weight"), outputs=3, keeps="C N HxW eps group result1 result2")


def _normalized(cls: type, input: Tensor, weight: Tensor | None, bias: Tensor | None, parted, axes, wide, eps: float, stored, fixed=None,
                **kept) -> Tensor:
    """``stored``: the extents of the statistics that are kept; ``fixed``: mean and inverse deviation, where they are not those of the tensor."""
    x = input._data.reshape(parted)
    if fixed is None:
        mean = x.mean(axis=axes, keepdims=True, dtype=x.dtype)
        inverse = (1 / np.sqrt(((x - mean) ** 2).mean(axis=axes, keepdims=True) + x.dtype.type(eps))).astype(x.dtype)
    else:
        mean, inverse = [each._data for each in fixed]
    data = ((x - mean) * inverse).reshape(input._data.shape)
    data = data if weight is None else data * weight._data.reshape(wide)
    data = data if bias is None else data + bias._data.reshape(wide)
    saved = (input, weight, bias)[:len(cls.names)]
    return operations(cls, (input, weight, bias), (np.asarray(data, input._data.dtype),), saved, given=(input, weight, bias), parted=tuple(parted), axes=axes,
                      wide=tuple(wide), eps=eps, fixed=fixed, **kept,
                      **{f"result{k}": made_of(np.zeros(0, x.dtype) if fixed else each.reshape(stored)) for k, each in ((1, mean), (2, inverse))})[0]


def _check_shape(input: Tensor, shape: tuple) -> None:
    if not shape:
        raise RuntimeError("Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got normalized_shape = []")
    if input._data.shape[-len(shape):] != shape:
        raise RuntimeError(f"Given normalized_shape={list(shape)}, expected input with shape [*, {', '.join(map(str, shape))}], but got input of size"
                           f"{list(input.shape)}")


def layer_norm(input: Tensor, normalized_shape, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Mean 0 and variance 1 over the last axes, which have the extents ``normalized_shape``; then weight and bias."""
    shape = tuple(normalized_shape)
    for name, each in (("weight", weight), ("bias", bias)):
        if each is not None and each._data.shape != shape:
            raise RuntimeError(f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(each.shape)} and normalized_shape = "
                               f"{list(shape)}")
    _check_shape(input, shape)
    check_kernel("LayerNormKernelImpl", input)
    axes = tuple(range(input.ndim - len(shape), input.ndim))
    return _normalized(LAYER_NORM, input, weight, bias, input._data.shape, axes, shape, eps,
                       [1 if k in axes else n for k, n in enumerate(input._data.shape)], normalized_shape=shape)


def rms_norm(input: Tensor, normalized_shape, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """Divided by the root of the mean square over the last axes, then multiplied by the weight."""
    shape = tuple(normalized_shape)
    _check_shape(input, shape)
    if weight is not None and weight._data.shape != shape:
        raise RuntimeError(f"Expected weight to be of same shape as normalized_shape, but got weight of shape {list(weight.shape)} and normalized_shape = "
                           f"{list(shape)}")
    check_kernel("rms_norm", input)
    axes = tuple(range(input.ndim - len(shape), input.ndim))
    made = input * ((input * input).mean(axes, keepdim=True) + (np.finfo(input._data.dtype).eps if eps is None else eps)).rsqrt()
    return made if weight is None else made * weight


def batch_norm(input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None, bias: Tensor | None = None,
               training: bool = False, momentum: float = 0.1, eps: float = 1e-5) -> Tensor:
    """Mean 0 and variance 1 of each channel, the second axis; while training those of the batch, which the running ones then follow."""
    wide = (1, -1, *[1] * (input.ndim - 2)) if input.ndim > 1 else (-1,)
    wide = tuple([input.shape[1] if n == -1 and input.ndim > 1 else n for n in wide])
    axes = (0, *range(2, input.ndim))
    fixed = None
    if training:
        size = input.numel() // max(input.shape[1] if input.ndim > 1 else 1, 1)
        if size <= 1 and input.numel():
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {Size(input.shape)!r}")
        mean, variance = input._data.mean(axis=axes), input._data.var(axis=axes) * (size / max(size - 1, 1))
        for running, now in ((running_mean, mean), (running_var, variance)):
            if running is not None:
                running._data[...] = running._data * (1 - momentum) + now * momentum
    else:
        fixed = running_mean.detach().reshape(wide), (running_var.detach().reshape(wide) + eps).rsqrt()
    check_kernel("batch_norm", input)
    return _normalized(BATCH_NORM, input, weight, bias, input._data.shape, axes, wide, eps, (-1,), fixed, training=training, running_mean=running_mean,
                       running_var=running_var)


def group_norm(input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Mean 0 and variance 1 of each group of channels."""
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}")
    count, channels = input.shape[:2]
    if channels % num_groups:
        raise RuntimeError(f"Expected number of channels in input to be divisible by num_groups, but got input of shape {list(input.shape)} and "
                           f"num_groups={num_groups}")
    check_kernel("GroupNormKernelImpl", input)
    rest = int(np.prod(input.shape[2:]))
    wide = (1, channels, *[1] * (input.ndim - 2))
    parted = (count, num_groups, channels // num_groups * rest)
    return _normalized(GROUP_NORM, input, weight, bias, parted, (2,), wide, eps, (count, num_groups), C=channels, N=count, HxW=rest, group=num_groups)


def _prelu_backward(node, g, x, weight):
    below = where(x < 0, weight, weight.detach()) * g  # at 0 the weight has no second derivative
    return where(x > 0, g, below), fitted(where(x < 0, x * g, 0.0).to(g.dtype), (weight._data.shape, weight._data.dtype))


PRELU = kind("PreluKernelBackward0", _prelu_backward, ("self", "weight"))


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """The number itself above 0, times a weight below; one for all, or one for each channel."""
    if not input.ndim and weight.numel() != 1:
        raise RuntimeError("Not allow zero-dim input tensor.")
    check_kernel("prelu_cpu", input)
    if weight.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}")
    if weight.numel() != 1 and (input.ndim < 2 or weight.numel() != input.shape[1]):
        raise RuntimeError("Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                           f"{weight.numel()} and channel size = {input.shape[1] if input.ndim > 1 else 1}.")
    wide = weight.reshape([-1 if k == (1 if input.ndim > 1 else 0) else 1 for k in range(input.ndim)]) if input.ndim else weight.reshape(())
    data = np.where(input._data > 0, input._data, wide._data * input._data)
    return operations(PRELU, (input, wide), (data,), (input, wide))[0]


FUNCTIONS = {f.__name__: f for f in (layer_norm, rms_norm, batch_norm, group_norm, prelu)}
