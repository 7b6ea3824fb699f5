"""What every tensor can do: copies and detaching, conversions to Python and NumPy, truth, iteration, updates that fill and copy."""

from __future__ import annotations

import warnings

import numpy as np

from ..devices import Device, check_device
from ..dtypes import DTYPES, Dtype, bool_, dtype_of, float16, float32, float64, int8, int16, int32, int64, of_numpy, uint8
from ..geometry import in_layout_of
from ..modes import state
from ..node import INFERENCE, Node, now
from ..record import broadcast_shape, look_up_nodes, recorded, result
from ..stale import outdate
from ..tensor import Tensor, counter_of, is_contiguous, made_of, shared
from ..updates import check_overlap, check_writable, is_same_memory, recordable, update
from ..words import type_name
from .filling import CopyBackwards, ZeroBackward0, copied_into, filled_by, filled_with

_SCALAR_WARNING = ("Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\nConsider using tensor.detach() first.")
_DETACH_VIEW = ("Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for training, and "
                "gradient_as_bucket_view is set "
                "as True, gradients are views of DDP buckets, and hence detach_() cannot be called on these gradients. To fix this error, please refer to the "
                "Optimizer.zero_grad() function in torch/optim/optimizer.py as the solution.")


_FILL = ("fill_() received an invalid combination of arguments - got ({given}), but expected one of:\n"
         " * (Tensor value)\n      didn't match because some of the arguments have invalid types: (!{given}!)\n"
         " * (Number value)\n      didn't match because some of the arguments have invalid types: (!{given}!)\n")


_TO = ("to() received an invalid combination of arguments - got ({given}), but expected one of:\n"
       " * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, bool copy = False, *, "
       "torch.memory_format memory_format = None)\n"
       " * (torch.dtype dtype, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)\n"
       " * (Tensor tensor, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)\n")


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
    self._rg, self._grad_fn, self._number, self._tangent = False, None, 0, None
    if self._views is not None:
        outdate(self)
    return self


def _data(self: Tensor) -> Tensor:
    """The same memory outside of the tape, with a version counter of its own."""
    return made_of(shared(self))


def _set_data(self: Tensor, value: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"Variable data has to be a tensor, but got {type_name(value)}")
    if self._rg and value._data.dtype.kind != "f":
        raise RuntimeError("data set to a tensor that requires gradients must be floating point or complex dtype")
    self._data = value._data


def _delete_data(self: Tensor) -> None:
    raise RuntimeError("Deleting tensor data is not allowed. Delete tensor instead!")


def sum_to_size(input: Tensor, *size) -> Tensor:
    """Sums over what a shape was broadcast along."""
    size = tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    shape = input._data.shape
    if not size:
        return input.sum()
    if shape == size:
        return input
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
    if device is not None:
        check_device(device, "to")
    for position, each in enumerate(args):
        each = dtype_of(each)
        if isinstance(each, Dtype):
            dtype = each
        elif isinstance(each, Tensor):
            dtype = each.dtype
        elif isinstance(each, bool):
            copy = copy or (each and position == len(args) - 1 and len(args) > 2)
        elif each is not None:
            raise TypeError(_TO.format(given=type_name(each)))
    dtype = dtype_of(dtype)
    if dtype is not None and not isinstance(dtype, Dtype):
        raise TypeError(_TO.format(given=f"dtype={type_name(dtype)}, "))
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


# Out of the library ----------------------------------------------------------------------------------------------------------

def numpy(self: Tensor, *, force: bool = False) -> np.ndarray:
    """The data as an array that shares the memory."""
    if self._rg and state.recording and not force:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
    return shared(self).view()


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


def _reversed(self: Tensor) -> Tensor:
    return self.flip(0) if self.ndim else self


def _contains(self: Tensor, element) -> bool:
    if not isinstance(element, (Tensor, int, float, np.number)):
        raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")
    return bool((element == self).any())


# Updates that forget what was there -------------------------------------------------------------------------------------------

def copy_(self: Tensor, src, non_blocking: bool = False) -> Tensor:
    """Overwrite with another tensor, cast and broadcast."""
    if not isinstance(src, Tensor):
        raise TypeError(f"copy_(): argument 'other' (position 1) must be Tensor, not {type_name(src)}")
    source = src
    records = recordable(self, (source,)) and self._data.dtype.kind == "f"
    onto_itself = is_same_memory(self, source)
    check_writable(self, records, onto_itself)
    if records:
        look_up_nodes((self, source))
    if not onto_itself:
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
    if not isinstance(value, (int, float, np.number, np.bool_)):
        raise TypeError(_FILL.format(given=type_name(value)))
    return update(self, filled_with, value, overlaps=True)


def zero_(self: Tensor) -> Tensor:
    """Overwrite with zeros."""
    return update(self, lambda target: result(recorded(ZeroBackward0, (target,)), np.zeros_like(target._data)), overlaps=True)


def apply_(self: Tensor, callable) -> Tensor:
    """Overwrite each element with what a Python function makes of it; not recorded."""
    return _mapped("apply_", self, callable)


def map_(self: Tensor, tensor: Tensor, callable) -> Tensor:
    """Overwrite each element with what a Python function makes of it and that of another tensor; not recorded."""
    return _mapped("map_", self, callable, tensor)


def map2_(self: Tensor, x: Tensor, y: Tensor, callable) -> Tensor:
    """:func:`map_` with two more tensors."""
    return _mapped("map2_", self, callable, x, y)


def _checked(value, kind: str):
    if not isinstance(value, (bool, int, float)):
        raise TypeError("must be real number, not " + type_name(value) if kind == "f" else f"'{type_name(value)}' object cannot be interpreted as an integer")
    return value


def _mapped(name: str, self: Tensor, function, *others: Tensor) -> Tensor:
    if any([each._rg for each in (self, *others)]):
        raise RuntimeError(f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead.")
    arrays = [self._data, *[each.expand(*self._data.shape)._data for each in others]]
    made = [_checked(function(*elements), self._data.dtype.kind) for elements in zip(*[each.ravel().tolist() for each in arrays])]
    shared(self)[...] = np.array(made, self._data.dtype).reshape(self._data.shape)  # without a new version, as in PyTorch
    return self


def set_default(self: Tensor):
    """Whether new results are recorded for this tensor now."""
    return self._rg and state.recording


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor in the dtype of another."""
    if not isinstance(other, Tensor):
        raise TypeError(f"type_as(): argument 'other' (position 1) must be Tensor, not {type_name(other)}")
    return to(self, other.dtype)


def _to_dtype(dtype: Dtype):
    def method(self, memory_format=None):
        return to(self, dtype, memory_format=memory_format)
    return method


for _name, _dtype in {"float": float32, "double": float64, "half": float16, "long": int64, "int": int32, "short": int16, "char": int8, "byte": uint8,
                      "bool": bool_}.items():
    setattr(Tensor, _name, _to_dtype(_dtype))
for _function in (clone, contiguous, detach, detach_, sum_to_size, to, numpy, item, tolist, copy_, fill_, type_as, zero_, apply_, map_, map2_):
    setattr(Tensor, _function.__name__, _function)
Tensor.data = property(_data, _set_data, _delete_data)
Tensor.cpu, Tensor.cuda, Tensor.get_device = lambda self: self, cuda, lambda self: -1
Tensor.__bool__, Tensor.__len__, Tensor.__iter__, Tensor.__contains__ = _bool, _len, _iter, _contains
Tensor.__reversed__ = _reversed
Tensor.__float__, Tensor.__int__ = (lambda self: _scalar(self, float)), (lambda self: _scalar(self, int))
Tensor.__index__, Tensor.__hash__ = _index, lambda self: id(self)

FUNCTIONS = {"clone": clone, "detach": detach}
__all__ = ["CopyBackwards", "DTYPES", "FUNCTIONS", "of_numpy", "set_default"]
