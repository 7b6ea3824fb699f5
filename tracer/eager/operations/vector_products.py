"""Cross products, and dot products along an axis."""

from __future__ import annotations

import numpy as np

from ..record import fit_of, fitted
from ..tensor import Tensor, unsigned, wrapped_dim
from .define import IfNeeded, kind, operation
from .operands import check_kernel
from .products import vdot
from .solving import check_float


def _cross_backward(node, g, a, b):
    return (fitted(cross(b, g, dim=node.dim), node.fits[0]) if node.edges[0] is not None else None,
            fitted(cross(g, a, dim=node.dim), node.fits[1]) if node.edges[1] is not None else None)


CROSS = kind("LinalgCrossBackward0", _cross_backward, ("self", "other"), keeps="dim:given")


def cross(input: Tensor, other: Tensor, *, dim: int = -1, out=None) -> Tensor:
    """Cross products of vectors of three elements along an axis."""
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    check_kernel("cross", input, "fiu")
    axis = wrapped_dim(dim, input.ndim)
    if input._data.shape[axis] != 3 or other._data.shape[axis] != 3:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {input._data.shape[axis]} and {other._data.shape[axis]}")
    return operation(CROSS, (input, other), np.ascontiguousarray(np.cross(input._data, other._data, axis=axis)),
                     (IfNeeded(input, 1), IfNeeded(other, 0)), dim=axis, given=unsigned(dim), fits=(fit_of(input), fit_of(other)))


def torch_cross(input: Tensor, other: Tensor, dim: int | None = None, *, out=None) -> Tensor:
    """:func:`cross` along the first axis of extent 3 unless ``dim`` is given."""
    if dim is None:
        dim = next((k for k, n in enumerate(input._data.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    return cross(input, other, dim=dim)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out=None) -> Tensor:
    """Sums of products along an axis."""
    check_float("linalg.vecdot", x, y)
    if x.ndim == y.ndim == 1:
        wrapped_dim(dim, 1)
        return vdot(x, y)
    return (x * y).sum(dim)


FUNCTIONS = {"cross": torch_cross}
Tensor.cross = torch_cross
