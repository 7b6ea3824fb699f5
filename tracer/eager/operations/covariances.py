"""Covariances and correlations of rows."""

from __future__ import annotations

import warnings

import numpy as np

from ..tensor import Tensor, made_of
from .products import matmul
from .shaping import reshape, t, unsqueeze


def cov(input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None) -> Tensor:
    """The covariance of the rows, whose columns are observations. ``fweights``: how often each was made; ``aweights``: how much it counts."""
    if input.ndim > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions")
    if input._data.dtype.kind == "b":
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = reshape(input, 1, -1) if input.ndim < 2 else input
    weights = _weights(x, fweights, aweights)
    total = made_of(np.int64(x._data.shape[1])) if weights is None else weights.sum()
    mean = (x if weights is None else x * weights).sum(1) / total
    free = total - correction
    if weights is not None and aweights is not None and correction:
        free = total - correction * (weights * aweights).sum() / total
    if free._data <= 0:
        warnings.warn("cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations.", UserWarning, stacklevel=3)
        free.zero_()
    centred = x - unsqueeze(mean, 1)
    return (matmul(centred, t(centred if weights is None else centred * weights)) / free).squeeze()


def _weights(x: Tensor, fweights: Tensor | None, aweights: Tensor | None) -> Tensor | None:
    for name, each in (("fweights", fweights), ("aweights", aweights)):
        if each is None:
            continue
        if each.ndim > 1:
            raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions but got {name} with {each.ndim} dimensions")
        if name == "fweights" and each._data.dtype.kind not in "iu":
            raise RuntimeError(f"cov(): expected fweights to have integral dtype but got fweights with {each.dtype.legacy} dtype")
        if name == "aweights" and each._data.dtype.kind != "f":
            raise RuntimeError(f"cov(): expected aweights to have floating point dtype but got aweights with {each.dtype.legacy} dtype")
        if each.numel() != x._data.shape[1]:
            raise RuntimeError(f"cov(): expected {name} to have the same numel as there are observations in the input but got {each.numel()} != "
                               f"{x._data.shape[1]}")
        if (each._data < 0).any():
            raise RuntimeError(f"cov(): {name} cannot be negative")
    if fweights is None or aweights is None:
        return fweights if aweights is None else aweights
    return fweights * aweights


def corrcoef(input: Tensor) -> Tensor:
    """The correlation coefficients of the rows, within -1 and 1."""
    if input.ndim > 2:
        raise RuntimeError(f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions")
    c = cov(input)
    if not c.ndim:
        return c / c
    deviation = c.diagonal().sqrt()
    return (c / unsqueeze(deviation, 1) / unsqueeze(deviation, 0)).clip(-1, 1)


FUNCTIONS = {"cov": cov, "corrcoef": corrcoef}
Tensor.cov, Tensor.corrcoef = cov, corrcoef
