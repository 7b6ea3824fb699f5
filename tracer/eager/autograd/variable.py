"""``torch.autograd.Variable``, by which old programs say whether a tensor requires grad."""

from __future__ import annotations

from ..tensor import Tensor


class _AsTensor(type):
    def __instancecheck__(cls, instance) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_AsTensor):
    """The same memory as a tensor outside of the tape; all tensors are instances."""

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = False, volatile: bool = False) -> Tensor:
        if data is None:
            return Tensor()
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        made = data.detach()
        made.requires_grad = requires_grad
        return made
