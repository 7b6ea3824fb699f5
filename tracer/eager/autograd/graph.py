"""``torch.autograd.graph``: hooks on saved tensors, and places on the tape."""

from __future__ import annotations

from ..backward import GradientEdge, get_gradient_edge
from ..modes import state
from ..node import Node


class saved_tensors_hooks:
    """Inside, what nodes save goes through ``pack_hook``; the backward pass gets it back by ``unpack_hook``."""

    def __init__(self, pack_hook, unpack_hook):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if isinstance(state.hooks, str):
            raise RuntimeError(state.hooks)
        state.hooks = (*state.hooks, (self.pack_hook, self.unpack_hook))
        state.refresh()

    def __exit__(self, *_) -> None:
        state.hooks = state.hooks[:-1]
        state.refresh()


class save_on_cpu(saved_tensors_hooks):
    """Everything is on the CPU already."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        super().__init__(lambda tensor: tensor, lambda tensor: tensor)


class disable_saved_tensors_hooks:
    """Inside, registering hooks on saved tensors is an error with this message."""

    def __init__(self, error_message: str):
        self.message = error_message

    def __enter__(self) -> None:
        self._before, state.hooks = state.hooks, self.message

    def __exit__(self, *_) -> None:
        state.hooks = self._before


__all__ = ["GradientEdge", "Node", "disable_saved_tensors_hooks", "get_gradient_edge", "save_on_cpu", "saved_tensors_hooks"]
