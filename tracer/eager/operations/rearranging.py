"""Copies with the elements in other places: reversed, rolled, repeated, cut into triangles, put together."""

from __future__ import annotations

import itertools

import numpy as np

from ..dtypes import Dtype, int64, promote_types
from ..geometry import in_layout_of
from ..record import broadcast_shape
from ..tensor import Size, Tensor, made_of, wrapped_dim
from ..updates import in_place
from .by_index import index_select
from .define import kind, operation
from .joining import cat, stack
from .numbers import over, times
from .shaping import reshape, unsqueeze
from .slicing import diagonal, narrow
from .splitting import split

# Reversed and rolled -------------------------------------------------------------------------------------------------------------

FLIP = kind("FlipBackward0", lambda node, g: flip(g, node.dims))


def _dims(arguments: tuple) -> tuple:
    return tuple(arguments[0]) if len(arguments) == 1 and isinstance(arguments[0], (tuple, list)) else arguments


def flip(input: Tensor, *dims) -> Tensor:
    """The order along axes reversed."""
    x = input._data
    axes = tuple([wrapped_dim(d, x.ndim) for d in _dims(dims)])
    for axis in axes:
        if axes.count(axis) > 1:
            raise RuntimeError(f"dim {axis} appears multiple times in the list of dims")
    return operation(FLIP, (input,), in_layout_of(np.array(np.flip(x, axes)), x) if x.ndim else x, dims=axes)


def fliplr(input: Tensor) -> Tensor:
    """The second axis reversed."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """The first axis reversed."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


ROT90 = kind("Rot90Backward0", lambda node, g: rot90(g, -node.turns, node.dims))


def rot90(input: Tensor, k: int = 1, dims=(0, 1)) -> Tensor:
    """Quarter turns in the plane of two axes."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    return operation(ROT90, (input,), np.array(np.rot90(input._data, k, dims)), turns=k, dims=tuple(dims))


ROLL = kind("RollBackward0", lambda node, g: roll(g, [-s for s in node.shifts], node.dims))


def roll(input: Tensor, shifts, dims=()) -> Tensor:
    """Elements moved along axes, those at the end to the front."""
    shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    dims = (dims,) if isinstance(dims, int) else tuple(dims if dims is not None else ())
    if not shifts:
        raise RuntimeError("`shifts` required")
    if not dims and len(shifts) == 1:
        data = np.roll(input._data, shifts[0])
    elif len(shifts) != len(dims):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    else:
        data = np.roll(input._data, shifts, tuple([wrapped_dim(d, input.ndim) for d in dims])) if input.ndim else input._data
    return operation(ROLL, (input,), np.asarray(data, order="C"), shifts=shifts, dims=dims)


# Triangles and diagonals -----------------------------------------------------------------------------------------------------------

def _triangle(name: str, cut):
    cls = kind(f"{name.title()}Backward0", lambda node, g: function(g, node.diagonal))

    def function(input: Tensor, diagonal: int = 0, *, out=None) -> Tensor:
        x = input._data
        if x.ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        return operation(cls, (input,), np.ascontiguousarray(cut(x, diagonal)), diagonal=diagonal)
    function.__name__ = name
    function.__doc__ = f"Matrices with zeros outside of a triangle, as ``numpy.{name}``."
    return function


tril, triu = _triangle("tril", np.tril), _triangle("triu", np.triu)


def _indices(cut):
    def function(row: int, col: int, offset: int = 0, *, dtype: Dtype = int64, device=None, layout=None) -> Tensor:
        return made_of(np.stack(cut(row, offset, col)).astype(dtype.numpy))
    function.__doc__ = "Row and column of each element of a triangle."
    return function


tril_indices, triu_indices = _indices(np.tril_indices), _indices(np.triu_indices)

DIAG_EMBED = kind("DiagEmbedBackward0", lambda node, g: diagonal(g, node.offset, node.dim1, node.dim2))


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last axis on a diagonal and zeros elsewhere."""
    x = input._data
    a, b = wrapped_dim(dim1, x.ndim + 1), wrapped_dim(dim2, x.ndim + 1)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    extent = x.shape[-1] + abs(offset)
    zeros = np.zeros((*x.shape[:-1], extent, extent), x.dtype)
    places = np.arange(x.shape[-1])
    zeros[..., places + max(-offset, 0), places + max(offset, 0)] = x
    return operation(DIAG_EMBED, (input,), np.ascontiguousarray(np.moveaxis(zeros, (-2, -1), (a, b))), offset=offset, dim1=dim1, dim2=dim2)


DIAGONAL_COPY = kind("DiagonalBackward0_copy", lambda node, g: diagonal_backward(g, node.shape, node.offset))
DIAGONAL_BACKWARD = kind("DiagonalBackwardBackward0", lambda node, g: diagonal(g, node.offset))


def diagonal_backward(g: Tensor, shape: tuple, offset: int) -> Tensor:
    """Zeros with ``g`` on a diagonal of the first two axes."""
    zeros = np.zeros(shape, g._data.dtype)
    places = np.arange(g._data.shape[-1])
    zeros[places + max(-offset, 0), places + max(offset, 0)] = g._data
    return operation(DIAGONAL_BACKWARD, (g,), zeros, offset=offset)


def diag(input: Tensor, diagonal: int = 0, *, out=None) -> Tensor:
    """A matrix with the vector on a diagonal, or the diagonal of a matrix."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim == 2:
        return operation(DIAGONAL_COPY, (input,), np.array(np.diagonal(input._data, diagonal)), shape=input._data.shape, offset=diagonal)
    raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements on a diagonal."""
    return diag(reshape(input, -1) if input.ndim != 1 else input.contiguous().view(-1), offset)


def _trace_backward(node, g):
    zeros = np.zeros(node.shape, g._data.dtype)
    np.fill_diagonal(zeros, g._data)
    return operation(TRACE_BACKWARD, (g,), zeros)


TRACE, TRACE_BACKWARD = kind("TraceBackward0", _trace_backward), kind("TraceBackwardBackward0", lambda node, g: trace(g))


def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    x = input._data
    return operation(TRACE, (input,), np.trace(x if x.dtype.kind == "f" else x.astype(np.int64)), shape=x.shape)


# Repeated --------------------------------------------------------------------------------------------------------------------------

def _repeat_backward(node, g):
    shape = (1,) * (len(node.repeats) - len(node.shape)) + node.shape
    inner = g.reshape([n for pair in zip(node.repeats, shape) for n in pair])
    return inner.sum(tuple(range(0, 2 * len(shape), 2))).reshape(node.shape) if shape else g


REPEAT = kind("RepeatBackward0", _repeat_backward)


def repeat(self: Tensor, *repeats) -> Tensor:
    """Copies of the tensor side by side."""
    repeats = tuple(_dims(repeats))
    if len(repeats) < self.ndim:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    if any(n < 0 for n in repeats):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(repeats)}: {[n * m for n, m in zip(repeats, self._data.shape)]}")
    return operation(REPEAT, (self,), np.asarray(np.tile(self._data, repeats), order="C") if repeats else self._data, repeats=repeats, shape=self._data.shape)


def tile(input: Tensor, *dims) -> Tensor:
    """As :meth:`repeat`, with 1 for the axes in front that are not named."""
    dims = tuple(_dims(dims))
    return repeat(input, (1,) * (input.ndim - len(dims)) + dims)


def repeat_interleave(input: Tensor, repeats=None, dim: int | None = None, *, output_size: int | None = None) -> Tensor:
    """Each element so many times, one behind the other."""
    if repeats is None:
        return made_of(np.repeat(np.arange(input.numel()), input._data))
    if isinstance(repeats, int):
        flat = reshape(input, -1) if dim is None else input
        axis = 0 if dim is None else wrapped_dim(dim, flat.ndim)
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        if flat.ndim == 0:
            flat = reshape(flat, 1)
        shape = flat._data.shape
        wide = unsqueeze(flat, axis + 1).expand(*shape[:axis + 1], repeats, *shape[axis + 1:]).clone()
        return wide.view(*shape[:axis], shape[axis] * repeats, *shape[axis + 1:])
    flat = reshape(input, -1) if dim is None else input
    axis = 0 if dim is None else wrapped_dim(dim, flat.ndim)
    counts = np.broadcast_to(repeats._data, (flat._data.shape[axis],)) if repeats._data.size == 1 else repeats._data
    if counts.shape != (flat._data.shape[axis],):
        raise RuntimeError(f"repeats must have the same size as input along dim, but got repeats.size(0) = {counts.shape[0]} and input.size({axis}) = "
                           f"{flat._data.shape[axis]}")
    return index_select(flat, axis, made_of(np.repeat(np.arange(len(counts)), counts)))


# Put together and taken apart --------------------------------------------------------------------------------------------------------

def _at_least(count: int):
    def raised(x: Tensor) -> Tensor:
        if count == 1:
            return reshape(x, 1) if x.ndim == 0 else x
        if count == 2:
            return reshape(x, 1, 1) if x.ndim == 0 else unsqueeze(x, 0) if x.ndim == 1 else x
        if x.ndim == 0:
            return reshape(x, 1, 1, 1)
        return unsqueeze(unsqueeze(x, 0), -1) if x.ndim == 1 else unsqueeze(x, -1) if x.ndim == 2 else x

    def function(*tensors):
        if len(tensors) == 1 and isinstance(tensors[0], Tensor):
            return raised(tensors[0])
        return tuple([raised(x) for x in _dims(tensors)])
    function.__doc__ = f"Tensors with {count} axes or more."
    return function


atleast_1d, atleast_2d, atleast_3d = _at_least(1), _at_least(2), _at_least(3)


def _stacker(name: str, raised, dim):
    def function(tensors, *, out=None) -> Tensor:
        if isinstance(tensors, Tensor):
            raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor")
        if not tensors:
            raise RuntimeError(f"{name} expects a non-empty TensorList")
        tensors = raised(*tensors)
        tensors = tensors if isinstance(tensors, tuple) else (tensors,)
        return cat(tensors, dim(tensors[0]))
    function.__name__ = name
    function.__doc__ = f"As ``numpy.{name}``."
    return function


hstack = _stacker("hstack", atleast_1d, lambda first: 0 if first.ndim == 1 else 1)
vstack, dstack = _stacker("vstack", atleast_2d, lambda _: 0), _stacker("dstack", atleast_3d, lambda _: 2)
column_stack = _stacker("column_stack", lambda *xs: tuple([reshape(x, x.numel(), 1) if x.ndim <= 1 else x for x in xs]), lambda _: 1)


def tensor_split(input: Tensor, indices_or_sections, dim: int = 0) -> tuple:
    """Parts along an axis: so many nearly equal ones, or with cuts at indices."""
    if input.ndim == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    axis = wrapped_dim(dim, input.ndim)
    extent = input._data.shape[axis]
    if isinstance(indices_or_sections, Tensor):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        if indices_or_sections <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {indices_or_sections}")
        small, more = divmod(extent, indices_or_sections)
        cuts = [0, *itertools.accumulate([small + (k < more) for k in range(indices_or_sections)])]
    else:
        cuts = [0, *[min(max(k + extent if k < 0 else k, 0), extent) for k in indices_or_sections], extent]
    return tuple([narrow(input, axis, a, max(b - a, 0)) for a, b in itertools.pairwise(cuts)])


def _splitter(name: str, least: int, dim):
    def function(input: Tensor, indices_or_sections) -> tuple:
        if input.ndim < least:
            raise RuntimeError(f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with {input.ndim} "
                               "dimensions!")
        axis = dim(input)
        if isinstance(indices_or_sections, int) and (indices_or_sections == 0 or input._data.shape[axis] % indices_or_sections):
            raise RuntimeError(f"torch.{name} attempted to split along dimension {axis}, but the size of the dimension {input._data.shape[axis]} is not "
                               f"divisible by "
                               f"the split_size {indices_or_sections}!")
        return tensor_split(input, indices_or_sections, axis)
    function.__name__ = name
    function.__doc__ = f"As ``numpy.{name}``."
    return function


hsplit, vsplit, dsplit = _splitter("hsplit", 1, lambda x: 0 if x.ndim == 1 else 1), _splitter("vsplit", 2, lambda _: 0), _splitter("dsplit", 3, lambda _: 2)


def split_with_sizes(input: Tensor, split_sizes, dim: int = 0) -> tuple:
    """Parts of these extents along an axis."""
    return split(input, list(split_sizes), dim)


def broadcast_tensors(*tensors) -> tuple:
    """All expanded to their common shape."""
    tensors = _dims(tensors)
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
    tensors = _dims(tensors)
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for each in tensors:
        if each.ndim > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {each}")
        if each.dtype is not tensors[0].dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
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
    places = np.array(list(choose(range(input.numel()), r)), np.int64).reshape(-1, r)
    return stack([index_select(input, 0, made_of(np.ascontiguousarray(places[:, k]))) for k in range(r)], 1)


def _block_diag_backward(node, g):
    return tuple([g[a].reshape(shape) if edge is not None else None for a, shape, edge in zip(node.places, node.shapes, node.edges)])


BLOCK_DIAG = kind("BlockDiagBackward0", _block_diag_backward)


def block_diag(*tensors) -> Tensor:
    """A matrix of blocks along its diagonal."""
    for number, each in enumerate(tensors):
        if each.ndim > 2:
            raise RuntimeError(f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {number} has {each.ndim} dimensions")
    blocks = [np.atleast_2d(x._data) for x in tensors]
    dtype = tensors[0].dtype
    for each in tensors[1:]:
        dtype = promote_types(dtype, each.dtype)
    zeros = np.zeros((sum(b.shape[0] for b in blocks), sum(b.shape[1] for b in blocks)), dtype.numpy)
    row = column = 0
    places = []
    for block in blocks:
        places.append((slice(row, row + block.shape[0]), slice(column, column + block.shape[1])))
        zeros[places[-1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return operation(BLOCK_DIAG, tensors, zeros, places=places, shapes=[x._data.shape for x in tensors])


# Differences and integrals -----------------------------------------------------------------------------------------------------------

def diff(input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None, *, out=None) -> Tensor:
    """Differences of neighbours along an axis, ``n`` times."""
    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    axis = wrapped_dim(dim, input.ndim)
    parts = [x for x in (prepend, input, append) if x is not None]
    made = cat(parts, axis) if len(parts) > 1 else input
    for _ in range(n):
        extent = made._data.shape[axis]
        above, below = narrow(made, axis, min(1, extent), max(extent - 1, 0)), narrow(made, axis, 0, max(extent - 1, 0))
        made = above.logical_xor(below) if made._data.dtype.kind == "b" else above - below
    return made.clone() if n == 0 else made


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """The integral by the trapezoidal rule along an axis."""
    axis = wrapped_dim(dim, y.ndim)
    extent = y._data.shape[axis]
    if extent == 0:
        return made_of(np.zeros([n for k, n in enumerate(y._data.shape) if k != axis], y._data.dtype))
    if x is None:
        return times(y.sum(axis) - times(y.select(axis, 0) + y.select(axis, -1), 0.5), dx)
    step = diff(x, 1, -1 if x.ndim == 1 else axis)
    step = reshape(step, *[-1 if k == axis else 1 for k in range(y.ndim)]) if x.ndim == 1 else step
    return over((step * (narrow(y, axis, 1, extent - 1) + narrow(y, axis, 0, extent - 1))).sum(axis), 2.0)


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """Running integrals by the trapezoidal rule."""
    axis = wrapped_dim(dim, y.ndim)
    extent = y._data.shape[axis]
    pairs = narrow(y, axis, 1, extent - 1) + narrow(y, axis, 0, extent - 1)
    if x is None:
        return times(pairs, dx / 2.0).cumsum(axis)
    step = diff(x, 1, -1 if x.ndim == 1 else axis)
    step = reshape(step, *[-1 if k == axis else 1 for k in range(y.ndim)]) if x.ndim == 1 else step
    return over((pairs * step).cumsum(axis), 2.0)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Powers of a vector as columns."""
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    columns = x.numel() if N is None else N
    ones = made_of(np.ones((x.numel(), min(columns, 1)), x._data.dtype))
    made = ones if columns < 2 else cat([ones, unsqueeze(x, 1).expand(x.numel(), columns - 1).cumprod(1)], 1)
    return made if increasing else flip(made, 1)


FUNCTIONS = {f.__name__: f for f in (flip, fliplr, flipud, rot90, roll, tril, triu, diag_embed, diag, diagflat, trace, tile, repeat_interleave, tensor_split,
                                     hsplit, vsplit,
                                     dsplit, split_with_sizes, diff)}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
Tensor.repeat = repeat
for _function in (tril, triu):
    setattr(Tensor, f"{_function.__name__}_", in_place(f"{_function.__name__}_", _function))
FUNCTIONS |= {f.__name__: f for f in (hstack, vstack, dstack, column_stack, broadcast_tensors, broadcast_shapes, meshgrid, cartesian_prod, combinations,
                                      block_diag, trapezoid,
                                      cumulative_trapezoid, vander)}
FUNCTIONS |= {"atleast_1d": atleast_1d, "atleast_2d": atleast_2d, "atleast_3d": atleast_3d, "tril_indices": tril_indices, "triu_indices": triu_indices,
              "trapz": trapezoid, "row_stack": vstack}
__all__ = ["FUNCTIONS"]
