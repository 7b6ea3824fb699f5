"""What a user sets on a tensor: whether it requires grad, its ``grad``, and the hooks on it."""

from __future__ import annotations

import warnings

from .modes import state
from .node import UNTRACKED, RemovableHandle
from .stale import outdate
from .tensor import Tensor, own_node, retain
from .words import type_name

_NOT_LEAF = ("The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be populated during "
             "autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If "
             "you access the non-leaf Tensor by mistake, make sure you access the leaf Tensor instead. See github.com/pytorch/pytorch/pull/30531 for more "
             "information.")
_DETACHED = (" If you want to use a computed variable in a subgraph that doesn't require differentiation use var_no_grad = var.detach().")


def _requires_grad(self: Tensor) -> bool:
    """Do operations on this tensor get recorded?"""
    return self._rg


def _set_requires_grad(self: Tensor, value: bool) -> None:
    if not isinstance(value, bool):
        raise RuntimeError("requires_grad must be a bool")
    if own_node(self) is not None:
        raise RuntimeError("you can only change requires_grad flags of leaf variables." + ("" if value else _DETACHED))
    if value and self._data.dtype.kind != "f":
        raise RuntimeError("only Tensors of floating point and complex dtype can require gradients")
    if value and self._inference and not state.inference:
        raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
    if self._view is not None and self._view.base._rg and not value:
        self._rg, self._grad_fn = True, UNTRACKED  # as its base
        return
    if self.__dict__.get("_grad_fn") is UNTRACKED:
        self._grad_fn = None
    self._rg = value
    if value and self._view is not None:
        self._view.base._leaf_views = True
    if self._views is not None:
        outdate(self)


def _delete_requires_grad(self: Tensor) -> None:
    raise RuntimeError("requires_grad must be a bool")


def requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Set ``requires_grad`` and return the tensor."""
    if not isinstance(requires_grad, bool):
        raise TypeError(f"requires_grad_(): argument 'requires_grad' (position 1) must be bool, not {type_name(requires_grad)}")
    if own_node(self) is None:
        if requires_grad and self._data.dtype.kind != "f":
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        self.requires_grad = requires_grad
    elif not requires_grad:
        raise RuntimeError("you can only change requires_grad flags of leaf variables." + _DETACHED)
    return self


def _gradient(self: Tensor) -> Tensor | None:
    """The gradient that backward passes have accumulated; a warning for results that do not retain it."""
    if self._grad is None and own_node(self) is not None and not self.retains_grad:
        warnings.warn(_NOT_LEAF, UserWarning, stacklevel=2)
    return self._grad


def _set_gradient(self: Tensor, value) -> None:
    if value is not None:
        _check_grad(self, value)
    self._grad = value


def _delete_gradient(self: Tensor) -> None:
    self._grad = None


def _check_grad(self: Tensor, value) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type_name(value)}")
    if value is self:
        raise RuntimeError("can't assign Variable as its own grad")
    if value.dtype is not self.dtype:
        raise RuntimeError(f"attempting to assign a gradient with dtype '{value.dtype.c_name}' to a tensor with grad_dtype "
                           f"'{self.dtype.legacy}'. The gradient must match the tensor's grad_dtype (defaults to the tensor's dtype). You can set the "
                           "tensor's grad_dtype attribute with a specific dtype, or None to allow any dtype. Set grad_dtype with caution. Diverging the "
                           "dtypes of a tensor and its gradient may break downstream systems that assume they match.")
    if value._data.shape != self._data.shape:
        raise RuntimeError(f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size '{list(self.shape)}'. Please ensure that "
                           "the gradient and the tensor are the same size")


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of this result in its ``grad``."""
    if not self._rg:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if own_node(self) is not None and not self.retains_grad:
        self.retains_grad = True
        retain(self)


def register_hook(self: Tensor, hook) -> RemovableHandle:
    """Call ``hook(grad)`` when the gradient of this tensor is known; what it returns, if not None, replaces it."""
    if not self._rg:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    node = self.grad_fn
    if node is None:
        if self._hooks is None:
            self._hooks = {}
        return RemovableHandle(self._hooks, hook)
    if node.pre_hooks is None:
        node.pre_hooks = {}
    return RemovableHandle(node.pre_hooks.setdefault(self._number, {}), hook)


def register_post_accumulate_grad_hook(self: Tensor, hook) -> RemovableHandle:
    """Call ``hook(tensor)`` after its ``grad`` was added to; leaves only."""
    if not self._rg:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if self.grad_fn is not None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    if self._post_hooks is None:
        self._post_hooks = {}
    return RemovableHandle(self._post_hooks, hook)


Tensor.requires_grad = property(_requires_grad, _set_requires_grad, _delete_requires_grad)
Tensor.grad = property(_gradient, _set_gradient, _delete_gradient)
for _function in (requires_grad_, retain_grad, register_hook, register_post_accumulate_grad_hook):
    setattr(Tensor, _function.__name__, _function)
