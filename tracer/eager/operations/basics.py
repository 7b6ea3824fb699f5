"""What every tensor can do: copies and detaching, conversions to Python and NumPy, truth, iteration, updates that fill and copy."""

from __future__ import annotations

import warnings

import numpy as np

from ..devices import Device, check_device
from ..dtypes import DTYPES, Dtype, bool_, float16, float32, float64, int8, int16, int32, int64, of_numpy, uint8
from ..geometry import in_layout_of
from ..modes import state
from ..node import INFERENCE, Node, now
from ..record import broadcast_shape, look_up_nodes, recorded, result
from ..stale import outdate
from ..tensor import Tensor, counter_of, is_contiguous, made_of, shared
from ..updates import check_overlap, check_writable, recordable, update
from .indexing import CopyBackwards, ZeroBackward0, copied_into, filled_by, filled_with

_SCALAR_WARNING = ("Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\nConsider using tensor.detach() first.")
_DETACH_VIEW = ("Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for training, and "
                "gradient_as_bucket_view is set "
                "as True, gradients are views of DDP buckets, and hence detach_() cannot be called on these gradients. To fix this error, please refer to the "
                "Optimizer.zero_grad() function in torch/optim/optimizer.py as the solution.")


class CloneBackward0(Node):
    """Backward of clone."""

    def fast(self, g):
        return (g,)

    backward = fast


class ToCopyBackward0(Node):
    """Backward of a change of dtype."""

    source = None

    def fast(self, g):
        return (g.astype(self.source.numpy),)

    def backward(self, g):
        return (to(g, self.source),)


def clone(input: Tensor, *, memory_format=None) -> Tensor:
    """A copy, recorded."""
    data = input._data
    if data.ndim:
        return result(recorded(CloneBackward0, (input,)), _copied(data))
    return result(recorded(CloneBackward0, (input,)), np.array(data)[()])


def _copied(data, dtype=None):
    """A copy, dense, its axes in the order that they have."""
    copy = np.array(data, dtype)
    return in_layout_of(copy, data) if copy.ndim > 1 else copy


def contiguous(input: Tensor) -> Tensor:
    """The tensor itself if its elements lie in order, else a copy."""
    if is_contiguous(input._data):
        return input
    return result(recorded(CloneBackward0, (input,)), np.ascontiguousarray(input._data))


def detach(input: Tensor) -> Tensor:
    """The same memory outside of the tape."""
    made = made_of(shared(input) if input._data.ndim else _shared_scalar(input))
    made._inference = input._inference
    made._counter = INFERENCE if made._inference else counter_of(input)
    return made


def _shared_scalar(input: Tensor):
    return shared(input)


def detach_(self: Tensor) -> Tensor:
    """Take the tensor itself off the tape."""
    if self._view is not None:
        raise RuntimeError(_DETACH_VIEW)
    if self._grad_fn is not None:
        counter_of(self)  # what looks at counters will see it
        self._detached = now()
    self._rg, self._grad_fn, self._number = False, None, 0
    if self._views is not None:
        outdate(self)
    return self


def _data(self: Tensor) -> Tensor:
    """The same memory outside of the tape, with a version counter of its own."""
    return made_of(shared(self))


def _set_data(self: Tensor, value: Tensor) -> None:
    self._data = value._data


def sum_to_size(input: Tensor, *size) -> Tensor:
    """Sums over what a shape was broadcast along."""
    size = tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    shape = input._data.shape
    if shape == size:
        return input
    if not size:
        return input.sum()
    lead = len(shape) - len(size)
    if lead < 0 or any([n not in (1, m) for n, m in zip(size, shape[lead:])]):
        raise RuntimeError(f"size {{{list(size)}}} is not expandable to size {{{list(shape)}}}.")
    axes = [k for k, n in enumerate(shape) if k < lead or (size[k - lead] == 1 and n != 1)]
    summed = input.sum(axes, keepdim=True)
    return summed.view(*size) if lead else summed


def to(input: Tensor, *args, dtype: Dtype | None = None, device=None, non_blocking: bool = False, copy: bool = False, memory_format=None) -> Tensor:
    """The tensor in another dtype; itself if it has that one."""
    if args and isinstance(args[0], (str, Device, int)):
        device, args = args[0], args[1:]
    check_device(device, "to")
    for each in args:
        if isinstance(each, Dtype):
            dtype = each
        elif isinstance(each, Tensor):
            dtype = each.dtype
        elif isinstance(each, bool):
            copy = copy or each
    dtype = dtype or input.dtype
    if input._data.dtype == dtype.numpy and not copy:
        return input
    node = recorded(ToCopyBackward0, (input,)) if dtype.is_floating_point else None
    if node is not None:
        node.source = input.dtype
    return result(node, _copied(input._data, dtype.numpy)[()])


def cuda(self: Tensor, *_, **__):
    """Refused: there is the CPU alone."""
    check_device("cuda", "cuda")


def type_(input: Tensor, dtype=None):
    """The name of the tensor's type, or the tensor in another dtype."""
    return f"torch.{input.dtype.legacy}Tensor" if dtype is None else to(input, dtype)


# Out of the library ----------------------------------------------------------------------------------------------------------

def numpy(self: Tensor, *, force: bool = False) -> np.ndarray:
    """The data as an array that shares the memory."""
    if self._rg and state.recording and not force:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
    return shared(self).view()


def _array(self: Tensor, dtype=None, copy=None) -> np.ndarray:
    array = numpy(self)
    return array if dtype is None else array.astype(dtype, copy=False)


def item(self: Tensor):
    """The only element, as a Python number."""
    if self._data.size != 1:
        raise RuntimeError(f"a Tensor with {self._data.size} elements cannot be converted to Scalar")
    return self._data.item()


def tolist(self: Tensor):
    """Nested lists of Python numbers."""
    return self._data.tolist()


def _scalar(self: Tensor, kind: type):
    if self._data.size != 1:
        raise ValueError("only one element tensors can be converted to Python scalars")
    if self._rg:
        warnings.warn(_SCALAR_WARNING, UserWarning, stacklevel=3)
    return kind(self._data.item())


def _index(self: Tensor) -> int:
    if self._data.size != 1 or self._data.dtype.kind not in "iub":
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(self._data.item())


def _bool(self: Tensor) -> bool:
    if self._data.size != 1:
        many = "more than one value" if self._data.size else "no values"
        raise RuntimeError(f"Boolean value of Tensor with {many} is ambiguous")
    return bool(self._data.item())


def _len(self: Tensor) -> int:
    if self._data.ndim == 0:
        raise TypeError("len() of a 0-d tensor")
    return self._data.shape[0]


def _iter(self: Tensor):
    if self._data.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


def _contains(self: Tensor, element) -> bool:
    if not isinstance(element, (Tensor, int, float, np.number)):
        raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")
    return bool((element == self).any())


def _deepcopy(self: Tensor, memo) -> Tensor:
    if self._grad_fn is not None:
        raise RuntimeError("Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  If you were attempting to "
                           "deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001")
    made = made_of(np.array(self._data))
    made._rg = self._rg
    if self._grad is not None:
        made._grad = _deepcopy(self._grad, memo)
    return made


def _reduce(self: Tensor):
    return _rebuilt, (np.array(self._data), self._rg)


def _rebuilt(data, requires_grad: bool) -> Tensor:
    made = made_of(data)
    made._rg = requires_grad
    return made


# Updates that forget what was there -------------------------------------------------------------------------------------------

def copy_(self: Tensor, src, non_blocking: bool = False) -> Tensor:
    """Overwrite with another tensor, cast and broadcast."""
    source = src if isinstance(src, Tensor) else made_of(np.asarray(src))
    records = recordable(self, (source,)) and self._data.dtype.kind == "f"
    check_writable(self, records)
    if records:
        look_up_nodes((self, source))
    check_overlap(self, source)
    shape = broadcast_shape(self._data.shape, source._data.shape)
    if shape != self._data.shape:
        raise RuntimeError(f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(shape)}")
    return update(self, copied_into, source)


def fill_(self: Tensor, value) -> Tensor:
    """Overwrite with one number."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
        return update(self, filled_by, value)
    return update(self, filled_with, value, overlaps=True)


def zero_(self: Tensor) -> Tensor:
    """Overwrite with zeros."""
    return update(self, lambda target: result(recorded(ZeroBackward0, (target,)), np.zeros_like(target._data)), overlaps=True)


def set_default(self: Tensor):
    """Whether new results are recorded for this tensor now."""
    return self._rg and state.recording


def _to_dtype(dtype: Dtype):
    def method(self):
        return to(self, dtype)
    return method


for _name, _dtype in {"float": float32, "double": float64, "half": float16, "long": int64, "int": int32, "short": int16, "char": int8, "byte": uint8,
                      "bool": bool_}.items():
    setattr(Tensor, _name, _to_dtype(_dtype))
for _function in (clone, contiguous, detach, detach_, sum_to_size, to, numpy, item, tolist, copy_, fill_, zero_):
    setattr(Tensor, _function.__name__, _function)
Tensor.type, Tensor.data = type_, property(_data, _set_data)
Tensor.type_as = lambda self, other: to(self, other.dtype)
Tensor.cpu, Tensor.cuda, Tensor.get_device = lambda self: self, cuda, lambda self: -1
Tensor.__array__, Tensor.__bool__, Tensor.__len__, Tensor.__iter__, Tensor.__contains__ = _array, _bool, _len, _iter, _contains
Tensor.__float__, Tensor.__int__ = (lambda self: _scalar(self, float)), (lambda self: _scalar(self, int))
Tensor.__index__, Tensor.__deepcopy__, Tensor.__reduce__, Tensor.__hash__ = _index, _deepcopy, _reduce, lambda self: id(self)

FUNCTIONS = {"clone": clone, "detach": detach}
__all__ = ["CopyBackwards", "DTYPES", "FUNCTIONS", "of_numpy", "set_default"]
