"""Views of whole tensors: reshaped, permuted, expanded."""

from __future__ import annotations

import functools
import math
import operator
import warnings

import numpy as np

from ..dtypes import Dtype
from ..record import look_up_nodes, recorded, result, summed_to
from ..stale import Stale
from ..tensor import Tensor, is_contiguous, made_of, shared, with_logical_strides, wrapped_dim
from ..views import ViewNode, view_of
from ..words import type_name

DIM_TYPE = "{}(): argument '{}' (position {}) must be int, not {}"


class _Reshaped(ViewNode):
    """Backward of whatever keeps the order of elements."""

    def fast(self, g):
        return (g.reshape(self.shape),)

    def backward(self, g):
        return (g.reshape(self.shape),)


class _Unsqueezed(_Reshaped):
    def backward(self, g):
        return (squeeze(g, self.at),)


class _Squeezed(_Reshaped):
    def backward(self, g):
        for axis in self.gone:
            g = unsqueeze(g, axis)
        return (g,)


class _Alias(_Reshaped):
    def backward(self, g):
        return (g,)


class _Permuted(ViewNode):
    arguments: dict[str, str] = {}

    def fast(self, g):
        return (g.transpose(_inverse(self.order)),)

    def backward(self, g):
        return (g.permute(*_inverse(self.order)),)


@functools.lru_cache(maxsize=1024)
def _inverse(order: tuple) -> tuple:
    return tuple(sorted(range(len(order)), key=order.__getitem__))


class ExpandBackward0(ViewNode):
    """Backward of expand: a sum."""

    def fast(self, g):
        return (summed_to(g, self.shape),)

    def backward(self, g):
        return (g.sum_to_size(self.shape) if self.shape else g.sum(),)


def view_kind(name: str, parent: type) -> type:
    """A class of nodes of views, with a name of PyTorch."""
    return type(name, (parent,), {"__doc__": f"{name} of PyTorch."})


RESHAPED = {name: view_kind(name, parent) for parent, names in {
    _Reshaped: ("ViewBackward0", "UnsafeViewBackward0", "ReshapeAliasBackward0", "DetachBackward0"), _Unsqueezed: ("UnsqueezeBackward0",),
    _Squeezed: ("SqueezeBackward0", "SqueezeBackward1", "SqueezeBackward2"), _Alias: ("AliasBackward0",)}.items() for name in names}


class _Transposed(_Permuted):
    arguments = {"dim0": "dim0", "dim1": "dim1"}

    def backward(self, g):
        return (transpose(g, *[k for k, n in enumerate(self.order) if k != n] or (0, 0)),)


class _T(_Permuted):
    def backward(self, g):
        return (t(g),)


_PERMUTED = {"TransposeBackward0": view_kind("TransposeBackward0", _Transposed), "PermuteBackward0": view_kind("PermuteBackward0", _Permuted),
             "TBackward0": view_kind("TBackward0", _T)}


def keeps(kind: type, *names: str, sizes: bool = True) -> None:
    """PyTorch keeps these arguments of a view."""
    kind.arguments = {name: name for name in names} | ({"self_sym_sizes": "shape"} if sizes else {})


keeps(RESHAPED["UnsqueezeBackward0"], "dim", sizes=False)
keeps(RESHAPED["SqueezeBackward1"], "dim")
keeps(RESHAPED["SqueezeBackward2"], "dim")
keeps(RESHAPED["AliasBackward0"], sizes=False)
keeps(_PERMUTED["PermuteBackward0"], "dims", sizes=False)


def sizes_of(arguments: tuple, name: str = "zeros", argument: str = "size") -> tuple:
    """Extents given one by one or as one sequence; TypeError in the words of the function ``name``."""
    if len(arguments) == 1 and isinstance(arguments[0], (tuple, list)):
        arguments = tuple(arguments[0])
    if all([n.__class__ is int for n in arguments]):
        return arguments
    return tuple([_extent(each, name, argument, position, len(arguments)) for position, each in enumerate(arguments, 1)])


def _extent(value, name: str, argument: str, position: int, count: int) -> int:
    try:
        return operator.index(value)
    except TypeError:
        if count == 1:
            raise TypeError(f"{name}(): argument '{argument}' (position 1) must be tuple of ints, not {type_name(value)}") from None
        raise TypeError(f"{name}(): argument '{argument}' failed to unpack the object at pos {position} with error \"type must be tuple of ints,but got "
                        f"{type_name(value)}\"") from None


def _resolved(arguments: tuple, count: int, name: str, argument: str) -> tuple:
    """The shape that a call gives, with -1 worked out."""
    total = math.prod(arguments)
    if total == count and arguments and min(arguments) >= 0 and total.__class__ is int:
        return arguments
    shape = sizes_of(arguments, name, argument)
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
    if not array.size:
        return array if array.shape == shape else with_logical_strides(array.reshape(shape))
    if array.flags.c_contiguous:
        return array.reshape(shape)
    try:
        return np.reshape(array, shape, copy=False)
    except ValueError:
        return None


def view(input: Tensor, *shape) -> Tensor:
    """The same elements under another shape, without a copy."""
    if len(shape) == 1 and isinstance(shape[0], Dtype):
        return _viewed_as_dtype(input, shape[0])
    array = shared(input)
    new = _resolved(shape, array.size, "view", "size")
    data = _as_view(array, new)
    if data is None:
        raise RuntimeError("view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces). "
                           "Use "
                           ".reshape(...) instead.")
    return view_of(input, RESHAPED["ViewBackward0"], lambda a: np.reshape(a, new), data)


def _viewed_as_dtype(input: Tensor, dtype) -> Tensor:
    return made_of(shared(input).view(dtype.numpy))


def reshape(input: Tensor, *shape) -> Tensor:
    """The same elements under another shape; a view where that is possible."""
    array = shared(input)
    new = _resolved(shape, array.size, "reshape", "shape")
    data = _as_view(array, new)
    if data is not None:
        kind = "ViewBackward0" if is_contiguous(array) else "ReshapeAliasBackward0"
        return view_of(input, RESHAPED[kind], lambda a: np.reshape(a, new), data)
    copy = input.clone()
    node = recorded(RESHAPED["UnsafeViewBackward0"], (copy,))
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
    return view(input, *shape[:at], *_resolved(tuple(sizes), shape[at], "unflatten", "sizes"), *shape[at + 1:])


def ravel(input: Tensor) -> Tensor:
    """One axis; a view of the tensor, or of a copy in order."""
    return view(input.contiguous(), -1)


def _permuted(input: Tensor, kind: str, order: tuple, **arguments) -> Tensor:
    return view_of(input, _PERMUTED[kind], lambda a: a.transpose(order), order=order, **arguments)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two axes exchanged."""
    ndim = input._data.ndim
    a, b = wrapped_dim(dim0, ndim), wrapped_dim(dim1, ndim)
    order = list(range(ndim))
    if order:
        order[a], order[b] = b, a
    order = tuple(order)
    return view_of(input, _PERMUTED["TransposeBackward0"], lambda x: x.transpose(order), order=order, dim0=dim0, dim1=dim1)


def t(input: Tensor) -> Tensor:
    """A matrix transposed."""
    ndim = input._data.ndim
    if ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {ndim}D")
    return _permuted(input, "TBackward0", ((), (0,), (1, 0))[ndim])


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """:func:`transpose` by another name."""
    return transpose(input, axis0, axis1)


def permute(input: Tensor, *dims) -> Tensor:
    """The axes in another order."""
    dims, ndim = sizes_of(dims, "permute", "dims"), input._data.ndim
    if len(dims) != ndim:
        raise RuntimeError("permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of dimensions i.e. "
                           f"input.dim() = {ndim} is not equal to len(dims) = {len(dims)}")
    order = dims if set(dims) == _axes(ndim) else tuple([wrapped_dim(d, ndim) for d in dims])
    if len(set(order)) != ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return view_of(input, _PERMUTED["PermuteBackward0"], lambda a: a.transpose(order), order=order, dims=dims)


@functools.cache
def _axes(ndim: int) -> frozenset:
    return frozenset(range(ndim))


def movedim(input: Tensor, source, destination) -> Tensor:
    """Axes moved to other places."""
    source, destination = ((d,) if isinstance(d, int) else tuple(d) for d in (source, destination))
    if len(source) != len(destination):
        raise RuntimeError(f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain the same number of dims as destination "
                           f"({list(destination)} dims)")
    moved, goals = [[wrapped_dim(d, input.ndim) for d in dims] for dims in (source, destination)]
    for name, given, dims in (("source", source, moved), ("destination", destination, goals)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(given)})")
    if not input.ndim:
        return view_of(input, RESHAPED["AliasBackward0"], lambda a: a[...])
    rest = [k for k in range(input.ndim) if k not in moved]
    for at, which in sorted(zip(goals, moved)):
        rest.insert(at, which)
    return _permuted(input, "PermuteBackward0", tuple(rest), dims=tuple(rest))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A new axis of extent 1."""
    at = wrapped_dim(dim, input.ndim + 1)
    return view_of(input, RESHAPED["UnsqueezeBackward0"], lambda a: a.reshape(a.shape[:at] + (1,) + a.shape[at:]), dim=dim, at=at)


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
    return view_of(input, RESHAPED[kind], lambda a: a.squeeze(gone), dim=dim, gone=gone)


def expand(input: Tensor, *sizes) -> Tensor:
    """Axes of extent 1 repeated without a copy; -1 keeps an extent."""
    sizes, shape = sizes_of(sizes, "expand"), input._data.shape
    lead = len(sizes) - len(shape)
    if lead < 0:
        kind = "CPUBoolType" if input._data.dtype.kind == "b" else f"torch.{input.dtype.legacy}Tensor"
        raise RuntimeError(f"expand({kind}{{{list(shape)}}}, size={list(sizes)}): the number of sizes provided ({len(sizes)}) "
                           f"must be "
                           f"greater or equal to the number of dimensions in the tensor ({len(shape)})")
    new = sizes if sizes[lead:] == shape and (not lead or min(sizes) >= 0) else _expanded(sizes, shape, lead)
    return view_of(input, ExpandBackward0, lambda a: _broadcast(a, new))


def _expanded(sizes: tuple, shape: tuple, lead: int) -> tuple:
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
    return tuple(new)


def _broadcast(array, shape):
    # As NumPy's broadcast_to, but axes of extent 1 keep their step. Writes are refused by the tensor's own check, with PyTorch's words.
    lead = len(shape) - array.ndim
    if lead and array.ndim and 1 in shape[:lead]:  # such an axis has the step of what is inside it, whole
        steps = list(_broadcast(array, shape[lead:]).strides)
        for k in reversed(range(lead)):
            steps.insert(0, shape[k + 1] * steps[0] if shape[k] == 1 else 0)
        return np.lib.stride_tricks.as_strided(array, shape, steps)
    strides = [0] * lead + [step if n == m else 0 for step, n, m in zip(array.strides, array.shape, shape[lead:])]
    if array.flags.c_contiguous:
        return np.ndarray(shape, array.dtype, array, 0, strides)  # a tenth of the time of as_strided, which knows any array
    return np.lib.stride_tricks.as_strided(array, shape, strides)


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Expanded to the shape of another tensor."""
    return expand(input, *other.shape)


def broadcast_to(input: Tensor, size) -> Tensor:
    """Expanded to a shape."""
    return expand(input, *size)


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
            said = name if name.endswith(")") else f"Tensor.{name}"
            cure = "This function is the identity in these cases." if name == "mT" else "Consider using x.conj()."
            warnings.warn(f"{said} is deprecated on 0-D tensors. {cure}", UserWarning, stacklevel=2)
            return input
        if name == "H" and input.ndim != 2:
            raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {input.ndim}-D tensor." + (
                " For batches of matrices, consider using tensor.mH" if input.ndim > 2 else ""))
        if input.ndim == 1:
            raise RuntimeError(f"tensor.{name} is only supported on matrices or batches of matrices. Got 1-D tensor.")
        return transpose(input, -2, -1)
    transposed.__doc__ = "The last two axes exchanged."
    return transposed


def _node_first(function):
    @functools.wraps(function)
    def method(self, *args, **kwargs):
        look_up_nodes((self,))
        return function(self, *args, **kwargs)
    return method


def view_methods(functions: dict, composed: tuple[str, ...] = ()) -> None:
    """Gives tensors these functions as methods.

    A view that cannot be used any more is told before dims are looked at, but by those that are ``composed`` of others.
    """
    for name, function in functions.items():
        setattr(Tensor, name, function)
        if name not in composed:
            setattr(Stale, name, _node_first(function))


FUNCTIONS = {f.__name__: f for f in (reshape, flatten, unflatten, ravel, transpose, t, permute, movedim, unsqueeze, squeeze, broadcast_to)}
FUNCTIONS |= {"swapaxes": swapaxes, "swapdims": transpose, "moveaxis": movedim}
view_methods(FUNCTIONS | {f.__name__: f for f in (view, view_as, reshape_as, expand, expand_as)},
             ("flatten", "unflatten", "ravel", "movedim", "moveaxis"))
Tensor.T = property(_axes_reversed)
FUNCTIONS["adjoint"] = Tensor.adjoint = _matrix_transposed("adjoint()")
Tensor.mT, Tensor.mH, Tensor.H = property(_matrix_transposed("mT")), property(_matrix_transposed("mH")), property(_matrix_transposed("H"))
