"""Common shapes, grids and combinations."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np

from ..record import broadcast_shape
from ..tensor import Size, Tensor, made_of
from .by_index import index_select
from .joining import cat, stack
from .rearranging import flip, one_by_one
from .shaping import unsqueeze


def broadcast_tensors(*tensors) -> tuple:
    """All expanded to their common shape."""
    tensors = one_by_one(tensors)
    shape = broadcast_shapes(*[x._data.shape for x in tensors])
    return tuple([x if x._data.shape == tuple(shape) else x.expand(*shape) for x in tensors])


def broadcast_shapes(*shapes):
    """The common shape."""
    common: tuple = ()
    for shape in shapes:
        common = broadcast_shape(common, (shape,) if isinstance(shape, int) else tuple(shape))
    return Size(common)


def meshgrid(*tensors, indexing: str | None = None) -> tuple:
    """Coordinate arrays of a grid."""
    tensors = one_by_one(tensors)
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for each in tensors:
        if each.ndim > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {each}")
        if each.dtype is not tensors[0].dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    if indexing is None:
        warnings.warn("torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.", UserWarning, stacklevel=3)
    places = list(range(len(tensors)))
    if indexing == "xy" and len(tensors) > 1:
        places[:2] = 1, 0
    shape = [tensors[k].numel() for k in places]
    return tuple([x.view(*[n if k == at else 1 for k, n in enumerate(shape)]).expand(*shape) for at, x in zip(places, tensors)])


def cartesian_prod(*tensors) -> Tensor:
    """All combinations of one element of each vector, as rows."""
    for each in tensors:
        if each.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(each.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([x.flatten() for x in meshgrid(*tensors, indexing="ij")], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of ``r`` elements, as rows."""
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return made_of(np.empty(0, input._data.dtype))
    places = np.array(list(choose(range(input.numel()), r)), np.int64).reshape(-1, r)
    return stack([index_select(input, 0, made_of(np.ascontiguousarray(places[:, k]))) for k in range(r)], 1)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Powers of a vector as columns."""
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    columns = x.numel() if N is None else N
    if columns < 0:
        raise RuntimeError("N must be non-negative.")
    ones = made_of(np.ones((x.numel(), min(columns, 1)), x._data.dtype))
    made = ones if columns < 2 else cat([ones, unsqueeze(x, 1).expand(x.numel(), columns - 1).cumprod(1)], 1)
    return made if increasing else flip(made, 1)


def unravel_index(indices: Tensor, shape) -> tuple:
    """The coordinates of places in a flattened tensor of this shape."""
    if not isinstance(indices, Tensor) or indices._data.dtype.kind not in "iu":
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype if isinstance(indices, Tensor) else type(indices)}")
    if not isinstance(shape, (int, tuple, list)):
        raise TypeError(f"expected 'shape' to be int or sequence of ints, but got {type(shape)}")
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    for extent in shape:
        if not isinstance(extent, int):
            raise TypeError(f"expected 'shape' sequence to only contain ints, but got {type(extent)}")
    if min(shape, default=0) < 0:
        raise ValueError(f"'shape' cannot have negative values, but got {shape}")
    steps = [math.prod(shape[k + 1:]) for k in range(len(shape))]
    return tuple([indices.div(step, rounding_mode="floor") % extent for step, extent in zip(steps, shape)])


FUNCTIONS = {f.__name__: f for f in (unravel_index, broadcast_tensors, broadcast_shapes, meshgrid, cartesian_prod, combinations, vander)}
