"""Views by name, and what puts tensors together."""

from __future__ import annotations

import functools
import math
import warnings
from itertools import pairwise

import numpy as np

from .dtypes import DTYPES, promote_types
from .node import Node
from .record import cast, look_up_nodes, recorded, result, summed_to
from .stale import Stale
from .tensor import Size, Tensor, is_contiguous, made_of, shared, wrapped_dim
from .views import ViewNode, scatter, share, view_of

DIM_TYPE = "{}(): argument '{}' (position {}) must be int, not {}"


class _Reshaped(ViewNode):
    """Backward of whatever keeps the order of elements."""

    def fast(self, g):
        return (g.reshape(self.shape),)

    def backward(self, g):
        return (g.reshape(self.shape),)


class _Permuted(ViewNode):
    arguments: dict[str, str] = {}
    order: tuple = ()

    def fast(self, g):
        return (g.transpose(np.argsort(self.order)),)

    def backward(self, g):
        return (g.permute(*[int(k) for k in np.argsort(self.order)]),)


class ExpandBackward0(ViewNode):
    """Backward of expand: a sum."""

    def fast(self, g):
        return (summed_to(g, self.shape),)

    def backward(self, g):
        return (g.sum_to_size(self.shape),)


def _kind(name: str, parent: type) -> type:
    return type(name, (parent,), {"__doc__": f"{name} of PyTorch."})


_RESHAPED = {name: _kind(name, _Reshaped) for name in ("ViewBackward0", "UnsafeViewBackward0", "ReshapeAliasBackward0", "UnsqueezeBackward0",
                                                       "SqueezeBackward0",
                                                       "SqueezeBackward1", "SqueezeBackward2", "AliasBackward0", "DetachBackward0")}
class _Transposed(_Permuted):
    arguments = {"dim0": "dim0", "dim1": "dim1"}

    def backward(self, g):
        return (transpose(g, *[k for k, n in enumerate(self.order) if k != n] or (0, 0)),)


class _T(_Permuted):
    def backward(self, g):
        return (t(g),)


_PERMUTED = {"TransposeBackward0": _kind("TransposeBackward0", _Transposed), "PermuteBackward0": _kind("PermuteBackward0", _Permuted),
             "TBackward0": _kind("TBackward0", _T)}
SELECT, SLICE, DIAGONAL, UNFOLD, AS_STRIDED, SPLIT, UNBIND = (_kind(name, ViewNode) for name in (
    "SelectBackward0", "SliceBackward0", "DiagonalBackward0", "UnfoldBackward0", "AsStridedBackward0", "SplitBackward0", "UnbindBackward0"))


def _keeps(kind: type, *names: str, sizes: bool = True) -> None:
    """PyTorch keeps these arguments of a view."""
    kind.arguments = {name: name for name in names} | ({"self_sym_sizes": "shape"} if sizes else {})


_keeps(SELECT, "dim", "index")
_keeps(SLICE, "dim", "start", "end", "step")
_keeps(SPLIT, "dim", "split_size")
SPLIT_WITH_SIZES = _kind("SplitWithSizesBackward0", ViewNode)
_keeps(SPLIT_WITH_SIZES, "dim", "split_sizes")
_keeps(UNBIND, "dim", sizes=False)
_keeps(_RESHAPED["UnsqueezeBackward0"], "dim", sizes=False)
_keeps(_RESHAPED["SqueezeBackward1"], "dim")
_keeps(_RESHAPED["SqueezeBackward2"], "dim")
_keeps(_RESHAPED["AliasBackward0"], sizes=False)
_keeps(_PERMUTED["PermuteBackward0"], "dims", sizes=False)


def sizes_of(arguments: tuple) -> tuple:
    """Extents given one by one or as one sequence."""
    if len(arguments) == 1 and isinstance(arguments[0], (tuple, list)):
        arguments = tuple(arguments[0])
    return arguments if all([n.__class__ is int for n in arguments]) else tuple([int(n) for n in arguments])


def _resolved(shape: tuple, count: int) -> tuple:
    """A shape with -1 worked out."""
    if math.prod(shape) == count and (not shape or min(shape) >= 0):
        return shape
    if shape.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if any(n < -1 for n in shape):
        raise RuntimeError(f"invalid shape dimension {next(n for n in shape if n < -1)}")
    known = math.prod([n for n in shape if n != -1])
    if -1 in shape:
        if known == 0 and count == 0:
            raise RuntimeError(f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension size -1 can be any value "
                               f"and is "
                               "ambiguous")
        if known and count % known == 0:
            return tuple([count // known if n == -1 else n for n in shape])
    elif known == count:
        return shape
    raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {count}")


def _as_view(array: np.ndarray, shape: tuple):
    """The array under another shape without a copy; None when there is no such view."""
    if array.flags.c_contiguous:
        return array.reshape(shape)
    try:
        return np.reshape(array, shape, copy=False)
    except ValueError:
        return None


def view(input: Tensor, *shape) -> Tensor:
    """The same elements under another shape, without a copy."""
    if len(shape) == 1 and hasattr(shape[0], "legacy"):
        return _viewed_as_dtype(input, shape[0])
    array = shared(input)
    new = _resolved(sizes_of(shape), array.size)
    data = _as_view(array, new)
    if data is None:
        raise RuntimeError("view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces). "
                           "Use "
                           ".reshape(...) instead.")
    return view_of(input, _RESHAPED["ViewBackward0"], lambda a: np.reshape(a, new), data)


def _viewed_as_dtype(input: Tensor, dtype) -> Tensor:
    return made_of(shared(input).view(dtype.numpy))


def reshape(input: Tensor, *shape) -> Tensor:
    """The same elements under another shape; a view where that is possible."""
    array = shared(input)
    new = _resolved(sizes_of(shape), array.size)
    data = _as_view(array, new)
    if data is not None:
        kind = "ViewBackward0" if is_contiguous(array) else "ReshapeAliasBackward0"
        return view_of(input, _RESHAPED[kind], lambda a: np.reshape(a, new), data)
    copy = input.clone()
    node = recorded(_RESHAPED["UnsafeViewBackward0"], (copy,))
    if node is not None:
        node.shape = array.shape
    return result(node, np.reshape(array, new))


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """A view in the shape of another tensor."""
    return view(input, other.shape)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """A reshape to the shape of another tensor."""
    return reshape(input, other.shape)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from ``start_dim`` to ``end_dim`` as one."""
    ndim = input.ndim
    start, end = wrapped_dim(start_dim, ndim), wrapped_dim(end_dim, ndim)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if ndim == 0:
        return reshape(input, 1)
    if start == end:
        return input
    shape = input._data.shape
    return reshape(input, *shape[:start], int(np.prod(shape[start:end + 1])), *shape[end + 1:])


def unflatten(input: Tensor, dim: int, sizes) -> Tensor:
    """One axis as several."""
    at, shape = wrapped_dim(dim, input.ndim), input._data.shape
    return view(input, *shape[:at], *_resolved(tuple(sizes), shape[at]), *shape[at + 1:])


def ravel(input: Tensor) -> Tensor:
    """One axis; a view of the tensor, or of a copy in order."""
    return view(input.contiguous(), -1)


def _permuted(input: Tensor, kind: str, order: tuple, **arguments) -> Tensor:
    return view_of(input, _PERMUTED[kind], lambda a: a.transpose(order), order=order, **arguments)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two axes exchanged."""
    order = list(range(input.ndim))
    if not order:
        wrapped_dim(dim0, 0), wrapped_dim(dim1, 0)
        return _permuted(input, "TransposeBackward0", (), dim0=dim0 % 2**64, dim1=dim1 % 2**64)
    a, b = wrapped_dim(dim0, input.ndim), wrapped_dim(dim1, input.ndim)
    order[a], order[b] = order[b], order[a]
    return _permuted(input, "TransposeBackward0", tuple(order), dim0=dim0 % 2**64, dim1=dim1 % 2**64)


def t(input: Tensor) -> Tensor:
    """A matrix transposed."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return _permuted(input, "TBackward0", tuple(reversed(range(input.ndim))))


def permute(input: Tensor, *dims) -> Tensor:
    """The axes in another order."""
    dims = sizes_of(dims)
    if len(dims) != input.ndim:
        raise RuntimeError("permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of dimensions i.e. "
                           f"input.dim() = {input.ndim} is not equal to len(dims) = {len(dims)}")
    order = tuple([wrapped_dim(d, input.ndim) for d in dims])
    if len(set(order)) != len(order):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return _permuted(input, "PermuteBackward0", order, dims=tuple([d % 2**64 for d in dims]))


def movedim(input: Tensor, source, destination) -> Tensor:
    """Axes moved to other places."""
    source, destination = ((d,) if isinstance(d, int) else tuple(d) for d in (source, destination))
    moved, goals = [[wrapped_dim(d, input.ndim) for d in dims] for dims in (source, destination)]
    for name, given, dims in (("source", source, moved), ("destination", destination, goals)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(given)})")
    if not input.ndim:
        return view_of(input, _RESHAPED["AliasBackward0"], lambda a: a[...])
    rest = [k for k in range(input.ndim) if k not in moved]
    for at, which in sorted(zip(goals, moved)):
        rest.insert(at, which)
    return _permuted(input, "PermuteBackward0", tuple(rest), dims=tuple(rest))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A new axis of extent 1."""
    at = wrapped_dim(dim, input.ndim + 1)
    return view_of(input, _RESHAPED["UnsqueezeBackward0"], lambda a: np.expand_dims(a, at), dim=dim % 2**64)


def squeeze(input: Tensor, dim=None) -> Tensor:
    """Without axes of extent 1, all or those named."""
    shape = input._data.shape
    if dim is None:
        kind, axes = "SqueezeBackward0", range(len(shape))
    elif isinstance(dim, int):
        kind, axes = "SqueezeBackward1", (wrapped_dim(dim, len(shape)),)
    else:
        kind, axes = "SqueezeBackward2", tuple([wrapped_dim(d, len(shape)) for d in dim])
    gone = tuple([k for k in axes if k < len(shape) and shape[k] == 1])
    return view_of(input, _RESHAPED[kind], lambda a: np.squeeze(a, gone), dim=dim % 2**64 if isinstance(dim, int) else dim)


def expand(input: Tensor, *sizes) -> Tensor:
    """Axes of extent 1 repeated without a copy; -1 keeps an extent."""
    sizes, shape = sizes_of(sizes), input._data.shape
    lead = len(sizes) - len(shape)
    if lead < 0:
        kind = "CPUBoolType" if input._data.dtype.kind == "b" else f"torch.{input.dtype.legacy}Tensor"
        raise RuntimeError(f"expand({kind}{{{list(shape)}}}, size={list(sizes)}): the number of sizes provided ({len(sizes)}) "
                           f"must be "
                           f"greater or equal to the number of dimensions in the tensor ({len(shape)})")
    new = list(sizes)
    for k in reversed(range(len(sizes))):
        n = sizes[k]
        own = shape[k - lead] if k >= lead else 1
        if n == -1:
            if k < lead:
                raise RuntimeError(f"The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {k}")
            new[k] = own
        elif own not in (1, n):
            raise RuntimeError(f"The expanded size of the tensor ({n}) must match the existing size ({own}) at non-singleton dimension {k}.  Target sizes: "
                               f"{list(sizes)}.  Tensor sizes: {list(shape)}")
    new = tuple(new)
    return view_of(input, ExpandBackward0, lambda a: _broadcast(a, new))


def _broadcast(array, shape):
    # As NumPy's broadcast_to, but axes of extent 1 keep their step. Writes are refused by the tensor's own check, with PyTorch's words.
    lead = len(shape) - array.ndim
    strides = [0 if k < lead or array.shape[k - lead] != shape[k] else array.strides[k - lead] for k in range(len(shape))]
    return np.lib.stride_tricks.as_strided(array, shape, strides)


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Expanded to the shape of another tensor."""
    return expand(input, *other.shape)


def broadcast_to(input: Tensor, size) -> Tensor:
    """Expanded to a shape."""
    return expand(input, *size)


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """One position along an axis, which goes."""
    if input.ndim == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    at = wrapped_dim(dim, input.ndim)
    extent = input._data.shape[at]
    if not -extent <= index < extent:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension {at}")
    return _selected(input, at, int(index))


def _selected(input: Tensor, at: int, index: int) -> Tensor:
    place = (slice(None),) * at + (index, ...)
    return view_of(input, SELECT, lambda a: a[place], dim=at, index=index % 2**64)


def _sliced(input: Tensor, at: int, part: slice) -> Tensor:
    place = (slice(None),) * at + (part,)
    return view_of(input, SLICE, lambda a: a[place], dim=at, start=(part.start or 0) % 2**64, end=2**63 - 1 if part.stop is None else part.stop % 2**64,
                   step=part.step or 1)


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """``length`` positions along an axis."""
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    at = wrapped_dim(dim, input.ndim)
    extent = input._data.shape[at]
    start = start + extent if start < 0 else start
    if start + length > extent:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({extent}).")
    return _sliced(input, at, slice(start, start + length))


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two axes, as the last axis."""
    a, b = wrapped_dim(dim1, input.ndim), wrapped_dim(dim2, input.ndim)

    def apply(array):
        made = np.diagonal(array, offset, a, b)
        made.flags.writeable = array.flags.writeable
        return made
    return view_of(input, DIAGONAL, apply)


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows along an axis, as a new last axis."""
    at = wrapped_dim(dimension, input.ndim)
    extent = input._data.shape[at] if input.ndim else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > extent:
        raise RuntimeError(f"maximum size for tensor at dimension {at} is {extent} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if not input.ndim:
        return view_of(input, UNFOLD, lambda a: a.reshape(1)[:size], overlaps=True)

    def apply(array):
        windows = np.lib.stride_tricks.sliding_window_view(array, size, at, writeable=array.flags.writeable)
        return windows[(slice(None),) * at + (slice(None, None, step),)]
    return view_of(input, UNFOLD, apply, overlaps=True)


def as_strided(input: Tensor, size, stride, storage_offset: int | None = None) -> Tensor:
    """Elements at the places that strides (in elements) lead to."""
    def apply(array):
        flat = array.reshape(-1) if is_contiguous(array) else np.ascontiguousarray(array).reshape(-1)
        return np.lib.stride_tricks.as_strided(flat[storage_offset or 0:], tuple(size), tuple([s * array.itemsize for s in stride]))
    return view_of(input, AS_STRIDED, apply, overlaps=True)


def _several(input: Tensor, kind: type, parts: list, **arguments) -> tuple:
    """Views that one node has for outputs. ``arguments``: what PyTorch keeps of the call."""
    array = shared(input)
    node = recorded(_of_several(kind, len(parts)), (input,))
    if node is not None:
        node.shape, node.parts = array.shape, parts
        node.__dict__.update(arguments)
    made = []
    for number, part in enumerate(parts):
        def apply(a, part=part):
            return a[part]
        each = made_of(apply(array))
        if node is not None:
            each._rg, each._grad_fn, each._number = True, node, number
        share(each, input, "several")
        made.append(each)
    return tuple(made)


class _SeveralNode(ViewNode):
    def backward(self, *gradients):
        total = None
        for g, part in zip(gradients, self.parts):
            if g is not None:
                each = scatter(g, self.shape, lambda a, part=part: a[part])
                total = each if total is None else total + each
        return (total,)

    fast = None


def _of_several(kind: type, count: int) -> type:
    return type(kind.__name__, (_SeveralNode,), {"outputs": count, "arguments": kind.arguments, "__doc__": kind.__doc__})


def _axis_to_split(name: str, input: Tensor, dim: int) -> int:
    if not input.ndim:
        raise RuntimeError(f"{name} expects at least a 1-dimensional tensor")
    return wrapped_dim(dim, input.ndim)


def split(input: Tensor, split_size_or_sections, dim: int = 0) -> tuple:
    """Parts along an axis, of one extent or of those named."""
    at = _axis_to_split("split", input, dim)
    extent = input._data.shape[at]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0:
            raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
        if size == 0 and extent:
            raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {extent}")
        bounds = list(range(0, extent, size)) + [extent] if extent else [0, 0]
    else:
        sizes = list(split_size_or_sections)
        if sum(sizes) == extent and min(sizes, default=0) < 0:
            raise RuntimeError(f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={sizes}")
        if sum(sizes) != extent:
            raise RuntimeError(f"split_with_sizes expects split_sizes to sum exactly to {extent} (input tensor's size at dimension {at}), but got "
                               f"split_sizes={sizes}")
        bounds = [0, *np.cumsum(sizes).tolist()]
    kind = SPLIT if isinstance(split_size_or_sections, int) else SPLIT_WITH_SIZES
    return _several(input, kind, [(slice(None),) * at + (slice(a, b),) for a, b in pairwise(bounds)], dim=dim % 2**64,
                    split_size=split_size_or_sections, split_sizes=split_size_or_sections)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple:
    """So many parts along an axis, as equal as can be."""
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    extent = input._data.shape[_axis_to_split("chunk", input, dim)]
    return split(input, -(-extent // chunks), dim) if extent else split(input, [0] * chunks, dim)


def unbind(input: Tensor, dim: int = 0) -> tuple:
    """The positions along an axis, each a tensor without it."""
    if input.ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    at = wrapped_dim(dim, input.ndim)
    return _several(input, UNBIND, [(slice(None),) * at + (k, ...) for k in range(input._data.shape[at])], dim=dim % 2**64)


# Copies -----------------------------------------------------------------------------------------------------------------------

class CatBackward0(Node):
    """Backward of cat: the parts of the gradient. ``operands``: shape and dtype of each; vectors without elements count for nothing."""

    arguments = {"dim": "dim"}
    operands: list = []

    def fast(self, g):
        return tuple([g[part].reshape(shape).astype(dtype, copy=False) for part, (shape, dtype) in zip(self.parts, self.operands)])

    def backward(self, g):
        return tuple([self._part(g, k).to(DTYPES[dtype]) if shape != (0,) else made_of(np.zeros(0, dtype)) for k, (shape, dtype) in enumerate(self.operands)])

    def _part(self, g, k: int):
        bounds = self.parts[k][-1]
        return narrow(g, self.at, bounds.start, bounds.stop - bounds.start)


class StackBackward0(CatBackward0):
    """Backward of stack."""

    def _part(self, g, k: int):
        return select(g, self.at, k)


def _together(tensors, name: str) -> list[Tensor]:
    if isinstance(tensors, Tensor):
        raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor")
    return list(tensors)


def cat(tensors, dim: int = 0, *, out=None) -> Tensor:
    """Tensors one behind the other along an axis."""
    tensors = _together(tensors, "cat")
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    look_up_nodes(tensors)
    for number, each in enumerate(tensors):
        if each.ndim == 0:
            raise RuntimeError(f"zero-dimensional tensor (at position {number}) cannot be concatenated")
    present = [x for x in tensors if x._data.shape != (0,)] or tensors  # PyTorch still takes such empty vectors for nothing
    at = wrapped_dim(dim, present[0].ndim)
    for number, each in enumerate(tensors):
        if each._data.shape == (0,):
            continue
        if each.ndim != present[0].ndim:
            raise RuntimeError(f"Tensors must have same number of dimensions: got {present[0].ndim} and {each.ndim}")
        for k, (a, b) in enumerate(zip(present[0]._data.shape, each._data.shape)):
            if k != at and a != b:
                raise RuntimeError(f"Sizes of tensors must match except in dimension {at}. Expected size {a} but got size {b} for tensor number {number} in "
                                   f"the "
                                   "list.")
    dtype = _common(tensors)
    node = recorded(CatBackward0, tensors)
    if node is not None:
        node.operands = [(x._data.shape, x._data.dtype) for x in tensors]
        bounds = [0, *np.cumsum([x._data.shape[at] if x._data.shape != (0,) else 0 for x in tensors]).tolist()]
        node.dim, node.at, node.parts = dim % 2**64, at, [(slice(None),) * at + (slice(a, b),) for a, b in pairwise(bounds)]
    return result(node, np.ascontiguousarray(np.concatenate([cast(x._data, dtype) for x in present], at)))


def stack(tensors, dim: int = 0, *, out=None) -> Tensor:
    """Tensors of one shape along a new axis."""
    tensors = _together(tensors, "stack")
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    look_up_nodes(tensors)
    for number, each in enumerate(tensors):
        if each._data.shape != tensors[0]._data.shape:
            raise RuntimeError(f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at entry 0 and {list(each.shape)} at entry "
                               f"{number}")
    at = wrapped_dim(dim, tensors[0].ndim + 1)
    dtype = _common(tensors)
    node = recorded(StackBackward0, tensors)
    if node is not None:
        node.operands = [(x._data.shape, x._data.dtype) for x in tensors]
        node.dim, node.at, node.parts = dim % 2**64, at, [(slice(None),) * at + (k, ...) for k in range(len(tensors))]
    return result(node, np.ascontiguousarray(np.stack([cast(x._data, dtype) for x in tensors], at)))


def _common(tensors):
    dtype = tensors[0].dtype
    for each in tensors[1:]:
        dtype = promote_types(dtype, each.dtype)
    return dtype


_DEPRECATED_T = (
    "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will throw an error in a future release. Consider "
      "`x.mT` to "
      "transpose batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.")


def _axes_reversed(input: Tensor) -> Tensor:
    if input.ndim not in (0, 2):
        warnings.warn(_DEPRECATED_T, UserWarning, stacklevel=2)
    order = tuple(reversed(range(input.ndim)))
    return _permuted(input, "PermuteBackward0", order, dims=order)


def _matrix_transposed(name: str):
    def transposed(input: Tensor) -> Tensor:
        if not input.ndim:
            warnings.warn(f"Tensor.{name} is deprecated on 0-D tensors. " + ("This function is the identity in these cases." if name == "mT" else
                                                                            "Consider using x.conj()."), UserWarning, stacklevel=2)
            return input
        if name == "H" and input.ndim != 2:
            raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {input.ndim}-D tensor.")
        if input.ndim == 1:
            raise RuntimeError(f"tensor.{name} is only supported on matrices or batches of matrices. Got 1-D tensor.")
        return transpose(input, -2, -1)
    transposed.__doc__ = "The last two axes exchanged."
    return transposed


FUNCTIONS = {f.__name__: f for f in (reshape, flatten, unflatten, ravel, transpose, t, permute, movedim, unsqueeze, squeeze, broadcast_to, select, narrow,
                                     diagonal,
                                     as_strided, split, chunk, unbind, cat, stack)}
FUNCTIONS |= {"swapaxes": transpose, "swapdims": transpose, "moveaxis": movedim, "concat": cat, "concatenate": cat}
for _name, _function in FUNCTIONS.items():
    if _function not in (cat, stack):
        setattr(Tensor, _name, _function)
for _function in (view, view_as, reshape_as, expand, expand_as, unfold):
    setattr(Tensor, _function.__name__, _function)
Tensor.T = property(_axes_reversed)


def _node_first(function):
    @functools.wraps(function)
    def method(self, *args, **kwargs):
        look_up_nodes((self,))
        return function(self, *args, **kwargs)
    return method


for _name in (*FUNCTIONS, "view", "view_as", "reshape_as", "expand", "expand_as", "unfold"):
    if hasattr(Tensor, _name):
        setattr(Stale, _name, _node_first(getattr(Tensor, _name)))  # a view that cannot be used any more is told before dims are looked at
Tensor.mT, Tensor.mH, Tensor.H = property(_matrix_transposed("mT")), property(_matrix_transposed("mH")), property(_matrix_transposed("H"))

__all__ = ["FUNCTIONS", "Size"]
