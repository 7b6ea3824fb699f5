"""Copies of tensors by Python's own means: ``copy.copy`` shares the memory, ``copy.deepcopy`` copies it once for all views of it, ``pickle`` writes it."""

from __future__ import annotations

import copy
import warnings

import numpy as np

from .nn.parameter import Parameter
from .tensor import Tensor, made_of, shared

_NOT_A_LEAF = ("Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  If you were attempting to "
               "deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001")
_HOOK = ("backward hook {hook!r} on tensor will not be serialized.  If this is expected, you can decorate the function with "
         "@torch.utils.hooks.unserializable_hook to suppress this warning")
_OURS = frozenset(name for name in vars(Tensor) if name.startswith("_") and not name.startswith("__")) | {"_data", "retains_grad"}


def _attributes(tensor: Tensor) -> dict:
    """What a user has hung on a tensor."""
    return {name: value for name, value in tensor.__dict__.items() if name not in _OURS}


def _rebuilt(kind: type[Tensor], data, requires_grad: bool, attributes: dict) -> Tensor:
    made = made_of(data if data.ndim else data[()])
    made.__class__ = kind
    made._rg = requires_grad
    made.__dict__.update(attributes)
    return made


def _copy(self: Tensor) -> Tensor:
    return _rebuilt(type(self), shared(self), self._rg, _attributes(self))


def _deepcopy(self: Tensor, memo: dict) -> Tensor:
    if id(self) in memo:
        return memo[id(self)]
    if self._grad_fn is not None:
        raise RuntimeError(_NOT_A_LEAF)
    made = memo[id(self)] = _rebuilt(type(self), _copied_memory(shared(self), memo), self._rg, copy.deepcopy(_attributes(self), memo))
    if self._grad is not None and not isinstance(self, Parameter):
        made._grad = copy.deepcopy(self._grad, memo)
    return made


def _copied_memory(array: np.ndarray, memo: dict) -> np.ndarray:
    """The same view of a copy of the whole memory, which is copied once."""
    whole = array
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    if whole.dtype != array.dtype or not (whole.flags.c_contiguous or whole.flags.f_contiguous) or not array.size:
        return np.array(array)
    if id(whole) not in memo:
        memo[id(whole)] = whole.copy("K")
        memo.setdefault(id(memo), []).append(whole)  # alive as long as its number is in use
    offset = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    return np.ndarray(array.shape, array.dtype, memo[id(whole)].ravel("K"), offset, array.strides)


def _reduce(self: Tensor, protocol: int):
    for hook in (self._hooks or {}).values():
        warnings.warn(_HOOK.format(hook=hook), UserWarning, stacklevel=2)
    return _rebuilt, (type(self), np.array(self._data), self._rg, _attributes(self))


Tensor.__copy__, Tensor.__deepcopy__, Tensor.__reduce_ex__ = _copy, _deepcopy, _reduce
