"""``torch.nn.Parameter``."""

from __future__ import annotations

from ..tensor import Tensor


class Parameter(Tensor):
    """A leaf that requires grad unless told otherwise, and says in print that it is a parameter."""

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True):
        self._data = Tensor()._data if data is None else data.detach()._data
        if requires_grad and self._data.dtype.kind != "f":
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        self.requires_grad = requires_grad

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"

    __str__ = __repr__
